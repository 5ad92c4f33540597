"""One history, from its seed to the verdict."""

from __future__ import annotations

import random
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import TypeAlias

import attrs
import trio
from history_checker import Record, StoredRun, StoredThread, Violation, judge
from history_storage import Disk
from history_tabs import Family, Tab
from history_world import DOWN_SECONDS, World
from trio.testing import MockClock

from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.run import first_seq
from chatcore.testing.groups import lone_exceptions
from chatcore.testing.schedules import seeded_schedule
from chatcore.threads.service import ThreadService

USERS = ("ann", "bob", "eve")

LIMIT_SECONDS = 900.0
"""Of virtual time, for all of a history: nothing in it waits for longer than the server's own retries."""

SETTLE_SECONDS = 0.5
"""After the last event, until it is asked whether everyone has heard it."""

FLIGHT_SECONDS = 6.0
"""What was sent last may take to arrive, on the slowest disk, at a tab that dozes off."""

MOST_TOLD = 6000
"""Characters of a traceback."""

CATCH_UP_SECONDS = 10.0
"""What a replay of everything may take, on the slowest disk."""

POLL_SECONDS = 0.25


@attrs.frozen
class Verdict:
    """What came of a history.

    Args:
        seed: of it.
        broken: what promise was broken, None where none was.
        trace: what happened, for people.
        events: in the log in the end.
        connections: there were.
        restarts: of the server.
        lost: servers that ended without storing what they had sent.
    """

    seed: int
    broken: str | None
    trace: list[str]
    events: int = 0
    connections: int = 0
    restarts: int = 0
    lost: int = 0

    def __str__(self) -> str:
        return "\n".join([*self.trace, f"seed {self.seed}: {self.broken or 'as promised'}"])


Spoil: TypeAlias = "Callable[[History, Record], None]"
"""Falsifies what was heard or stored before it is judged: for tests of the judge."""


def run_history(seed: int, disk: Disk, spoil: Spoil | None = None) -> Verdict:
    """Play the history of a seed and judge it."""
    trace: list[str] = []
    random.seed(seed)
    try:
        with seeded_schedule(seed):
            return trio.run(_main, seed, disk, trace, spoil, clock=MockClock(autojump_threshold=0))
    except Violation as violation:
        return Verdict(seed, str(violation), trace)
    except Exception as error:  # of the server, of a client, or a deadlock
        told = "".join(traceback.format_exception(error))[-MOST_TOLD:]
        return Verdict(seed, f"{type(error).__name__} ended it\n{told}", trace)


async def _main(seed: int, disk: Disk, trace: list[str], spoil: Spoil | None) -> Verdict:
    disk.begin(seed)
    with lone_exceptions(), trio.fail_after(LIMIT_SECONDS):
        async with trio.open_nursery() as nursery:
            world = World(seed, disk, nursery, trace=trace)
            history = History(world, Random(f"history {seed}"))
            verdict = await history.play(spoil)
            nursery.cancel_scope.cancel()
    return verdict


@attrs.define(eq=False)
class History:
    """One history.

    Args:
        world: it happens in.
        rng: draws who is there and what befalls them.
    """

    world: World
    rng: Random
    families: list[Family] = attrs.field(factory=list)
    tabs: list[Tab] = attrs.field(factory=list)

    async def play(self, spoil: Spoil | None) -> Verdict:
        """Let it happen, wait until all is still, and judge."""
        self._populate()
        await self.world.start()
        async with trio.open_nursery() as doings:
            doings.start_soon(self._befall)
            for tab in self.tabs:
                doings.start_soon(tab.live)
        self.world.tell("nothing befalls anyone any more")
        await self._settle()
        await self._come_back()
        record = await self._record()
        if spoil is not None:
            spoil(self, record)
        judge(self.world, self.families, self.tabs, record)
        for connection in self.world.connections:
            await connection.close()
        await self.world.drain()
        self.world.log.close()
        return self._verdict(record)

    def _populate(self) -> None:
        self.families = [Family(user) for user in USERS[: self.rng.choice((1, 1, 2, 3))]]
        for family in self.families:
            strangers = [other for other in self.families if other is not family]
            for number in range(self.rng.choice((1, 2, 2, 3))):
                steps = self.rng.randint(2, 8)
                self.tabs.append(Tab(f"{family.user}{number + 1}", family, strangers, self.world, steps))

    async def _befall(self) -> None:
        """Restarts."""
        for _ in range(self.rng.choice((0, 0, 1, 1, 2))):
            await trio.sleep(self.rng.choice((0.05, 0.3, 1.0)) * self.rng.random())
            how = self.rng.random()
            if how < 0.25:
                await self.world.drain()
            elif how < 0.4:
                await self.world.cancel()
            elif how < 0.6:
                self.world.crash()
            else:
                await self.world.crash_at_commit(self.rng.randint(1, 12), after=self.rng.random() < 0.5)
            await trio.sleep(self.rng.choice(DOWN_SECONDS))
            await self.world.start()

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Every message is sent until it is answered for, and every run comes to its end."""
        for family in self.families:
            tab = next(tab for tab in self.tabs if tab.family is family)
            while family.unanswered:
                if tab.link is None or not tab.link.open or not tab.link.honest:
                    await tab.reconnect(safe=True)
                assert tab.link is not None
                for message in family.unanswered:
                    await tab.link.send(message)
                with trio.move_on_after(POLL_SECONDS):
                    while family.unanswered and tab.link.open:
                        await tab.link.changed.wait()
        for connection in self.world.connections:
            connection.dozes = 0.0
        await trio.sleep(FLIGHT_SECONDS)
        store = await self._store()
        while await store.unfinished_runs():  # noqa: ASYNC110  what is stored tells nobody
            await trio.sleep(POLL_SECONDS)
        await trio.sleep(SETTLE_SECONDS)

    async def _come_back(self) -> None:
        """Every tab gets what it misses, and one for each user that has nothing gets it all."""
        store = await self._store()
        for family in self.families:
            newcomer = Tab(f"{family.user}-new", family, [], self.world, 0)
            last = {each.thread_id: each.last_seq for each in (await store.threads(family.user, limit=1000)).items}
            for tab in (*(tab for tab in self.tabs if tab.family is family), newcomer):
                await self._catch_up(tab, last)
            self.tabs.append(newcomer)

    async def _catch_up(self, tab: Tab, last: dict[str, int]) -> None:
        def missing() -> list[str]:
            return [key for key in tab.family.threads if key in last and tab.position(key) < last[key]]

        if missing():
            await tab.reconnect(safe=True, threads=missing())
        with trio.move_on_after(CATCH_UP_SECONDS):
            while missing():
                assert tab.link is not None
                await tab.link.changed.wait()

    async def _store(self) -> ThreadService:
        return await (await self.world.server()).server.keeper.opened()

    async def _record(self) -> Record:
        store = await self._store()
        threads = {}
        for user in USERS:
            for thread in (await store.threads(user, limit=1000)).items:
                threads[thread.thread_id] = await _stored(store, user, thread.thread_id)
        with closing(sqlite3.connect(self.world.disk.path)) as database:
            rows = database.execute("SELECT run_id, thread_id, user_id, message_id, state FROM runs ORDER BY id")
            runs = [StoredRun(*row) for row in rows]
        return Record(threads, runs)

    def _verdict(self, record: Record) -> Verdict:
        return Verdict(
            seed=self.world.seed,
            broken=None,
            trace=self.world.trace,
            events=sum(len(thread.events) for thread in record.threads.values()),
            connections=len(self.world.connections),
            restarts=self.world.restarts,
            lost=len(self.world.losses),
        )


async def _stored(store: ThreadService, user: str, thread_id: str) -> StoredThread:
    thread = await store.thread(user, thread_id)
    events: list[m.AnyRunEvent] = []
    after = 0
    while after < thread.last_seq:
        page = await store.events(user, thread_id, after_seq=after)
        if not page.items:
            break
        for stored in page.items:
            event = decode_server_frame(stored.frame)
            assert isinstance(event, m.RunEvent)
            assert (stored.seq, stored.first_seq) == (event.seq, first_seq(event))
            events.append(event)
        after = page.items[-1].seq
    messages = await store.messages(user, thread_id, limit=1000)
    return StoredThread(thread_id, user, thread.epoch, thread.last_seq, events, messages.items)
