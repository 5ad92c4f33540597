"""For a fault or a cancellation at any step nothing is left behind, and every exit runs (guarantees.md, 16, 17, 18)."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio
from initialization_scenes import (
    PATIENT,
    SHOP,
    SHOP_SECONDS,
    Caller,
    Ear,
    call_all,
    left_in_order,
    manager_of,
    open_files,
    shop,
)

from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.breaker import BreakerPolicy
from chatcore.initialization.host import ABANDON_SECONDS, ExitTimedOut
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.observability import leaves
from chatcore.testing import Moment, Script, ScriptedFault, ScriptedServices, in_virtual_time, run_in_virtual_time

STARTING = ("entered", "step", "up")
"""What happens to services before all are up; the rest happens when they leave."""


def shop_with_files(folder: Path, **scripts: tuple[Script, ...]) -> ScriptedServices:
    """Each service holds a real file beside its nursery, and takes a moment to leave."""

    def with_file(name: str, script: Script) -> Script:
        return attrs.evolve(script, file=folder / name, exit_seconds=0.25)

    own = {name: (script,) for name, (script, _, _) in SHOP.items()} | scripts
    return shop(**{name: tuple(with_file(name, script) for script in mine) for name, mine in own.items()})


def run_and_see_nothing_left(
    services: ScriptedServices, scene: Callable[[], Awaitable[object]], *, mortal: frozenset[str] = frozenset()
) -> None:
    async def watched() -> None:
        before = open_files(), trio.lowlevel.current_statistics().tasks_living
        await scene()
        assert (open_files(), trio.lowlevel.current_statistics().tasks_living) == before
        assert not services.held
        assert left_in_order(services, mortal=mortal)
        assert left_in_the_task_they_were_entered_in(services)

    run_in_virtual_time(watched, seed=0)


def left_in_the_task_they_were_entered_in(services: ScriptedServices) -> bool:
    tasks = {(moment.service, moment.start, moment.what): moment.task for moment in services.log}
    return all(
        tasks[service, start, "left"] is task for (service, start, what), task in tasks.items() if what == "entered"
    )


def left_by_phase(services: ScriptedServices) -> bool:
    """Whether what was up was left from the last phase to the first."""
    left = [SHOP[name][1] for name in services.names("left") if name in services.names("up")]
    return left == sorted(left, reverse=True)


def moments_of_a_life(folder: Path) -> list[Moment]:
    services = shop_with_files(folder)

    async def life() -> None:
        async with manager_of(services) as manager:
            await manager.ensure_ready()

    run_and_see_nothing_left(services, life)
    return services.log


def strike(number: int, blow: Callable[[], object]) -> Callable[[Moment], None]:
    """Strike at the moment of this number."""
    count = itertools.count()

    def at_each(_: Moment) -> None:
        if next(count) == number:
            blow()

    return at_each


def fault() -> None:
    raise ScriptedFault


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_fault_at_any_moment_of_a_start_is_rolled_back_and_told(tmp_path: Path) -> None:
    starting = [moment for moment in moments_of_a_life(tmp_path) if moment.what in STARTING]
    assert len(starting) == 6 + 17 + 6
    for number in range(len(starting)):
        services = shop_with_files(tmp_path)
        services.at_each = strike(number, fault)

        async def scene(services: ScriptedServices = services, number: int = number) -> None:
            policy = InitializationPolicy(breaker=BreakerPolicy(first_wait_seconds=10.0))
            async with manager_of(services, policy=policy) as manager:
                caller = Caller(manager)
                await caller.call()
                moment = services.log[number]
                assert caller.ended_at == moment.at + (0.25 if moment.what != "entered" else 0.0)  # with its own exit
                assert caller.failure is not None
                assert caller.failure.service == moment.service
                await trio.sleep(2.0)  # for the exits of all the others; the next attempt begins after the back-off
                assert not services.held
                assert left_by_phase(services)

        run_and_see_nothing_left(services, scene)


def test_a_fault_at_any_moment_of_an_exit_stops_no_other_exit_and_is_told(tmp_path: Path) -> None:
    life = moments_of_a_life(tmp_path)
    leaving = [number for number, moment in enumerate(life) if moment.what not in STARTING]
    assert len(leaving) == 12
    for number in leaving:
        services = shop_with_files(tmp_path)
        services.at_each = strike(number, fault)

        async def scene(services: ScriptedServices = services) -> None:
            with pytest.raises(ExceptionGroup) as told:
                async with manager_of(services) as manager:
                    await manager.ensure_ready()
            [error] = told.value.exceptions
            assert isinstance(error, ScriptedFault | ExceptionGroup)
            assert sorted(services.names("left")) == sorted(SHOP)

        run_and_see_nothing_left(services, scene)


# --- cancellations ----------------------------------------------------------------------------------------------------


async def leave_the_block(_: ServiceInitializationManager, __: trio.CancelScope) -> None:
    pass


async def close(manager: ServiceInitializationManager, _: trio.CancelScope) -> None:
    await manager.aclose()


async def cancel_the_tree(_: ServiceInitializationManager, tree: trio.CancelScope) -> None:
    tree.cancel()
    await trio.lowlevel.checkpoint()


async def crash(_: ServiceInitializationManager, __: trio.CancelScope) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("end", [leave_the_block, close, cancel_the_tree, crash])
def test_an_end_at_any_moment_of_a_start_leaves_nothing_behind(
    tmp_path: Path, end: Callable[[ServiceInitializationManager, trio.CancelScope], Awaitable[None]]
) -> None:
    starting = [moment for moment in moments_of_a_life(tmp_path) if moment.what in STARTING]
    for number in range(len(starting)):
        services = shop_with_files(tmp_path)

        async def scene(services: ScriptedServices = services, number: int = number) -> None:
            struck = trio.Event()
            services.at_each = strike(number, struck.set)
            with trio.CancelScope() as tree:
                try:
                    async with manager_of(services) as manager:
                        manager.request_start()
                        await struck.wait()
                        await end(manager, tree)
                except* ZeroDivisionError:
                    assert end is crash
            assert left_by_phase(services)

        run_and_see_nothing_left(services, scene)


@attrs.define(eq=False)
class StepStriker(trio.abc.Instrument):
    """Strikes after so many steps of any task."""

    number: int
    blow: Callable[[], object]
    steps: int = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.number:
            self.blow()


async def eventful_life(services: ScriptedServices, number: int) -> int:
    """A failed start, a rollback, a start, a death, a failed restart, a restart; the tree is cancelled at a step."""
    with trio.CancelScope() as tree:
        striker = StepStriker(number, tree.cancel)
        trio.lowlevel.add_instrument(striker)
        try:
            async with manager_of(services, policy=PATIENT) as manager:
                manager.request_start()
                await trio.sleep(40)
                assert manager.snapshot().generation == 2
        except* ScriptedFault:  # of the service whose death and whose end fell into one step
            assert tree.cancel_called
        finally:
            trio.lowlevel.remove_instrument(striker)
    return striker.steps


def eventful_shop(folder: Path) -> ScriptedServices:
    return shop_with_files(
        folder,
        model=(Script(fail_at=1, steps=2), Script(seconds=2), Script(fail_at=0), Script(seconds=2)),
        cache=(Script(seconds=3), Script(seconds=3, dies_after=10.0), Script(seconds=3)),
    )


def test_a_cancellation_at_any_step_of_an_eventful_life_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = run_in_virtual_time(lambda: eventful_life(eventful_shop(tmp_path), 0), seed=0)
    assert steps > 300
    for number in range(1, steps, 3):
        services = eventful_shop(tmp_path)
        scene = functools.partial(eventful_life, services, number)
        run_and_see_nothing_left(services, scene, mortal=frozenset({"cache"}))


# --- exits that go wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", SHOP)
@pytest.mark.parametrize("by", ["closing", "cancellation"])
@pytest.mark.parametrize("wrong", ["raises", "hangs", "hangs on"])
def test_every_exit_runs_although_one_goes_wrong(victim: str, by: str, wrong: str) -> None:
    exits = {
        "raises": Script(exit_error=ScriptedFault),
        "hangs": Script(exit_seconds=math.inf),
        "hangs on": Script(exit_seconds=100.0, exit_shielded=True),
    }
    services, ear = shop(**{victim: exits[wrong]}), Ear()
    budget = PATIENT.exit_budget_seconds
    takes = {"raises": 0.0, "hangs": budget, "hangs on": budget + ABANDON_SECONDS}[wrong]

    async def scene() -> None:
        with trio.CancelScope() as tree:
            async with manager_of(services, recorder=ear) as manager:
                await manager.ensure_ready()
                ready_at = trio.current_time()
                if by == "closing":
                    await manager.aclose()
                tree.cancel()
                await trio.sleep_forever()
        raise AssertionError(f"no error was told, {trio.current_time() - ready_at} s after ready")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as told:
            await scene()
        assert [type(error) for error in leaves(told.value)] == [ScriptedFault if wrong == "raises" else ExitTimedOut]
        left = {moment.service: moment.at for moment in services.log if moment.what == "left"}
        assert set(left) == set(SHOP)
        ready_at = max(services.at("agent", "up"))
        others = [left[name] for name in SHOP if name != victim]
        assert max(others) <= ready_at + takes
        assert left[victim] == ready_at + {"raises": 0.0, "hangs": budget, "hangs on": 100.0}[wrong]

    run_in_virtual_time(main)
    [line] = [fields for event, fields in ear.lines if event.startswith("service_exit")]
    assert line["service"] == victim


@in_virtual_time
async def test_all_errors_of_exits_are_gathered() -> None:
    services = shop(
        agent=Script(exit_error=lambda: ValueError("agent")),
        model=Script(exit_error=lambda: KeyError("model")),
        database=Script(exit_error=lambda: OSError("database")),
    )
    with pytest.raises(ExceptionGroup) as told:
        async with manager_of(services) as manager:
            await manager.ensure_ready()
    assert [type(error) for error in told.value.exceptions] == [ValueError, KeyError, OSError]


@in_virtual_time
async def test_errors_of_exits_come_beside_what_ended_the_block() -> None:
    async def crash_when_ready() -> None:
        async with manager_of(shop(database=Script(exit_error=OSError))) as manager:
            await manager.ensure_ready()
            raise ValueError

    with pytest.raises(ExceptionGroup) as told:
        await crash_when_ready()
    assert told.group_contains(ValueError, depth=2)
    assert told.group_contains(OSError, depth=1)


@in_virtual_time
async def test_errors_of_exits_are_told_once() -> None:
    async with manager_of(shop(database=Script(exit_error=OSError))) as manager:
        await manager.ensure_ready()
        with pytest.raises(ExceptionGroup):
            await manager.aclose()
        await manager.aclose()


@in_virtual_time
async def test_the_error_of_an_exit_during_a_rollback_does_not_hide_the_failure() -> None:
    ear = Ear()
    services = shop(agent=(Script(fail_at=0), Script()), model=(Script(exit_error=OSError), Script()))
    manager = manager_of(services, recorder=ear)
    first, second = Caller(manager), Caller(manager, comes_at=7.5)
    with pytest.raises(ExceptionGroup) as told:
        async with manager:
            await call_all([first, second])
    assert first.failure is not None
    assert first.failure.service == "agent"
    assert second.ready is not None
    assert [type(error) for error in told.value.exceptions] == [OSError]
    assert [fields["service"] for fields in ear.fields_of("service_exit_failed")] == ["model"]
    assert "OSError" in ear.fields_of("service_exit_failed")[0]["error"]


@in_virtual_time
async def test_a_start_that_cannot_be_cancelled_delays_the_rollback_no_longer_than_its_budget() -> None:
    clings = Script(fail_at=0, exit_seconds=50.0, exit_shielded=True)
    services = shop(cache=(clings, Script()), session=Script(fail_at=1))
    manager = manager_of(services, policy=PATIENT)
    caller = Caller(manager)

    async def live() -> None:
        async with manager:
            await caller.call()
            await trio.sleep(10)

    with pytest.raises(ExceptionGroup) as told:
        await live()
    assert [type(error) for error in leaves(told.value)] == [ExitTimedOut]
    assert caller.ended_at == 3.0
    assert services.at("database", "left")[0] == 3.0 + PATIENT.exit_budget_seconds + ABANDON_SECONDS
    assert max(services.at("cache", "left")) == 52.0


@in_virtual_time
async def test_services_of_an_undisturbed_life_leave_in_reverse_order() -> None:
    services = shop()
    async with manager_of(services) as manager:
        await manager.ensure_ready()
        assert trio.current_time() == SHOP_SECONDS
    assert services.names("left") == list(reversed(services.names("entered")))
