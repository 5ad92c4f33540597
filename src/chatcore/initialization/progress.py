"""What a start has come to: the ledger of an attempt, its snapshots, its deadline and its estimate. Pure.

``progress`` is completed weight over total weight of the real graph: the whole weight of a service that is up, and of a
starting one the share it has itself reported. It never falls within an attempt, and 100 is ``ready`` alone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import attrs

from chatcore.initialization.lifecycle import State
from chatcore.initialization.plan import Plan
from chatcore.protocol.text import as_sendable
from chatcore.services import Service


class ServiceState(enum.StrEnum):
    """The state of one service, as ``/health/ready`` shows it."""

    PENDING = "pending"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


@attrs.frozen(kw_only=True)
class ServiceStatus:
    """One service at one moment. Times are of the manager's monotonic clock, in seconds."""

    name: str
    label: str
    phase: str
    weight: float
    state: ServiceState = ServiceState.PENDING
    started_at: float | None = None
    ended_at: float | None = None
    fraction: float = 0.0
    words: str | None = None
    retries: int = 0

    @property
    def duration_seconds(self) -> float | None:
        """How long the start took; None while it has not ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


@attrs.frozen(kw_only=True)
class Snapshot:
    """The services phase at one moment.

    Args:
        version: grows with every change.
        at: when it was taken, monotonic.
        state: of the lifecycle.
        attempt: the current or last one, counted from 1; 0 before the first.
        generation: of the services that are or were last ready; 0 before the first.
        progress: 0-99, and 100 if and only if ready.
        attempt_started_at: None before the first attempt.
        attempt_ended_at: None while it lasts.
        notices: how many of the two notices of a slow attempt have passed.
        eta_seconds: what is left, learned from earlier starts; None where they do not tell.
        services: in start order.
        lost: the service whose loss began the last recovery; None before the first.
    """

    version: int
    at: float
    state: State
    attempt: int
    generation: int
    progress: int
    attempt_started_at: float | None
    attempt_ended_at: float | None
    notices: int
    eta_seconds: float | None
    services: tuple[ServiceStatus, ...]
    lost: str | None = None

    @property
    def elapsed_seconds(self) -> float:
        """How long the attempt has lasted, or lasted; 0 where none has begun."""
        if self.attempt_started_at is None:
            return 0.0
        return (self.at if self.attempt_ended_at is None else self.attempt_ended_at) - self.attempt_started_at

    @property
    def starting(self) -> tuple[ServiceStatus, ...]:
        """The services that are starting now."""
        return tuple(status for status in self.services if status.state is ServiceState.STARTING)


@attrs.define
class Ledger:
    """The accounts of the current attempt. Every change is one method; ``now`` is monotonic seconds."""

    plan: Plan
    learned: dict[str, float] = attrs.field(factory=dict)
    attempt: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    notices: int = 0
    progressed_at: float = 0.0
    _best: int = 0
    _told_at: float = float("-inf")
    _statuses: dict[str, ServiceStatus] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._statuses = {service.name: _pending(service) for service in self.plan.services}

    @property
    def statuses(self) -> tuple[ServiceStatus, ...]:
        """Every service, in start order."""
        return tuple(self._statuses.values())

    def state_of(self, name: str) -> ServiceState:
        """The state of one service."""
        return self._statuses[name].state

    def begin(self, names: Iterable[str], now: float) -> int:
        """A new attempt, to start ``names``; its number."""
        self.attempt += 1
        self.started_at = self.progressed_at = now
        self.ended_at = None
        self.notices = 0
        self._best = 0
        for name in names:
            self._statuses[name] = _pending(self.plan.by_name[name])
        return self.attempt

    def end(self, now: float) -> None:
        """The attempt is over, whatever it came to."""
        self.ended_at = now

    def starting(self, name: str, now: float) -> None:
        """A service begins to start."""
        self._change(name, state=ServiceState.STARTING, started_at=now)

    def up(self, name: str, now: float) -> None:
        """A service is up; what it took is learned."""
        self._change(name, state=ServiceState.READY, ended_at=now, fraction=1.0, words=None)
        self.progressed_at = now
        took = self._statuses[name].duration_seconds
        if took is not None:
            self.learned[name] = took

    def advance(self, name: str, fraction: float, words: str | None, now: float) -> bool:
        """A starting service reports; whether it is worth telling. A fraction that falls is not believed."""
        status = self._statuses[name]
        if status.state is not ServiceState.STARTING:
            return False
        fraction = min(max(status.fraction, fraction), 1.0)  # in this order NaN is not believed either
        if fraction > status.fraction:
            self.progressed_at = now
        before = self.progress()
        self._change(name, fraction=fraction, words=words and as_sendable(words))
        worth_telling = self.progress() > before or now - self._told_at >= _TELL_EVERY_SECONDS
        self._told_at = now if worth_telling else self._told_at
        return worth_telling

    def retrying(self, name: str, words: str) -> None:
        """A starting service tries a step again: told, but no progress."""
        status = self._statuses[name]
        if status.state is ServiceState.STARTING:
            self._change(name, words=as_sendable(words), retries=status.retries + 1)

    def failed(self, name: str, now: float) -> None:
        """A service could not start, or died."""
        ended_at = self._statuses[name].ended_at
        self._change(name, state=ServiceState.FAILED, ended_at=now if ended_at is None else ended_at)

    def stopping(self, name: str) -> None:
        """A service is being stopped; one that failed, or is yet to start in this attempt, stays known as that."""
        if self.state_of(name) not in _NOT_UP:
            self._change(name, state=ServiceState.STOPPING)

    def stopped(self, name: str) -> None:
        """A service has been stopped."""
        if self.state_of(name) not in _NOT_UP:
            self._change(name, state=ServiceState.STOPPED)

    def progress(self) -> int:
        """Percent of the graph's weight that is done, at most 99."""
        total = sum(status.weight for status in self.statuses)
        done = sum(status.weight * _share(status) for status in self.statuses)
        now = min(99, int(100 * done / total + _ROUNDING)) if total else 0
        self._best = max(self._best, now)  # a service that fails takes its share along, and the attempt ends with it
        return self._best

    def snapshot(
        self, *, version: int, now: float, state: State, generation: int, retry_at: float | None, lost: str | None
    ) -> Snapshot:
        """All of it at ``now``, with what its manager knows besides; ``retry_at`` is when the next attempt begins."""
        return Snapshot(
            version=version,
            at=now,
            state=state,
            attempt=self.attempt,
            generation=generation,
            progress=self._shown_progress(state),
            attempt_started_at=self.started_at,
            attempt_ended_at=self.ended_at,
            notices=self.notices,
            eta_seconds=self._eta_seconds(state, retry_at, now),
            services=self.statuses,
            lost=lost,
        )

    def _shown_progress(self, state: State) -> int:
        """100 if and only if ready; what is being torn down, or not begun, is no progress."""
        if state is State.READY:
            return 100
        return self.progress() if state in (State.INITIALIZING, State.RECOVERING) else 0

    def _eta_seconds(self, state: State, retry_at: float | None, now: float) -> float | None:
        """The wait before the next attempt, and its start."""
        if state is State.READY:
            return 0.0
        start = eta_seconds(self.plan, self.statuses, self.learned, now)
        wait = max(0.0, retry_at - now) if retry_at is not None else 0.0
        return round(start + wait, 1) if start is not None else None

    def _change(self, name: str, **changes: object) -> None:
        self._statuses[name] = attrs.evolve(self._statuses[name], **changes)  # type: ignore[arg-type]  # by name


_NOT_UP = (ServiceState.FAILED, ServiceState.PENDING)

_TELL_EVERY_SECONDS = 0.25
"""A service may report every row it loads; a person reads a changing line about this often, and each telling wakes
every waiter."""

_ROUNDING = 1e-9
"""Three services of equal weight, two up: 66, not 65, whatever the binary fractions do."""


def _pending(service: Service) -> ServiceStatus:
    return ServiceStatus(name=service.name, label=service.label, phase=service.phase.label, weight=service.weight)


def _share(status: ServiceStatus) -> float:
    if status.state is ServiceState.READY:
        return 1.0
    return status.fraction if status.state is ServiceState.STARTING else 0.0


@attrs.frozen
class Deadline:
    """The time limit of an attempt (guarantees.md, 12 and 13).

    Args:
        started_at: monotonic seconds.
        limit_seconds: the limit; notices come at a third and at two thirds of it.
    """

    started_at: float
    limit_seconds: float

    def notices_at(self) -> tuple[float, float]:
        """When a slow attempt is said to be slow."""
        return self.started_at + self.limit_seconds / 3, self.started_at + 2 * self.limit_seconds / 3

    def ends_at(self, progressed_at: float) -> float:
        """When the attempt ends: at its limit; a third of the limit after its last progress, if that is later; never
        beyond twice the limit.
        """
        extended = progressed_at + self.limit_seconds / 3
        return min(max(self.started_at + self.limit_seconds, extended), self.started_at + 2 * self.limit_seconds)


def eta_seconds(
    plan: Plan, statuses: Iterable[ServiceStatus], learned: Mapping[str, float], now: float
) -> float | None:
    """What is left of a start, in seconds, if each service takes what it took before.

    Services of a phase run side by side as their needs allow, phases one after another. None where a service that is
    still to come has never been timed.
    """
    by_name = {status.name: status for status in statuses}
    ends: dict[str, float] = {}
    floor = 0.0
    for _, members in plan.phases():
        for service in members:
            left = _left(by_name[service.name], learned.get(service.name), now)
            if left is None:
                return None
            ends[service.name] = max([floor, *(ends[need] for need in plan.needs[service.name])]) + left
        floor = max(ends[service.name] for service in members)
    return round(floor, 1)


def _left(status: ServiceStatus, learned: float | None, now: float) -> float | None:
    if status.state is ServiceState.READY:
        return 0.0
    if status.state is not ServiceState.STARTING or status.started_at is None:
        return learned
    elapsed = now - status.started_at
    if status.fraction > _TELLING_FRACTION:
        return elapsed * (1 - status.fraction) / status.fraction
    if learned is None or elapsed > learned:
        return None
    return learned - elapsed


_TELLING_FRACTION = 0.05
"""From here on a service's own report tells more than history; below, it is mostly noise."""
