"""Scripted services: real services of a real graph, which are slow, fail, hang, die or leave badly, as they are told.

::

    services = ScriptedServices()
    services.add("database", Script(seconds=2.0))
    services.add("cache", Script(fail_at=1), Script(), needs=("database",))   # the first start fails, later ones do not

    async with ServiceInitializationManager(services.graph) as manager:
        ...
    assert not services.held
"""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import new_class
from typing import Any

import attrs
import trio

from chatcore.services import Phase, ServiceGraph, StartReporter


class ScriptedFault(Exception):
    """What a scripted service raises where its script says so and names nothing else."""


@attrs.frozen(kw_only=True)
class Script:
    """What one start of a scripted service does. Seconds are Trio's, so virtual where the clock is.

    Args:
        seconds: how long the start takes, spread evenly over its steps.
        steps: how many checkpoints it has; step ``k`` reports a fraction of ``k / steps`` when it begins.
        work: called in a worker thread at the end of each step, for a step that blocks.
        fail_at: the step that raises ``error``, counted from 0; ``steps`` raises after the last.
        hang_at: the step that never ends.
        retry_at: the step that is reported as tried again.
        error: what ``fail_at`` raises, and what the service dies of.
        dies_after: seconds after it is up when it dies by itself.
        file: a file that it opens first and closes last.
        exit_seconds: how long its exit takes; infinity never ends by itself.
        exit_shielded: whether its exit goes on when it is cancelled.
        exit_error: what its exit raises in the end.
    """

    seconds: float = 1.0
    steps: int = 1
    work: Callable[[], object] | None = None
    fail_at: int | None = None
    hang_at: int | None = None
    retry_at: int | None = None
    error: Callable[[], BaseException] = ScriptedFault
    dies_after: float = math.inf
    file: Path | None = None
    exit_seconds: float = 0.0
    exit_shielded: bool = False
    exit_error: Callable[[], BaseException] | None = None


@attrs.frozen(kw_only=True)
class Moment:
    """A line of the log of scripted services.

    Args:
        at: Trio's time.
        service: its name.
        what: ``entered``, ``step``, ``up``, ``leaving`` or ``left``.
        start: which start of the service it was, counted from 1.
        task: in which it happened.
    """

    at: float
    service: str
    what: str
    start: int
    task: trio.lowlevel.Task


@attrs.define(eq=False)
class ScriptedService:
    """What a scripted service yields.

    Args:
        name: of the service.
        start: which start of it made this, counted from 1.
        needs: what it was given, by name.
        healthy: what its health check goes by.
    """

    name: str
    start: int
    needs: dict[str, ScriptedService]
    healthy: bool = True
    _deadly: trio.Event = attrs.field(factory=trio.Event)

    def die(self) -> None:
        """Let a task of the service crash, as a lost connection to a database would."""
        self._deadly.set()

    async def check(self) -> None:
        """A health check.

        Raises:
            ScriptedFault: where ``healthy`` is false.
        """
        await trio.lowlevel.checkpoint()
        if not self.healthy:
            raise ScriptedFault

    async def live(self, script: Script) -> None:
        """What the service does in the background, until it dies."""
        with trio.move_on_after(script.dies_after):
            await self._deadly.wait()
        raise script.error()


@attrs.define(eq=False)
class ScriptedServices:
    """A graph of scripted services, and the log of what became of them.

    Every service holds a nursery from its start to its exit.

    Args:
        at_each: called with each line of the log as it is written, in the service's own task; what it raises, the
            service raises. It is how a test strikes at a moment of its choice.
        graph: for a manager or an application.
        log: what happened, in order.
        latest: what the latest start of each service made, by name.
        kinds: the types that the services yield, by name.
    """

    at_each: Callable[[Moment], object] = attrs.field(default=lambda _: None)
    graph: ServiceGraph = attrs.field(factory=ServiceGraph)
    log: list[Moment] = attrs.field(factory=list)
    latest: dict[str, ScriptedService] = attrs.field(factory=dict)
    kinds: dict[str, type[ScriptedService]] = attrs.field(factory=dict)

    def add(
        self,
        name: str,
        *scripts: Script,
        needs: Sequence[str] = (),
        phase: Phase = Phase.SERVICES,
        checked: bool = False,
        **declared: Any,
    ) -> type[ScriptedService]:
        """Declare a service.

        Args:
            name: of the service.
            scripts: for its first start, its second and so on; the last one also for all that follow.
            needs: names of services that were added before.
            phase: when it starts.
            checked: whether it has a health check, which goes by :attr:`ScriptedService.healthy`.
            declared: anything else that :meth:`~chatcore.services.ServiceGraph.provide` takes.

        Returns:
            the type that the service yields.
        """
        kind = new_class(name, (ScriptedService,))
        if checked:
            declared["check"] = ScriptedService.check
        self.graph.provide(phase=phase, **declared)(self._factory(kind, scripts or (Script(),), needs))
        self.kinds[name] = kind
        return kind

    def names(self, what: str) -> list[str]:
        """The services that this happened to, in order."""
        return [moment.service for moment in self.log if moment.what == what]

    @property
    def held(self) -> set[str]:
        """The services that were entered more often than left."""
        entered, left = self.names("entered"), self.names("left")
        return {name for name in entered if entered.count(name) > left.count(name)}

    def at(self, service: str, what: str) -> list[float]:
        """When this happened to a service."""
        return [moment.at for moment in self.log if (moment.service, moment.what) == (service, what)]

    def _factory(
        self, kind: type[ScriptedService], scripts: Sequence[Script], needs: Sequence[str]
    ) -> Callable[..., AsyncIterator[Any]]:
        """A factory with the signature that an app author would have written."""
        started = 0

        async def factory(reporter: StartReporter, **given: ScriptedService) -> AsyncIterator[ScriptedService]:
            nonlocal started
            started += 1
            script = scripts[min(started, len(scripts)) - 1]
            service = self.latest[kind.__name__] = kind(kind.__name__, started, given)
            async with AsyncExitStack() as stack:
                stack.enter_context(self._told(service))
                if script.file is not None:
                    stack.enter_context(script.file.open("a"))
                stack.push_async_callback(_leave, script)
                nursery = await stack.enter_async_context(trio.open_nursery())
                for step in range(script.steps + 1):
                    await self._step(service, script, step, reporter)
                nursery.start_soon(service.live, script)
                self._tell(service, "up")
                try:
                    yield service
                finally:
                    self._tell(service, "leaving")
                    nursery.cancel_scope.cancel()

        kinds: dict[str, Any] = {"reporter": StartReporter, **{need: self.kinds[need] for need in needs}}
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=asked) for name, asked in kinds.items()
        ]
        factory.__name__ = kind.__name__
        factory.__annotations__ = {**kinds, "return": AsyncIterator[kind]}  # type: ignore[valid-type]  # made just now
        factory.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect looks for it
        return factory

    async def _step(self, service: ScriptedService, script: Script, step: int, reporter: StartReporter) -> None:
        """Step ``steps`` is the end of the start: it can fail, and takes no time."""
        if step == script.fail_at:
            raise script.error()
        if step == script.hang_at:
            await trio.sleep_forever()
        if step == script.retry_at:
            reporter.retrying("Trying again")
        if step < script.steps:
            self._tell(service, "step")
            reporter.advance(step / script.steps)
            await trio.sleep(script.seconds / script.steps)
            if script.work is not None:
                await trio.to_thread.run_sync(script.work)

    @contextmanager
    def _told(self, service: ScriptedService) -> Iterator[None]:
        try:
            self._tell(service, "entered")
            yield
        finally:
            self._tell(service, "left")

    def _tell(self, service: ScriptedService, what: str) -> None:
        at, task = trio.current_time(), trio.lowlevel.current_task()
        moment = Moment(at=at, service=service.name, what=what, start=service.start, task=task)
        self.log.append(moment)
        self.at_each(moment)


async def _leave(script: Script) -> None:
    """A scripted exit; one that is cancelled is cut short, unless its script says otherwise."""
    try:
        with trio.CancelScope(shield=script.exit_shielded):
            await trio.sleep(script.exit_seconds)
    finally:
        if script.exit_error is not None:
            raise script.exit_error()
