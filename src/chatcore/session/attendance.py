"""How a connection follows the services: initializing, progress, ready, recovering, or the error that ends it.

A connection that attends is no task: one task of the server, the usher, tells all of them of every change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import attrs
import trio

from chatcore.errors import CloseCode, InitializationFailed
from chatcore.initialization.lifecycle import State as ServicesState
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import Snapshot
from chatcore.initialization.waiters import Cohort
from chatcore.protocol import messages as m
from chatcore.protocol.connection import State
from chatcore.protocol.shared import Announcement
from chatcore.services import ReadyServices
from chatcore.session.bulletin import Bulletin
from chatcore.session.connections import TOLD_AT_ONCE
from chatcore.session.voice import Voice
from chatcore.session.waiting import UNDER_WAY

PATIENCE_SECONDS: Final = 1.0
"""From one telling of everyone to the next, at most, while others come in: they hear nothing at all until they are let
in, and whoever waits hears of all steps together then. Silence may last 2 s (guarantees.md, 26): the rest is for the
telling itself, which takes its time among thousands."""

COMING_IN_TURNS: Final = 3
"""Turns of the loop that it takes to come in: its connection is accepted, begun, and heard of."""


class Follower(Protocol):
    """Someone who attends."""

    def follow(self, snapshot: Snapshot) -> None:
        """Hear of the services; must not wait or raise."""


@attrs.define(eq=False)
class Usher:
    """Tells everyone who attends of every change, one after another; whoever reads slowly gets the latest.

    While services start and a crowd comes in, letting them in goes before telling those who are in.
    """

    manager: ServiceInitializationManager
    bulletin: Bulletin
    _present: dict[Follower, None] = attrs.field(factory=dict, init=False)
    _entered: int = attrs.field(default=0, init=False)
    """How many ever came."""

    def enter(self, follower: Follower) -> None:
        """Tell this one of every change from now on."""
        self._present[follower] = None
        self._entered += 1

    def leave(self, follower: Follower) -> None:
        """Tell it no more."""
        self._present.pop(follower, None)

    async def run(self) -> None:
        """Do so for as long as the server runs."""
        told_at = float("-inf")
        async for _ in self.manager.progress():
            await self._let_in(told_at + PATIENCE_SECONDS)
            told_at = trio.current_time()
            for number, follower in enumerate(tuple(self._present)):
                if number % TOLD_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
                    snapshot = self.bulletin.snapshot()  # it may have changed meanwhile
                if follower in self._present:
                    follower.follow(snapshot)

    async def _let_in(self, until: float) -> None:
        """Return when nobody comes in just now, or there is more to tell than how a start goes, or time is up."""
        entered = -1
        while entered != self._entered and trio.current_time() < until:
            if self.bulletin.snapshot().state is not ServicesState.INITIALIZING:
                return
            entered = self._entered
            for _ in range(COMING_IN_TURNS):
                await trio.lowlevel.checkpoint()


@attrs.define(eq=False, kw_only=True)
class Attendance:
    """One connection's attendance on the services.

    Args:
        voice: of the connection.
        manager: of the services.
        bulletin: has the frames.
    """

    voice: Voice
    manager: ServiceInitializationManager
    bulletin: Bulletin
    _cohort: Cohort | None = attrs.field(default=None, init=False)
    """With whom it waits; None while it does not."""
    _ready: ReadyServices | None = attrs.field(default=None, init=False)
    """The generation that it was told is up, None while it waits."""
    _told: Snapshot | None = attrs.field(default=None, init=False)

    def begin(self) -> None:
        """Say the first frame, the truth now, and wait with the others where it is not ``ready``.

        That is one step: an attempt that the greeting told of is the one that is waited for.
        """
        if self.voice.ending is None:
            self._attend(self.bulletin.snapshot(), self.bulletin.greeting)

    def follow(self, snapshot: Snapshot) -> None:
        """Tell what has become of the services since it was last told."""
        if self.voice.ending is not None:
            return
        if self._cohort is not None and self._cohort.settled.is_set():
            self._conclude(self._cohort, snapshot)
        if self._ready is not None and self.manager.ready is not self._ready:
            self._recover(snapshot)
        elif self._cohort is not None and not self.voice.unwritten:
            self._tell(snapshot)

    def end(self) -> None:
        """Attend no more."""
        if self._cohort is not None:
            self.manager.leave(self._cohort)
            self._cohort = None

    def _attend(self, snapshot: Snapshot, greeting: Callable[[Snapshot], Announcement]) -> None:
        """Say what is: ready, no use in waiting, or what there is to wait for."""
        if (ready := self.manager.ready) is not None:
            self._announce(ready, None, snapshot)
        elif (refusal := self.manager.refusal()) is not None:
            self._refuse(refusal)
        else:
            self._cohort, self._told = self.manager.join(), snapshot
            self._say(greeting(snapshot))

    def _conclude(self, cohort: Cohort, snapshot: Snapshot) -> None:
        """The wait is over."""
        self.end()
        try:
            ready = self.manager.outcome(cohort)
        except InitializationFailed as failure:
            return self._refuse(failure)
        told = self._told if self._is_of(snapshot) else None
        self._told = None
        self._announce(ready, told, snapshot)

    def _tell(self, snapshot: Snapshot) -> None:
        """Say what has changed, once."""
        told = self._told
        if told is None or (told.version < snapshot.version and not self._is_over(snapshot)):
            self._told = snapshot
            self._say(self.bulletin.news(told, snapshot))

    def _is_over(self, snapshot: Snapshot) -> bool:
        """Whether the attempt that this connection was told of has come to nothing."""
        return self._told is not None and self._told.state in UNDER_WAY and snapshot.state not in UNDER_WAY

    def _is_of(self, snapshot: Snapshot) -> bool:
        """Whether this is of the attempt that it was told of, and later: the last steps may have been too quick to be
        told one by one.
        """
        told = self._told
        if told is None or snapshot.state is not ServicesState.READY:  # it is over already, and so is what led to it
            return False
        return told.attempt in (0, snapshot.attempt) and told.version < snapshot.version

    def _announce(self, ready: ReadyServices, told: Snapshot | None, snapshot: Snapshot) -> None:
        """Say ``ready``, once a generation."""
        self._ready = ready
        if self.voice.state is not State.READY:
            self._say(self.bulletin.arrival(told, snapshot, ready.generation))

    def _say(self, announcement: Announcement) -> None:
        if announcement.frames:
            self.voice.announce(announcement)

    def _recover(self, snapshot: Snapshot) -> None:
        """This generation is over: say so, also where the next one is up already, and wait for it."""
        self._ready = None
        if snapshot.state is not ServicesState.DRAINING:
            self._say_recovering(snapshot)
        self._attend(snapshot, partial(self.bulletin.news, None))

    def _say_recovering(self, snapshot: Snapshot) -> None:
        lost = next((status for status in snapshot.services if status.name == snapshot.lost), None)
        if lost is not None:
            message = f"{lost.label} was lost and is being restarted"
            self.voice.say(m.Recovering, message=message, service=lost.name, label=lost.label)

    def _refuse(self, failure: InitializationFailed) -> None:
        """The error that ends the wait, and the connection."""
        meaning = failure.error_code.meaning
        self.voice.say_error(
            failure.error_code, retryable=failure.retryable, retry_after_seconds=failure.retry_after_seconds
        )
        self.voice.end(meaning.close or CloseCode.SERVER_FAULT, meaning.message)
