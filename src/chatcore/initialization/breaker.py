"""The circuit breaker of the services phase: when the next attempt may begin, and what a caller is told. Pure.

Closed, it lets callers wait for the next attempt. After :attr:`BreakerPolicy.failures_to_open` failures in a row it is
open: callers are refused at once until a single probe, which needs no caller, has succeeded (guarantees.md, 21-23).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs


class BreakerState(enum.StrEnum):
    """What ``chatcore_breaker_state`` shows."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Result(enum.StrEnum):
    """What an attempt came to, or what the clock says."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_ENOUGH = "failed as often as allowed"
    CANCELLED = "cancelled"
    DUE = "wait is over"


TRANSITIONS: Mapping[tuple[BreakerState, Result], BreakerState] = MappingProxyType(
    {
        (BreakerState.CLOSED, Result.SUCCEEDED): BreakerState.CLOSED,
        (BreakerState.CLOSED, Result.FAILED): BreakerState.CLOSED,
        (BreakerState.CLOSED, Result.FAILED_ENOUGH): BreakerState.OPEN,
        (BreakerState.CLOSED, Result.CANCELLED): BreakerState.CLOSED,
        (BreakerState.CLOSED, Result.DUE): BreakerState.CLOSED,
        (BreakerState.OPEN, Result.DUE): BreakerState.HALF_OPEN,
        (BreakerState.HALF_OPEN, Result.DUE): BreakerState.HALF_OPEN,
        (BreakerState.HALF_OPEN, Result.SUCCEEDED): BreakerState.CLOSED,
        (BreakerState.HALF_OPEN, Result.FAILED): BreakerState.OPEN,
        (BreakerState.HALF_OPEN, Result.FAILED_ENOUGH): BreakerState.OPEN,
        (BreakerState.HALF_OPEN, Result.CANCELLED): BreakerState.OPEN,
    }
)


@attrs.frozen(kw_only=True)
class BreakerPolicy:
    """How patient the breaker is.

    Args:
        failures_to_open: failed attempts in a row that open it (three: guarantees.md, 23).
        first_wait_seconds: the wait after the first failure; it doubles with each.
        longest_wait_seconds: the wait never grows beyond; half a minute keeps recovery prompt and attempts few.
        jitter: a wait is up to this share longer, never shorter, so that attempts stay bounded (guarantees.md, 7).
    """

    failures_to_open: int = 3
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 30.0
    jitter: float = 0.25

    def wait_seconds(self, failures: int, random: Callable[[], float]) -> float:
        """How long to wait after this many failures in a row."""
        exponent = min(failures - 1, 30)  # beyond it the cap has long been reached
        wait = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0**exponent)
        return wait * (1 + self.jitter * random())


@attrs.define
class Breaker:
    """The breaker. ``now`` is any monotonic clock's time in seconds; ``random`` gives numbers in [0, 1).

    A result names its attempt; of an older attempt, or a second time, it moves nothing (guarantees.md, 22).
    """

    policy: BreakerPolicy
    random: Callable[[], float]
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    retry_at: float | None = None
    _attempt: int | None = None

    def begin(self, attempt: int) -> None:
        """An attempt begins: after a wait it is the probe, if the breaker was open."""
        self._attempt = attempt
        self.retry_at = None
        self._move(Result.DUE)

    def succeeded(self, attempt: int) -> None:
        """The attempt brought the services up."""
        if self._settles(attempt):
            self.failures = 0
            self._move(Result.SUCCEEDED)

    def failed(self, attempt: int, now: float) -> None:
        """The attempt failed or ran out of time."""
        if self._settles(attempt):
            self.failures += 1
            enough = self.failures >= self.policy.failures_to_open
            self._move(Result.FAILED_ENOUGH if enough else Result.FAILED)
            self.retry_at = now + self.policy.wait_seconds(self.failures, self.random)

    def cancelled(self, attempt: int, now: float) -> None:
        """The attempt was abandoned: no failure, but a probe settles all the same (guarantees.md, 21)."""
        if self._settles(attempt):
            self._move(Result.CANCELLED)
            if self.state is BreakerState.OPEN:
                self.retry_at = now + self.policy.wait_seconds(max(self.failures, 1), self.random)

    def retry_after_seconds(self, now: float) -> float:
        """When a caller may come again: the wait that is left, and a jitter that spreads the callers."""
        left = max(0.0, self.retry_at - now) if self.retry_at is not None else 0.0
        spread = max(self.policy.first_wait_seconds, left * self.policy.jitter)
        return round(left + spread * self.random(), 3)

    def _settles(self, attempt: int) -> bool:
        current = attempt == self._attempt
        if current:
            self._attempt = None
        return current

    def _move(self, result: Result) -> None:
        self.state = TRANSITIONS[self.state, result]


@attrs.define
class RestartWindow:
    """Counts restarts after ready: too many in a window is a failure, not a spin (guarantees.md, 35).

    Args:
        most: restarts allowed within the window.
        seconds: its length.
    """

    most: int = 5
    seconds: float = 60.0
    _times: deque[float] = attrs.field(factory=deque)

    def allows(self, now: float) -> bool:
        """Count one restart at ``now``; whether it is still within the limit."""
        self._times.append(now)
        while self._times[0] <= now - self.seconds:
            self._times.popleft()
        return len(self._times) <= self.most

    def forget(self) -> None:
        """Begin to count anew."""
        self._times.clear()
