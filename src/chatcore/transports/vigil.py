"""Whether quiet peers are still there: one task asks all of them, and hangs up on those that do not answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol, Self

import attrs
import trio

AGAIN_SECONDS: Final = 1.0
"""When a peer is asked that could not be asked now: it is being sent something, which has a deadline of its own."""

ASKED_AT_ONCE: Final = 50
"""Peers that are asked before others have their turn: a millisecond."""


class Peer(Protocol):
    """The other side of a connection."""

    @property
    def heard_at(self) -> float:
        """When something came from it last, in Trio's time."""

    def ask(self) -> bool:
        """Ask whether it is there; whether it could be asked. Must not wait."""

    def hang_up(self) -> None:
        """End the connection at once."""


@attrs.define(eq=False)
class Watched:
    """One peer, which is watched until this context is left, and since when it owes an answer."""

    peer: Peer | None
    asked_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.peer = None


@attrs.define(eq=False)
class Vigil:
    """Watches peers.

    Args:
        ping_seconds: after how much silence a peer is asked.
        pong_timeout_seconds: how long it may take to answer.
    """

    ping_seconds: float
    pong_timeout_seconds: float
    _due: list[tuple[float, int, Watched]] = attrs.field(factory=list)
    _order: Iterator[int] = attrs.field(factory=count)
    _added: trio.Event = attrs.field(factory=trio.Event)
    _nursery: trio.Nursery | None = None

    def watch(self, peer: Peer) -> Watched:
        """Watch a peer from now on, until the context that this is has been left."""
        watched = Watched(peer)
        self._look_at(watched, peer.heard_at + self.ping_seconds)
        return watched

    async def keep(self) -> None:
        """Watch for as long as the server runs."""
        async with trio.open_nursery() as self._nursery:
            while True:
                due_at = self._due[0][0] if self._due else float("inf")
                with trio.move_on_at(due_at):
                    await self._added.wait()
                self._added = trio.Event()
                await self._look()

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin a task for a peer that is not to wait for it; it ends with the vigil at the latest."""
        if self._nursery is not None:
            self._nursery.start_soon(work)

    async def _look(self) -> None:
        """Look at everyone who is due.

        Where the loop was late, an answer may have come in the very step in which its time was up: it is read first.
        """
        looked, now = 0, trio.current_time()
        await trio.lowlevel.checkpoint()
        while self._due and self._due[0][0] <= now:
            _, _, watched = heappop(self._due)
            again_at = self._again_at(watched, watched.peer, now) if watched.peer is not None else None
            if again_at is not None:
                self._look_at(watched, again_at)
            looked += 1
            if looked % ASKED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    def _again_at(self, watched: Watched, peer: Peer, now: float) -> float | None:
        """Do what is due; when the next is, None where it was hung up on."""
        if watched.asked_at is not None and peer.heard_at < watched.asked_at:
            peer.hang_up()
            return None
        watched.asked_at = None
        if peer.heard_at + self.ping_seconds > now:
            return peer.heard_at + self.ping_seconds
        if not peer.ask():
            return now + AGAIN_SECONDS
        watched.asked_at = now
        return now + self.pong_timeout_seconds

    def _look_at(self, watched: Watched, at: float) -> None:
        if not self._due or at < self._due[0][0]:
            self._added.set()
        heappush(self._due, (at, next(self._order), watched))
