"""Carries out one attempt: starts services phase by phase, side by side as their needs allow, within a time limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import trio

from chatcore.errors import ErrorCode
from chatcore.initialization.attempt import Attempt, Failure, InitializationPolicy
from chatcore.initialization.blocking import blocking_steps
from chatcore.initialization.host import ServiceHost
from chatcore.initialization.hosts import ServiceHosts
from chatcore.initialization.plan import Plan
from chatcore.initialization.progress import Deadline, Ledger
from chatcore.initialization.waiters import Waiters
from chatcore.observability import Recorder, describe_error
from chatcore.services import Service, StartReporter
from chatcore.settings import Settings


@attrs.frozen
class LedgerReporter:
    """What a starting service reports, entered in the ledger under its name.

    A start that an earlier attempt has left behind may still report; that is no progress of this one.
    """

    service: str
    attempt: int
    ledger: Ledger
    tell: Callable[[], None]

    def advance(self, fraction: float, words: str | None = None) -> None:
        """See :class:`~chatcore.services.StartReporter`."""
        current = self.attempt == self.ledger.attempt
        if current and self.ledger.advance(self.service, fraction, words, trio.current_time()):
            self.tell()

    def retrying(self, words: str) -> None:
        """See :class:`~chatcore.services.StartReporter`."""
        if self.attempt == self.ledger.attempt:
            self.ledger.retrying(self.service, words)
            self.tell()


@attrs.frozen(kw_only=True, eq=False)
class Starter:
    """Runs attempts for the manager, which owns everything that is given here."""

    plan: Plan
    ledger: Ledger
    hosts: ServiceHosts
    waiters: Waiters
    tell: Callable[[], None]
    settings: Settings
    given: Mapping[type, Callable[[], Any]]
    policy: InitializationPolicy
    prerequisite: Callable[[], Awaitable[object]]
    recorder: Recorder
    came_to_nothing: Callable[[Attempt], None]

    async def run(self, names: frozenset[str], *, abandonable: bool = True) -> Attempt:
        """Start ``names``, of an attempt that the ledger has begun. What was started stays so; stopping is not here.

        ``came_to_nothing`` is called in the very step in which the attempt fails or is given up, before anything is
        cancelled or undone.

        Args:
            names: of services.
            abandonable: whether the policy for an attempt that everyone has left applies.

        Returns:
            the attempt; unless it is over, every service is up.
        """
        attempt = Attempt(self.ledger.attempt, names)
        self.tell()
        with attempt.scope, blocking_steps(self._blocked):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time, attempt)
                if abandonable:
                    nursery.start_soon(self._notice_absence, attempt)
                for host in self.hosts:
                    nursery.start_soon(self._guard, attempt, host)
                await self._start_all(attempt, nursery)
                nursery.cancel_scope.cancel()
        for host in self.hosts:
            if not attempt.over and not host.alive:  # it died in the step in which the last came up
                self._fail(attempt, host.failure, host.service)
        return attempt

    async def _start_all(self, attempt: Attempt, nursery: trio.Nursery) -> None:
        try:
            await self.prerequisite()
        except Exception as error:  # whatever the caller awaits first may raise
            return self._fail(attempt, error, None)
        for _, members in self.plan.phases():
            async with trio.open_nursery() as side_by_side:
                for service in members:
                    if service.name in attempt.names:
                        side_by_side.start_soon(self._start_one, service, attempt, nursery)

    async def _start_one(self, service: Service, attempt: Attempt, nursery: trio.Nursery) -> None:
        await attempt.all_up(self.plan.needs[service.name])
        self.ledger.starting(service.name, trio.current_time())
        self.tell()
        try:
            arguments = self._arguments(service)
        except Exception as error:  # what is fetched for it from outside may be away
            return self._fail(attempt, error, service)
        host = self.hosts.start(service, arguments)
        await host.settled.wait()
        if not host.alive:
            return self._fail(attempt, host.failure, service)
        self.ledger.up(service.name, trio.current_time())
        self.recorder.service_started(service.name, self.ledger.learned[service.name])
        self.tell()
        attempt.up[service.name].set()
        nursery.start_soon(self._guard, attempt, host)

    def _arguments(self, service: Service) -> dict[str, Any]:
        given: dict[Any, Any] = dict(self.hosts.values())
        given.update({kind: fetch() for kind, fetch in self.given.items() if kind in service.needs.values()})
        given[Settings] = self.settings
        given[StartReporter] = LedgerReporter(service.name, self.ledger.attempt, self.ledger, self.tell)
        return {parameter: given[kind] for parameter, kind in service.needs.items()}

    async def _guard(self, attempt: Attempt, host: ServiceHost) -> None:
        """A service that dies while others start fails the attempt."""
        await host.lost()
        self._fail(attempt, host.failure, host.service)

    async def _keep_time(self, attempt: Attempt) -> None:
        deadline = Deadline(trio.current_time(), self.policy.limit_seconds)
        for notice_at in deadline.notices_at():
            await trio.sleep_until(notice_at)
            self.ledger.notices += 1
            self.tell()
        while (ends_at := deadline.ends_at(self.ledger.progressed_at)) > trio.current_time():  # noqa: ASYNC110  progress moves it
            await trio.sleep_until(ends_at)
        self._end(attempt, Failure(error_code=ErrorCode.SERVICE_INIT_TIMEOUT))

    async def _notice_absence(self, attempt: Attempt) -> None:
        """The policy for an attempt that everyone has left (guarantees.md, 3)."""
        while self.policy.when_all_leave == "abandon":
            await self.waiters.until(present=True)
            await self.waiters.until(present=False)
            with trio.move_on_after(self.policy.abandon_grace_seconds):
                await self.waiters.until(present=True)
            if self.waiters.count == 0:  # not whether the grace is over: someone may have come in its last step
                return self._end(attempt, None)

    def _fail(self, attempt: Attempt, error: BaseException | None, service: Service | None) -> None:
        if service is not None:
            self.ledger.failed(service.name, trio.current_time())
        self._end(attempt, Failure.from_error(error, service))

    def _end(self, attempt: Attempt, failure: Failure | None) -> None:
        if attempt.over:
            return
        if failure is not None:
            failure = self._located(failure, attempt)
            self._log(failure)
        attempt.end(failure)
        self.came_to_nothing(attempt)

    def _located(self, failure: Failure, attempt: Attempt) -> Failure:
        elapsed = trio.current_time() - (self.ledger.started_at or 0.0)
        unfinished = tuple(sorted(attempt.names - self.hosts.alive()))
        return attrs.evolve(failure, attempt=attempt.number, elapsed_seconds=round(elapsed, 3), unfinished=unfinished)

    def _log(self, failure: Failure) -> None:
        """Says phase, service, elapsed time and what was still waiting, so that one line tells where to look."""
        self.recorder.log(
            "initialization_failed",
            error_code=failure.error_code,
            service=failure.service.name if failure.service else None,
            phase=failure.service.phase.label if failure.service else None,
            attempt=failure.attempt,
            elapsed_seconds=failure.elapsed_seconds,
            unfinished=failure.unfinished,
            **(describe_error(failure.cause) if failure.cause is not None else {}),
        )

    def _blocked(self, service: str | None, task: str, seconds: float) -> None:
        self.recorder.log("event_loop_blocked", service=service, task=task, seconds=round(seconds, 3))
