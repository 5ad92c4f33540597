"""A server that is killed again and again under load: every acknowledged message ends exactly once.

``python -m bench.crashes --kills 200``: a real ``chatcore serve`` process, clients over real WebSockets, SIGKILL at
random moments, and a start on the same database and port each time. What is checked: bench/README.md.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import attrs
import trio
from cyclopts import App

from bench.crash_clients import Frame, Tab, User
from bench.crash_judge import Log, ends, judge
from bench.processes import ROOT
from bench.restarting import RestartingServer, restarting
from bench.results import median, percentile, save, show

MOMENTS = ("starting", "sent", "message_accepted", "agent_delta", "tool_executing", "agent_completed", "any")
"""When a process is killed: while it starts, within 10 ms of what a client sends or hears, or just so."""

STARTING_SECONDS = 2.0
"""A process takes about so long from its beginning until a client is ready."""

UP_SECONDS = 1.5
"""How long at most it is let alone before the moment to kill it is awaited; divided by the speed."""

MOMENT_SECONDS = 5.0
"""A moment that does not come within this time is not waited for."""

SETTLE_SECONDS = 90.0
"""What the last process may take to bring everything to its end."""


@attrs.frozen
class Outcome:
    """What became of it.

    Args:
        kills: that were made, by their moment.
        messages: that were sent.
        resent: how often one was sent again that had not been acknowledged.
        duplicates: acknowledgements that said a message was known.
        ends: of runs, by kind.
        restarted: runs that were begun again after a crash.
        events: in the log.
        heard: events that all connections were sent, replays included.
        connections: that were made.
        recovery_seconds: from each kill to the first client that was ready again, where no other kill came between.
        faults: what was wrong, in words.
    """

    kills: dict[str, int]
    messages: int
    resent: int
    duplicates: int
    ends: dict[str, int]
    restarted: int
    events: int
    heard: int
    connections: int
    recovery_seconds: list[float]
    faults: list[str]


@attrs.define(eq=False)
class Witness:
    """Hears of every frame that a client sends or receives, and tells who waits for one of a kind."""

    _waited_for: dict[str, trio.Event] = attrs.field(factory=dict)

    def __call__(self, kind: str) -> None:
        if kind in self._waited_for:
            self._waited_for.pop(kind).set()

    async def next(self, kind: str) -> None:
        """Return at the next frame of this kind, or after :data:`MOMENT_SECONDS`."""
        with trio.move_on_after(MOMENT_SECONDS):
            await self._waited_for.setdefault(kind, trio.Event()).wait()


async def soak(kills: int, users: int, seed: int, speed: float) -> Outcome:
    """Kill a server so often under the load of so many users, and judge what is left."""
    chance, witness = random.Random(seed), Witness()
    settings = {"CRASH_SPEED": str(speed), "CHATCORE_MAX_MESSAGES_PER_MINUTE": "0"}
    async with restarting("bench.crash_app:app", **settings) as server:
        people = [User(f"user{number}", random.Random(f"{seed}-{number}")) for number in range(users)]
        tabs = [Tab(server.url, user, sends, witness) for user in people for sends in (True, False)]
        async with trio.open_nursery() as nursery:
            for tab in tabs:
                nursery.start_soon(tab.run)
            killed = [await _kill(server, chance, witness, number, UP_SECONDS / speed) for number in range(kills)]
            server.start()
            await server.announced()
            await _settle(tabs)
            nursery.cancel_scope.cancel()
        log, messages = await trio.to_thread.run_sync(_read, server, people)
        await server.end(signal.SIGTERM)
        faults = judge(people, tabs, log, messages) + list(_file_faults(server))
        return _outcome(killed, people, tabs, log, faults)


async def _kill(
    server: RestartingServer, chance: random.Random, witness: Witness, number: int, up_seconds: float
) -> tuple[str, float]:
    """Start a process and kill it; the moment, and when that was."""
    moment = chance.choice(MOMENTS)
    server.start()
    if moment == "starting":
        await trio.sleep(chance.uniform(0, STARTING_SECONDS))
    else:
        await server.announced()
        await witness.next("ready")
        await trio.sleep(chance.uniform(0, up_seconds))
        if moment != "any":
            await witness.next(moment)
            await trio.sleep(chance.uniform(0, 0.01))
    at = await server.end(signal.SIGKILL)
    print(f"kill {number + 1}, {moment}", file=sys.stderr, flush=True)
    return moment, at


async def _settle(tabs: list[Tab]) -> None:
    """Nothing new is sent; wait for the end of everything."""
    for tab in tabs:
        tab.sending = False
    with trio.move_on_after(SETTLE_SECONDS):
        while not all(tab.settled for tab in tabs):  # noqa: ASYNC110  cheaper than telling of each frame
            await trio.sleep(0.05)


# --- what is left ---------------------------------------------------------------------------------------------------


def _read(server: RestartingServer, users: list[User]) -> tuple[Log, list[Frame]]:
    """The log and the messages of every thread, as the server tells them over HTTP."""
    log: dict[str, list[Frame]] = {}
    messages: list[Frame] = []
    for user in users:
        get = partial(_pages, server, user)
        for thread in get("/api/threads", "threads", "cursor"):
            path = f"/api/threads/{thread['thread_id']}"
            log[thread["thread_id"]] = list(get(f"{path}/events", "events", "after"))
            messages += get(f"{path}/messages", "messages", "cursor")
    return log, messages


def _pages(server: RestartingServer, user: User, path: str, name: str, position: str) -> Iterator[Frame]:
    url = f"{server.url}{path}?user_id={user.name}"
    after: Any = None
    while True:
        with urllib.request.urlopen(url + (f"&{position}={after}" if after else ""), timeout=30) as answer:
            page = json.load(answer)
        yield from page[name]
        if (after := page["next"]) is None:
            return


def _file_faults(server: RestartingServer) -> Iterator[str]:
    """What SQLite itself finds wrong with the file."""
    with closing(sqlite3.connect(server.database)) as connection:
        for check in ("integrity_check", "foreign_key_check"):
            found = connection.execute(f"PRAGMA {check}").fetchall()
            if found not in ([], [("ok",)]):
                yield f"{check}: {found}"


def _outcome(
    killed: list[tuple[str, float]], users: list[User], tabs: list[Tab], log: Log, faults: list[str]
) -> Outcome:
    every = [event for events in log.values() for event in events]
    accepted = [frame for user in users for frames in user.accepted.values() for frame in frames]
    return Outcome(
        kills=dict(Counter(moment for moment, _ in killed)),
        messages=sum(len(user.sent) for user in users),
        resent=sum(user.resent for user in users),
        duplicates=sum(frame["duplicate"] for frame in accepted),
        ends=dict(ends(log)),
        restarted=len({event["run_id"] for event in every if event["type"] == "agent_restarted"}),
        events=len(every),
        heard=sum(len(tab.heard) for tab in tabs),
        connections=sum(tab.connections for tab in tabs),
        recovery_seconds=list(_recoveries([at for _, at in killed], sorted(at for tab in tabs for at in tab.ready_at))),
        faults=faults,
    )


def _recoveries(kills: list[float], ready: list[float]) -> Iterator[float]:
    for at, following in zip(kills, [*kills[1:], float("inf")], strict=True):
        back = next((moment for moment in ready if moment > at), None)
        if back is not None and back < following:
            yield back - at


def report(outcome: Outcome) -> None:
    """Print the figures, and what was wrong."""
    recoveries = outcome.recovery_seconds
    rows: list[tuple[str, object]] = [
        ("kills", f"{sum(outcome.kills.values())}: " + ", ".join(f"{k} {n}" for k, n in outcome.kills.items())),
        ("messages sent", outcome.messages),
        ("sent again without an acknowledgement", outcome.resent),
        ("acknowledged as known", outcome.duplicates),
        *((f"ended as {kind}", count) for kind, count in outcome.ends.items()),
        ("runs begun again", outcome.restarted),
        ("events in the log", outcome.events),
        ("events heard, replays included", outcome.heard),
        ("connections", outcome.connections),
        ("recovery, median s", f"{median(recoveries):.2f}"),
        ("recovery, p99 s", f"{percentile(recoveries, 0.99):.2f}"),
        ("recovery, slowest s", f"{max(recoveries, default=float('nan')):.2f}"),
        ("faults", len(outcome.faults)),
    ]
    show("A server that is killed", ("", ""), [[name, str(value)] for name, value in rows])
    for fault in outcome.faults[:20]:
        print(f"FAULT: {fault}")


def main(
    *, kills: int = 200, users: int = 4, seed: int = 1, speed: float = 1.0, keep: bool = True, limit: float = 0
) -> int:
    """Kill a server under load, and judge what is left.

    Args:
        kills: how many.
        users: each with two connections, and up to five messages under way.
        seed: of what is sent, and of the moments.
        speed: what the times of the agents are divided by.
        keep: whether to write the result to bench/results.
        limit: seconds that all of it may take; 0: as long as so many kills need.
    """
    with_limit: Callable[..., Any] = partial(_within, limit or 30.0 * kills + SETTLE_SECONDS)
    outcome: Outcome = trio.run(with_limit, kills, users, seed, speed)
    report(outcome)
    if keep:
        settings = {"kills": kills, "users": users, "seed": seed, "speed": speed}
        print(f"written to {save('crashes', settings, attrs.asdict(outcome)).relative_to(ROOT)}")
    return 1 if outcome.faults or not outcome.ends else 0


async def _within(seconds: float, *numbers: Any) -> Outcome:
    with trio.fail_after(seconds):
        return await soak(*numbers)


if __name__ == "__main__":
    began = time.monotonic()
    code = App(default_command=main, help=__doc__)()
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
