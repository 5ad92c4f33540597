"""The people of a history: tabs that send, cancel, resume and delete, are cut off, and keep what they heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import attrs
import msgspec
import trio
from history_agents import tag_of
from history_world import Connection, World

from chatcore.protocol import messages as m
from chatcore.protocol.run import first_seq

PAUSES = (0.0, 0.0, 0.0, 0.001, 0.01, 0.1, 0.6)
"""Seconds between two doings of a tab."""

UNREAD = (float("inf"), float("inf"), 3, 0)
"""Frames that a connection carries unread before the server's sends wait."""

DOZES = (0.05, 0.5, 4.0)
"""Seconds without reading that the server puts up with."""

LONG_SECONDS = 12.0
"""Longer than the server waits for a client that does not read."""


@attrs.define(eq=False)
class Held:
    """What a tab has of a thread: every event from after ``base`` up to ``position``.

    Args:
        base: what it begins after: 0, or where a snapshot stood.
        heard: on which connection each event came.
    """

    base: int = 0
    epoch: str | None = None
    position: int = 0
    behind: bool = False
    events: list[m.AnyRunEvent] = attrs.field(factory=list)
    heard: list[Connection] = attrs.field(factory=list)
    _lengths: dict[str, int] = attrs.field(factory=dict)

    def take(self, event: m.AnyRunEvent, connection: Connection) -> None:
        """Take what is new of an event; where something is missing before it, know that."""
        if event.seq <= self.position:
            return
        if first_seq(event) > self.position + 1:
            self.behind = True
            return
        if isinstance(event, m.AgentDelta):
            event = self._beyond(event)
            self._lengths[event.run_id] = event.offset + len(event.text)
        elif isinstance(event, m.AgentRestarted):
            self._lengths[event.run_id] = 0
        self.epoch, self.position, self.behind = event.epoch, event.seq, False
        self.events.append(event)
        self.heard.append(connection)

    def _beyond(self, event: m.AgentDelta) -> m.AgentDelta:
        """A merged delta without the parts that are held: who asks again for what it has gets them once more."""
        if first_seq(event) > self.position:
            return event
        known = max(0, min(len(event.text), self._lengths.get(event.run_id, event.offset) - event.offset))
        return msgspec.structs.replace(
            event, text=event.text[known:], offset=event.offset + known, first_seq=self.position + 1
        )

    def restart(self, snapshot: m.ThreadSnapshot) -> None:
        """Begin anew after a snapshot, unless more is held than it shows, or nothing is missing before it."""
        if snapshot.seq > self.position or snapshot.epoch != self.epoch:
            self.base = self.position = snapshot.seq
            self.epoch, self.behind = snapshot.epoch, False
            self.events, self.heard, self._lengths = [], [], {}


@attrs.define(eq=False)
class Family:
    """What the tabs of one user know together.

    Args:
        accepted: acknowledged messages, by id; all acknowledgements.
        asked: every message that was sent, by id.
        refused: messages whose thread was deleted.
    """

    user: str
    accepted: dict[str, list[m.MessageAccepted]] = attrs.field(factory=dict)
    asked: dict[str, m.UserMessage] = attrs.field(factory=dict)
    refused: set[str] = attrs.field(factory=set)

    @property
    def threads(self) -> list[str]:
        """Known to any of the tabs, in the order of their acknowledgement."""
        return list({each.thread_id: None for all_of in self.accepted.values() for each in all_of})

    @property
    def runs(self) -> list[str]:
        """Known to any of the tabs."""
        return list({each.run_id: None for all_of in self.accepted.values() for each in all_of})

    @property
    def unanswered(self) -> list[m.UserMessage]:
        """Sent, and neither acknowledged nor refused so far."""
        return [each for key, each in self.asked.items() if key not in self.accepted and key not in self.refused]


@attrs.define(eq=False)
class Tab:
    """One tab of one user.

    Args:
        name: in the trace.
        family: of the user.
        strangers: what other users know, for trespassers.
        steps: how much it does.
    """

    name: str
    family: Family
    strangers: list[Family]
    world: World
    steps: int
    rng: Random = attrs.field(init=False)
    link: Connection | None = None
    held: dict[str, Held] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.rng = Random(f"{self.name} {self.world.seed}")

    async def live(self) -> None:
        """Do this and that, and lose the connection now and then."""
        for _ in range(self.steps):
            await trio.sleep(self.rng.choice(PAUSES))
            if self.link is None or not self.link.open:
                await self.reconnect()
            else:
                await self._draw()()

    def _draw(self) -> Callable[[], Awaitable[None]]:
        doings: dict[Callable[[], Awaitable[None]], int] = {
            self.ask: 8,
            self.ask_again: 3,
            self.cancel: 1,
            self.resume: 2,
            self.resume_oddly: 5,
            self.lose: 3,
            self.go_deaf_or_numb: 2,
            self.doze: 2,
            self.trespass: 1,
            self.delete: 1 if self.rng.random() < 0.2 else 0,
        }
        return self.rng.choices(list(doings), list(doings.values()))[0]

    # --- connections ------------------------------------------------------------------------------------------------

    async def reconnect(self, *, safe: bool = False, threads: Sequence[str] | None = None) -> None:
        """Connect, whatever became of the connection before, and resume what is held, or these threads of it."""
        unread = float("inf") if safe else self.rng.choice(UNREAD)
        link = await self.world.connect(self.family.user, unread)
        if link is None:
            return
        self.link = link
        self.world.tell(f"{self.name} connects as #{link.number}")
        if not safe and self.rng.random() < 0.25:
            link.cut_after = self.rng.randint(1, 25)
        self.world.nursery.start_soon(self._hear, link)
        if not safe and self.rng.random() < 0.5:  # before ready or after it
            await link.changed.wait()
        for thread_id in self.family.threads if threads is None else threads:
            if safe or self.rng.random() < 0.8:
                await self._resume(thread_id, self._held(thread_id).position)

    async def _hear(self, link: Connection) -> None:
        async for frame in link.read():
            if isinstance(frame, m.RunEvent):
                self.world.witness(frame)
            if link is self.link:
                self._take(frame, link)

    def _take(self, frame: m.AnyServerFrame, link: Connection) -> None:
        match frame:
            case m.MessageAccepted():
                self.family.accepted.setdefault(frame.message_id, []).append(frame)
            case m.Error(message_id=str(message_id), error_code="THREAD_NOT_FOUND"):
                self.family.refused.add(message_id)
            case m.ThreadSnapshot():
                self._held(frame.thread_id).restart(frame)
            case m.RunEvent():
                self._held(frame.thread_id).take(frame, link)

    def _held(self, thread_id: str) -> Held:
        return self.held.setdefault(thread_id, Held())

    def position(self, thread_id: str) -> int:
        """The last event of a thread that is held."""
        return self._held(thread_id).position

    async def lose(self) -> None:
        """The connection breaks off, on both sides at once."""
        if self.link is not None:
            self.world.tell(f"{self.name} loses #{self.link.number}")
            self.link.break_off()
        await trio.lowlevel.checkpoint()

    async def go_deaf_or_numb(self) -> None:
        """The connection is lost for the client, and the server believes that it is alive."""
        link = self.link
        if link is None:
            return
        link.honest = False
        how = self.rng.choice(("deaf", "numb", "both"))
        link.deaf, link.numb = how != "numb", how != "deaf"
        self.world.tell(f"{self.name} is {how} on #{link.number}")
        await self._act_without_knowing()
        if self.rng.random() < 0.1:
            await trio.sleep(LONG_SECONDS)
        self.link = None

    async def doze(self) -> None:
        """Read nothing for a while, and then all of it: a laptop that sleeps, a tab in the background."""
        if self.link is not None:
            self.link.dozes = self.rng.choice(DOZES)
            self.world.tell(f"{self.name} dozes on #{self.link.number} for {self.link.dozes} s")
        await trio.lowlevel.checkpoint()

    async def _act_without_knowing(self) -> None:
        for _ in range(self.rng.randint(0, 2)):
            await self.rng.choice((self.ask, self.ask_again, self.resume))()
            await trio.sleep(self.rng.choice(PAUSES))

    # --- doings -----------------------------------------------------------------------------------------------------

    async def _send(self, frame: m.AnyClientFrame) -> None:
        if self.link is not None:
            self.world.tell(f"{self.name} on #{self.link.number} sends {_short(frame)}")
            await self.link.send(frame)

    async def ask(self) -> None:
        """A new message, on a new thread or one that any tab knows."""
        threads = self.family.threads
        number = len(self.family.asked) + 1
        message = m.UserMessage(
            message_id=f"m{number}",  # of this user: another one's may be called the same
            content=f"{tag_of(self.family.user)} {self.world.seed} {number}",
            thread_id=self.rng.choice(threads) if threads and self.rng.random() < 0.7 else None,
            agent=self.rng.choice(("steady", "restartable", None)),
        )
        self.family.asked[message.message_id] = message
        await self._send(message)

    async def ask_again(self) -> None:
        """A message that was sent before, by this tab or another, acknowledged or not."""
        if self.family.asked:
            await self._send(self.rng.choice(list(self.family.asked.values())))

    async def cancel(self) -> None:
        """Cancel any run of the user, whatever became of it."""
        if runs := self.family.runs:
            run_id = self.rng.choice(runs[-3:])
            self.world.cancelled.add(run_id)
            await self._send(m.CancelRun(run_id=run_id))

    async def resume(self) -> None:
        """Resume a thread from what is held, also where it is live already."""
        if threads := self.family.threads:
            thread_id = self.rng.choice(threads)
            for _ in range(self.rng.choice((1, 1, 2))):
                await self._resume(thread_id, self._held(thread_id).position)

    async def resume_oddly(self) -> None:
        """Resume from anywhere: with nothing seen, after N, beyond the end, or in an epoch that never was."""
        if threads := self.family.threads:
            thread_id = self.rng.choice(threads[-2:])
            position = self._held(thread_id).position
            after = self.rng.choice((0, self.rng.randint(0, position), position + self.rng.randint(1, 9), 10**9))
            epoch = self.rng.choice((None, self._held(thread_id).epoch, "another"))
            await self._send(m.Resume(thread_id=thread_id, after_seq=after, epoch=epoch))

    async def _resume(self, thread_id: str, after: int) -> None:
        await self._send(m.Resume(thread_id=thread_id, after_seq=after, epoch=self._held(thread_id).epoch))

    async def trespass(self) -> None:
        """Try to reach what belongs to another user."""
        stranger = self.rng.choice(self.strangers) if self.strangers else None
        if stranger is not None and stranger.threads:
            thread_id = self.rng.choice(stranger.threads)
            frames: list[m.AnyClientFrame] = [
                m.Resume(thread_id=thread_id),
                m.CancelRun(run_id=self.rng.choice(stranger.runs)),
                m.UserMessage(message_id=f"x{self.rng.random()}", content="let me in", thread_id=thread_id),
            ]
            await self._send(self.rng.choice(frames))

    async def delete(self) -> None:
        """Delete a thread, as ``DELETE /api/threads/{id}`` does."""
        if threads := self.family.threads:
            thread_id = self.rng.choice(threads)
            self.world.deleting.add(thread_id)
            self.world.tell(f"{self.name} deletes {thread_id[:6]}")
            await self.world.delete_thread(self.family.user, thread_id)


def _short(frame: m.AnyClientFrame) -> str:
    fields: dict[str, Any] = msgspec.to_builtins(frame)
    return " ".join(str(value)[:10] for value in fields.values() if value is not None)
