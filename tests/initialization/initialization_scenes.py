"""What the tests of the initialization share: callers, an ear, and a few graphs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import trio
from hypothesis import HealthCheck, settings

from chatcore.errors import InitializationFailed
from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.breaker import BreakerPolicy
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.observability import Recorder
from chatcore.services import Phase, ReadyServices
from chatcore.testing import Script, ScriptedServices

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: how long an example takes says nothing on a machine that is busy with other things."""

PATIENT = InitializationPolicy(breaker=BreakerPolicy(failures_to_open=1000, jitter=0.0))
"""A breaker that never opens, for tests of what happens while it is closed."""


@attrs.define(eq=False)
class Ear(Recorder):
    """Hears everything, for a test to look at."""

    lines: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    outcomes: list[str] = attrs.field(factory=list)
    states: list[tuple[str, str]] = attrs.field(factory=list)
    waiting: int = 0

    def log(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    def attempt_ended(self, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)

    def state_changed(self, state: str, breaker: str) -> None:
        self.states.append((state, breaker))

    def waiting_changed(self, waiting: int) -> None:
        self.waiting = waiting

    def fields_of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.lines if name == event]


@attrs.define(eq=False)
class Caller:
    """Someone who calls ``ensure_ready`` once, and what came of it."""

    manager: ServiceInitializationManager
    comes_at: float = 0.0
    leaves_at: float = math.inf
    ready: ReadyServices | None = None
    failure: InitializationFailed | None = None
    ended_at: float = math.nan
    left: bool = False

    async def call(self) -> None:
        """Times are counted from the beginning of Trio's virtual clock."""
        await trio.sleep_until(self.comes_at)
        with trio.CancelScope(deadline=self.leaves_at) as scope:
            try:
                self.ready = await self.manager.ensure_ready()
            except InitializationFailed as failure:
                self.failure = failure
        self.left = scope.cancelled_caught
        self.ended_at = trio.current_time()


async def call_all(callers: Sequence[Caller]) -> None:
    async with trio.open_nursery() as nursery:
        for caller in callers:
            nursery.start_soon(caller.call)


def manager_of(services: ScriptedServices, **options: Any) -> ServiceInitializationManager:
    """A manager whose jitter is the least there can be, so that times can be told in advance."""
    return ServiceInitializationManager(services.graph, **{"random": lambda: 0.0, **options})


SHOP: dict[str, tuple[Script, Phase, tuple[str, ...]]] = {
    "database": (Script(seconds=2, steps=4), Phase.DATABASE, ()),
    "cache": (Script(seconds=3, steps=3), Phase.CACHE, ("database",)),
    "session": (Script(seconds=1, steps=2), Phase.CACHE, ()),
    "model": (Script(seconds=2, steps=4), Phase.SERVICES, ("cache",)),
    "search": (Script(seconds=1, steps=2), Phase.SERVICES, ("database", "session")),
    "agent": (Script(seconds=1, steps=2), Phase.FINALIZE, ("model", "search")),
}
"""Six services in four phases."""

SHOP_SECONDS = 8.0
"""2 + 3 + 2 + 1: the longest of each phase."""


def shop(**scripts: Script | tuple[Script, ...]) -> ScriptedServices:
    """The services of :data:`SHOP`; a script, or one for each start, replaces a service's own."""
    services = ScriptedServices()
    for name, (own, phase, needs) in SHOP.items():
        script = scripts.get(name, own)
        services.add(name, *(script if isinstance(script, tuple) else (script,)), needs=needs, phase=phase)
    return services


def open_files() -> int:
    """File descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def left_in_order(services: ScriptedServices, *, mortal: frozenset[str] = frozenset()) -> bool:
    """Whether every life of a service lay within one life of each service that it needs.

    Args:
        services: that have lived.
        mortal: those that died by themselves, as nobody can be stopped before that.
    """
    entered = {(at.service, at.start): place for place, at in enumerate(services.log) if at.what == "entered"}
    left = {(at.service, at.start): place for place, at in enumerate(services.log) if at.what == "left"}

    def outlived(life: tuple[str, int], need: str) -> bool:
        _, held = max((at, other) for other, at in entered.items() if other[0] == need and at < entered[life])
        return left[held] > left[life]

    return all(outlived(life, need) for life in entered for need in set(SHOP[life[0]][2]) - mortal)
