"""The ServiceInitializationManager: the services phase runs once, in a nursery of its own, while callers wait.

The rules, and why:

* The attempt belongs to an owner task that the manager started, never to a caller. A lock held by the first caller, or
  ``await nursery.start(...)`` from it, runs the start twice when that caller leaves (architecture.md, section 1).
* A caller waits with a cohort (:mod:`.waiters`), which is settled in one step the moment the outcome is known, before
  any rollback. So nobody joins an attempt that is over, and leaving is one step whatever is being torn down.
* Each service lives in a task of its own (:mod:`.host`), shielded, so that an outer cancellation cannot unravel them in
  the wrong order: the owner stops them one by one, the last started first.
* All state changes go through the table in :mod:`.lifecycle`; what is decided is decided there, in :mod:`.breaker` and
  in :mod:`.progress`. This module only carries it out.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import attrs
import trio

from chatcore.errors import ErrorCode, InitializationFailed, ReentrantInitialization
from chatcore.initialization.attempt import Attempt, Failure, InitializationPolicy
from chatcore.initialization.breaker import Breaker, BreakerState, RestartWindow
from chatcore.initialization.feed import Feed, Progress
from chatcore.initialization.host import starting_service
from chatcore.initialization.hosts import ServiceHosts
from chatcore.initialization.lifecycle import TRANSITIONS, Happening, State
from chatcore.initialization.plan import Plan
from chatcore.initialization.progress import Ledger, Snapshot
from chatcore.initialization.starter import Starter
from chatcore.initialization.supervision import Loss, first_loss
from chatcore.initialization.waiters import Cohort, Waiters
from chatcore.observability import Recorder, describe_error
from chatcore.services import ReadyServices, ServiceGraph, Users, seal_services, withdraw_services
from chatcore.settings import Settings


def _nobody_asks(snapshot: Snapshot, failure: Failure | None) -> None:
    """The listener of a manager that has none."""


@attrs.define(eq=False)
class ServiceInitializationManager:
    """Starts the services of a graph once, however many callers wait, and keeps them up.

    Use it as an async context manager; it owns a nursery, and leaving the block stops every service.

    Args:
        services: the graph.
        settings: given to factories that ask for :class:`~chatcore.settings.Settings`.
        given: what else factories may ask for by its type, and how it is fetched when a service needs it.
        policy: limits and patience; what ``settings`` say unless given.
        prerequisite: awaited at the start of each attempt, within its time limit, before any service.
        recorder: hears what happens.
        attempt_ended: called at the end of each attempt with the snapshot and its failure, None where it succeeded.
        random: gives numbers in [0, 1), for jitter.

    Raises:
        ServiceGraphInvalid: when the graph has faults.
    """

    services: ServiceGraph
    settings: Settings = attrs.field(factory=Settings, kw_only=True)
    policy: InitializationPolicy = attrs.field(kw_only=True)
    given: Mapping[type, Callable[[], Any]] = attrs.field(factory=dict, kw_only=True)
    prerequisite: Callable[[], Awaitable[object]] = attrs.field(default=trio.lowlevel.checkpoint, kw_only=True)
    recorder: Recorder = attrs.field(factory=Recorder, kw_only=True)
    attempt_ended: Callable[[Snapshot, Failure | None], None] = attrs.field(default=_nobody_asks, kw_only=True)
    random: Callable[[], float] = attrs.field(default=random.random, kw_only=True)

    plan: Plan = attrs.field(init=False)
    _state: State = attrs.field(default=State.IDLE, init=False)
    _ledger: Ledger = attrs.field(init=False)
    _breaker: Breaker = attrs.field(init=False)
    _restarts: RestartWindow = attrs.field(init=False)
    _waiters: Waiters = attrs.field(init=False)
    _users: Users = attrs.field(init=False)
    _feed: Feed = attrs.field(factory=Feed, init=False)
    _hosts: ServiceHosts = attrs.field(init=False)
    _starter: Starter = attrs.field(init=False)
    _generation: int = attrs.field(default=0, init=False)
    _ready: ReadyServices | None = attrs.field(default=None, init=False)
    _lost: str | None = attrs.field(default=None, init=False)
    _lasting: Failure | None = attrs.field(default=None, init=False)
    _wanted: trio.Event = attrs.field(factory=trio.Event, init=False)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack, init=False)
    _owner_scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _close_by: float = attrs.field(default=float("inf"), init=False)

    @policy.default
    def _policy_of_settings(self) -> InitializationPolicy:
        return InitializationPolicy.of(self.settings)

    def __attrs_post_init__(self) -> None:
        self.plan = Plan.of(self.services.services)
        self._ledger = Ledger(self.plan)
        self._breaker = Breaker(self.policy.breaker, self.random)
        self._restarts = RestartWindow(self.policy.restarts, self.policy.restart_window_seconds)
        self._waiters = Waiters(self.recorder)
        self._users = Users(self.plan.reach())

    # --- for callers ------------------------------------------------------------------------------------------------

    async def ensure_ready(self) -> ReadyServices:
        """The services of the current generation; waits for them, and starts them if nobody has yet.

        Cancelling a caller changes nothing for the others, nor for the attempt.

        Raises:
            InitializationFailed: the attempt failed, or there is no use in waiting now; it says when there may be.
            ReentrantInitialization: called by a service that is starting.
        """
        if (service := starting_service()) is not None:
            raise ReentrantInitialization(service)
        if (ready := self._ready) is not None:
            await trio.lowlevel.checkpoint()
            return ready
        if (refusal := self.refusal()) is not None:
            await trio.lowlevel.checkpoint()
            raise refusal
        cohort = self.join()  # in this very step: what was true when it was called still is
        try:
            await cohort.settled.wait()
        finally:
            self.leave(cohort)
        return self.outcome(cohort)

    def join(self) -> Cohort:
        """Wait with the others from now on, and have the services started if nobody has yet; then :meth:`leave`.

        For who is told of changes, as :meth:`progress` does, and sees then whether its cohort is settled. Whether
        there is any use in waiting, :meth:`refusal` says.
        """
        self.request_start()
        return self._waiters.join()

    def leave(self, cohort: Cohort) -> None:
        """Wait no more: the outcome is known, or is not wanted any more."""
        self._waiters.leave(cohort)

    def outcome(self, cohort: Cohort) -> ReadyServices:
        """What a settled cohort waited for.

        Raises:
            InitializationFailed: there is none; one for each who asks.
        """
        return cohort.outcome(self._retry_after())

    @property
    def ready(self) -> ReadyServices | None:
        """The services of the current generation, None while they are not all up."""
        return self._ready

    def request_start(self) -> None:
        """Have the services started, without waiting for them."""
        self._wanted.set()

    def refusal(self) -> InitializationFailed | None:
        """Why there is no use in waiting now; None where there is (guarantees.md, 23)."""
        if self._lasting is not None:
            return self._lasting.for_one_caller(self._retry_after())
        if self._state is State.DRAINING or self._breaker.state is BreakerState.OPEN:
            return Failure(error_code=ErrorCode.SERVICES_UNAVAILABLE).for_one_caller(self._retry_after())
        if self._ready is None and self._waiters.count >= self.policy.max_waiting:
            return Failure(error_code=ErrorCode.TOO_MANY_WAITING).for_one_caller(self._retry_after())
        return None

    def progress(self) -> Progress:
        """Snapshots, the current one first, then the latest after each change; endless."""
        return Progress(self._feed, self.snapshot)

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._feed.version

    def snapshot(self) -> Snapshot:
        """The truth now."""
        return self._ledger.snapshot(
            version=self._feed.version,
            now=trio.current_time(),
            state=self._state,
            generation=self._generation,
            retry_at=self._breaker.retry_at,
            lost=self._lost,
        )

    def learn(self, durations: Mapping[str, float]) -> None:
        """Take over how long each service took in earlier starts, in seconds, for the estimate."""
        self._ledger.learned = {**durations, **self._ledger.learned}

    # --- its own life -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        nursery = await self._stack.enter_async_context(trio.open_nursery())
        self._hosts = ServiceHosts(nursery, self.recorder)
        self._starter = Starter(
            plan=self.plan,
            ledger=self._ledger,
            hosts=self._hosts,
            waiters=self._waiters,
            tell=self._feed.tell,
            settings=self.settings,
            given=self.given,
            policy=self.policy,
            prerequisite=self.prerequisite,
            recorder=self.recorder,
            came_to_nothing=self._came_to_nothing,
        )
        nursery.start_soon(self._own, name="services owner")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner_scope.cancel()
        try:
            await self._stack.__aexit__(kind, error, trace)
        except BaseException as raised:
            self._raise_exit_errors(raised)
            raise
        self._raise_exit_errors()

    async def aclose(self, *, within_seconds: float = float("inf")) -> None:
        """Stop every service, the last started first. Idempotent; every caller waits for the first to finish.

        Args:
            within_seconds: for all exits together; each has its own budget besides.

        Raises:
            ExceptionGroup: what exits raised; every exit has run all the same.
        """
        self._close_by = min(self._close_by, trio.current_time() + within_seconds)
        self._hosts.hurry(within_seconds)
        self._owner_scope.cancel()
        await self._closed.wait()
        self._raise_exit_errors()

    def _raise_exit_errors(self, *beside: BaseException) -> None:
        errors, self._hosts.exit_errors = self._hosts.exit_errors, []
        if errors:
            raise BaseExceptionGroup("services that did not stop cleanly", [*beside, *errors])

    async def _own(self) -> None:
        """The owner task: all attempts, and all exits, are its own."""
        try:
            with self._owner_scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._feed.pulse, self.policy.pulse_seconds, lambda: self._ready is None)
                    await self._live()
        finally:  # whatever ended this task, the waiters are released and the services stopped (guarantees.md, 10, 17)
            self._withdraw()
            self._move(Happening.DRAIN)
            self._waiters.settle(failure=Failure(error_code=ErrorCode.SERVICES_UNAVAILABLE))
            with trio.CancelScope(shield=True):
                await self._stop(self.plan.names)
            self._closed.set()

    async def _live(self) -> None:
        while True:
            await self._wanted.wait()
            await self._until_retry()
            self._breaker.begin(self._ledger.begin(self.plan.names, trio.current_time()))
            self._move(Happening.WANTED if self._state is State.IDLE else Happening.RETRY)
            attempt = await self._starter.run(self.plan.names)
            if not attempt.over:
                self._publish(attempt)
                await self._keep_up()
            await self._stop(self.plan.names)

    async def _until_retry(self) -> None:
        if self._lasting is not None and not self._lasting.retryable:
            await trio.sleep_forever()  # only another configuration can help, and that comes with another process
        if self._breaker.retry_at is not None:
            await trio.sleep_until(self._breaker.retry_at)
        self._lasting = None

    # --- outcomes ---------------------------------------------------------------------------------------------------

    def _publish(self, attempt: Attempt) -> None:
        """Every service is up: make the generation and tell everyone, in one step."""
        self._breaker.succeeded(attempt.number)
        self._generation += 1
        self._ready = seal_services(self._generation, self._hosts.values(), self._users)
        self._move(Happening.SUCCEEDED)
        self._waiters.settle(ready=self._ready)
        self._record(attempt, "succeeded")

    def _came_to_nothing(self, attempt: Attempt) -> None:
        """Tell everyone who waits, in the step in which it is known; nobody joins what is only undone any more."""
        failure = attempt.failure
        if failure is None:
            return self._abandon(attempt)
        self._breaker.failed(attempt.number, trio.current_time())
        recovering = self._state is State.RECOVERING
        self._record(attempt, failure.outcome)
        if not failure.retryable:
            self._lasting = failure
            self._move(Happening.MISCONFIGURED)
        elif recovering and self._breaker.state is BreakerState.CLOSED:
            return self._move(Happening.FAILED)  # who waits for the services to recover waits for the next restart
        else:
            self._move(Happening.GAVE_UP if recovering else Happening.FAILED)
        self._waiters.settle(failure=failure)

    def _abandon(self, attempt: Attempt) -> None:
        """Everyone left. A probe still has to settle, so what was wanted before the breaker opened stays wanted."""
        if self._breaker.state is BreakerState.CLOSED:
            self._wanted = trio.Event()
        self._breaker.cancelled(attempt.number, trio.current_time())
        self._move(Happening.ABANDONED)
        self._record(attempt, "abandoned")

    def _record(self, attempt: Attempt, outcome: str) -> None:
        self._ledger.end(trio.current_time())
        snapshot = self.snapshot()
        self.recorder.attempt_ended(outcome, snapshot.elapsed_seconds)
        self.attempt_ended(snapshot, attempt.failure)

    # --- after ready ------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        """Restart what is lost; returns when the restarts have failed."""
        self._restarts.forget()
        while self._state is State.READY:
            loss = await first_loss(self._hosts)
            self._detach(loss)
            if self._restarts.allows(trio.current_time()):
                await self._recover(loss)
            else:
                self._rest()

    def _detach(self, loss: Loss) -> None:
        """All services of a generation are visible, or none (guarantees.md, 20)."""
        self._withdraw()
        self._lost = loss.service
        self._ledger.failed(loss.service, trio.current_time())
        told = describe_error(loss.cause) if loss.cause is not None else {}
        self.recorder.log("service_lost", service=loss.service, generation=self._generation, **told)
        self._move(Happening.LOST)

    def _rest(self) -> None:
        """Too many restarts: rest for as long as they were counted, then start everything anew."""
        self._lasting = Failure(error_code=ErrorCode.SERVICES_UNAVAILABLE)
        self._breaker.retry_at = trio.current_time() + self.policy.restart_window_seconds
        self._move(Happening.TOO_MANY_RESTARTS)
        self._waiters.settle(failure=self._lasting)

    async def _recover(self, loss: Loss) -> None:
        """Restart the lost service and what needs it, and nothing else, as often as the breaker allows."""
        lost = {loss.service}
        while self._state is State.RECOVERING:
            down = self.plan.with_dependents(lost | (self.plan.names - self._hosts.alive()))
            self._breaker.begin(self._ledger.begin(down, trio.current_time()))
            await self._stop(down)
            attempt = await self._starter.run(down, abandonable=False)
            if not attempt.over:
                return self._publish(attempt)
            if self._state is State.RECOVERING:
                await self._stop(down)
                await self._until_retry()

    def _withdraw(self) -> None:
        if self._ready is not None:
            withdraw_services(self._ready)
        self._ready = None

    async def _stop(self, names: frozenset[str]) -> None:
        """Stop ``names`` in reverse order, after the runs that use them have ended (guarantees.md, 16, 17, 20)."""
        kinds = [self.plan.by_name[name].provides for name in names]
        for scope in self._users.of(kinds):
            scope.cancel()
        with trio.move_on_after(self._exit_budget_seconds()):
            await self._users.none_left(kinds)
        await self._hosts.stop(names, self._exit_budget_seconds, self._stopping)

    def _exit_budget_seconds(self) -> float:
        return max(0.0, min(self.policy.exit_budget_seconds, self._close_by - trio.current_time()))

    def _stopping(self, name: str, stopped: bool) -> None:
        (self._ledger.stopped if stopped else self._ledger.stopping)(name)
        self._feed.tell()

    def _retry_after(self) -> float:
        return self._breaker.retry_after_seconds(trio.current_time())

    def _move(self, happening: Happening) -> None:
        """The only place where the state changes."""
        self._state = TRANSITIONS[self._state, happening]
        self.recorder.state_changed(self._state, self._breaker.state)
        self._feed.tell()
