"""One service's whole life in one task: entered, held while it is wanted, and left in the same task.

A service may hold nurseries and cancel scopes across its ``yield``; both are bound to their task, so a service that is
entered in one task and left in another breaks (guarantees.md, 18). The task is shielded from outside: only the manager
stops a service, in order and within a budget, whatever cancels the tree around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import attrs
import trio

from chatcore.services import Service

STARTING: ContextVar[ServiceHost | None] = ContextVar("chatcore_starting_service", default=None)
"""The host in whose task, or a task it began, this code runs. A declaration: nothing is made at import."""

ABANDON_SECONDS = 0.5
"""After its budget an exit is cancelled; one that does not end within this is left behind and the rest goes on."""

PARTING_SECONDS = 0.5
"""How long a service that dies may take to say of what, before it is counted as lost all the same."""


def starting_service() -> str | None:
    """The name of the service whose start this code is part of, at any depth; None outside a start."""
    host = STARTING.get()
    return host.service.name if host is not None and not host.settled.is_set() else None


class StartTimedOut(Exception):
    """A service did not start within its own time limit."""


class ExitTimedOut(Exception):
    """A service's exit was cut off at its budget."""


@attrs.define(eq=False)
class ServiceHost:
    """Holds one service.

    Args:
        service: what to start.
        arguments: for its factory, by parameter name.
    """

    service: Service
    arguments: Mapping[str, Any]
    value: Any = None
    failure: BaseException | None = None
    settled: trio.Event = attrs.field(factory=trio.Event)
    """The start has ended, one way or the other."""
    leaving: trio.Event = attrs.field(factory=trio.Event)
    """The service was up and is so no longer: it was asked to stop, or it died."""
    ended: trio.Event = attrs.field(factory=trio.Event)
    """The service is gone, and everything it held with it."""
    died: bool = False
    """It left without having been asked to."""
    _entered: bool = False
    _stop: trio.Event = attrs.field(factory=trio.Event)
    _budget_seconds: float = float("inf")
    _scope: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True))

    @property
    def alive(self) -> bool:
        """Whether the service is up and has not been asked to stop."""
        return self._entered and not self._stop.is_set() and not self.leaving.is_set()

    async def run(self) -> None:
        """The service's life; returns when it is over. Failures are kept in ``failure``, not raised."""
        STARTING.set(self)
        try:
            with self._scope:
                await self._live()
            self._judge_cancellation()
        except Exception as error:  # a service may raise anything; the manager decides what it means
            self.failure = error
        finally:
            self.settled.set()
            self.ended.set()

    async def _live(self) -> None:
        if self.service.timeout_seconds is not None:
            self._scope.deadline = trio.current_time() + self.service.timeout_seconds
        async with asynccontextmanager(self.service.factory)(**self.arguments) as value:
            await trio.lowlevel.checkpoint_if_cancelled()  # what comes up too late is not up
            self._scope.deadline = float("inf")
            self.value = value
            self._entered = True
            self.settled.set()
            try:
                await self._stop.wait()
            finally:
                self._leave()

    def _leave(self) -> None:
        """The exit begins. Where the service died by itself, :meth:`stop` sets its budget."""
        self.leaving.set()
        self.died = not self._stop.is_set()
        if not self.died:
            self._scope.deadline = trio.current_time() + self._budget_seconds

    def _judge_cancellation(self) -> None:
        """What it means that the scope was cancelled: a limit was passed, or the manager cancelled the start."""
        if self._scope.cancelled_caught:
            if self.leaving.is_set():
                self.failure = ExitTimedOut()
            elif not self._stop.is_set():
                self.failure = StartTimedOut()

    async def lost(self) -> None:
        """Return when the service is up no longer. What ended it is in ``failure``, unless its exit takes long."""
        await self.leaving.wait()
        with trio.move_on_after(PARTING_SECONDS):
            await self.ended.wait()

    def hurry(self, budget_seconds: float) -> None:
        """The exit may take no longer than this, from now on or from when it begins."""
        self._budget_seconds = min(self._budget_seconds, budget_seconds)
        if self.leaving.is_set():
            self._scope.deadline = min(self._scope.deadline, trio.current_time() + budget_seconds)

    async def stop(self, budget_seconds: float) -> bool:
        """End the service; whether it was gone within ``budget_seconds``, counted from when its exit begins.

        A start that is under way is cancelled. Failures of the exit are in ``failure``.
        """
        self._stop.set()
        self.hurry(budget_seconds)
        if not self._entered:
            self._scope.cancel()
        with trio.move_on_after(budget_seconds + ABANDON_SECONDS):
            await self.ended.wait()
        return self.ended.is_set()
