"""One attempt at starting the services: its numbers, how it may fail, and itself while it lasts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs
import trio

from chatcore.errors import ConfigurationError, ErrorCode, InitializationFailed
from chatcore.initialization.breaker import BreakerPolicy
from chatcore.initialization.host import StartTimedOut
from chatcore.observability import leaves
from chatcore.services import Service
from chatcore.settings import Settings


@attrs.frozen(kw_only=True)
class InitializationPolicy:
    """The numbers a ServiceInitializationManager works with.

    Args:
        limit_seconds: of one attempt; notices come at a third and two thirds, the hard cap is twice as much.
        max_waiting: callers that may wait at once.
        breaker: how failures are answered.
        restarts: how often services may be lost after ready within ``restart_window_seconds``.
        restart_window_seconds: that window, and the rest that follows too many restarts.
        exit_budget_seconds: for each service's exit; what takes longer is cut off, told, and the rest goes on.
        when_all_leave: whether an attempt that nobody waits for any more goes on (``finish``) or is given up after
            ``abandon_grace_seconds`` (``abandon``).
        abandon_grace_seconds: see above.
        pulse_seconds: how often waiters hear that time passes; under the 2 s of silence that guarantees.md (26) allows.
    """

    limit_seconds: float = 30.0
    max_waiting: int = 10_000
    breaker: BreakerPolicy = attrs.field(factory=BreakerPolicy)
    restarts: int = 5
    restart_window_seconds: float = 60.0
    exit_budget_seconds: float = 5.0
    when_all_leave: Literal["finish", "abandon"] = "finish"
    abandon_grace_seconds: float = 5.0
    pulse_seconds: float = 1.5

    @classmethod
    def of(cls, settings: Settings) -> InitializationPolicy:
        """The policy that the settings ask for."""
        return cls(limit_seconds=settings.init_timeout_seconds, max_waiting=settings.max_waiting)


@attrs.frozen(kw_only=True)
class Failure:
    """Why an attempt, or a caller, has no services.

    Args:
        error_code: for the wire.
        retryable: false only where trying again cannot help.
        service: that failed, None where no single one did.
        cause: what was raised, None where time ran out.
        unfinished: names of the services that were not up.
    """

    error_code: ErrorCode
    retryable: bool = True
    service: Service | None = None
    cause: BaseException | None = None
    attempt: int = 0
    elapsed_seconds: float = 0.0
    unfinished: tuple[str, ...] = ()

    @classmethod
    def from_error(cls, error: BaseException | None, service: Service | None) -> Failure:
        """The failure that an exception in a start means; None where a service ended without one."""
        if error is None:
            return cls(error_code=ErrorCode.SERVICE_INIT_FAILED, service=service)
        if any(isinstance(leaf, ConfigurationError) for leaf in leaves(error)):
            return cls(error_code=ErrorCode.SERVICE_INIT_FAILED, retryable=False, service=service, cause=error)
        late = isinstance(error, StartTimedOut)
        code = ErrorCode.SERVICE_INIT_TIMEOUT if late else ErrorCode.SERVICE_INIT_FAILED
        return cls(error_code=code, service=service, cause=error)

    @property
    def outcome(self) -> str:
        """What metrics and the record call an attempt that failed so."""
        return "timed_out" if self.error_code is ErrorCode.SERVICE_INIT_TIMEOUT else "failed"

    def for_one_caller(self, retry_after_seconds: float | None) -> InitializationFailed:
        """An exception of the caller's own; raise it ``from failure.cause``."""
        return InitializationFailed(
            error_code=self.error_code,
            retryable=self.retryable,
            retry_after_seconds=retry_after_seconds if self.retryable else None,
            service=self.service.name if self.service else None,
            phase=self.service.phase.label if self.service else None,
            attempt=self.attempt,
            elapsed_seconds=self.elapsed_seconds,
            unfinished=self.unfinished,
        )


@attrs.define(eq=False)
class Attempt:
    """One attempt while it lasts. The first reason to end it counts; it cancels what is still starting."""

    number: int
    names: frozenset[str]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    failure: Failure | None = None
    up: dict[str, trio.Event] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.up = {name: trio.Event() for name in self.names}

    @property
    def over(self) -> bool:
        """Whether it has come to nothing: it failed, or was given up."""
        return self.scope.cancel_called

    def end(self, failure: Failure | None) -> None:
        """The attempt comes to nothing; None where everyone left."""
        self.failure = failure
        self.scope.cancel()

    async def all_up(self, names: Iterable[str]) -> None:
        """Return when those of ``names`` that this attempt starts are up."""
        for name in names:
            if name in self.up:
                await self.up[name].wait()
