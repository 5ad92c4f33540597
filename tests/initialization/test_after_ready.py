"""After ready: deaths, restarts and the users of services (guarantees.md, 20 and 35)."""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from initialization_scenes import PATIENT, SHOP, SHOP_SECONDS, Caller, Ear, call_all, manager_of, shop

from chatcore.errors import ConfigurationError
from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.host import PARTING_SECONDS
from chatcore.initialization.lifecycle import State
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import ServiceState
from chatcore.services import Phase, ReadyServices, ServiceGraph
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time

DEPENDENTS = {
    "database": {"database", "cache", "search", "model", "agent"},
    "cache": {"cache", "model", "agent"},
    "session": {"session", "search", "agent"},
    "model": {"model", "agent"},
    "search": {"search", "agent"},
    "agent": {"agent"},
}


class Database:
    pass


async def until_lost(manager: ServiceInitializationManager) -> float:
    """When readiness was flipped."""
    async for snapshot in manager.progress():
        if snapshot.state is not State.READY:
            return snapshot.at
    raise AssertionError


async def until_ready(manager: ServiceInitializationManager, generation: int) -> ReadyServices:
    async for snapshot in manager.progress():
        if snapshot.state is State.READY and snapshot.generation >= generation:
            break
    assert manager.ready is not None
    return manager.ready


@pytest.mark.parametrize("victim", SHOP)
def test_a_death_restarts_the_service_and_its_dependents_and_nobody_else(victim: str) -> None:
    async def scene() -> None:
        services, ear = shop(), Ear()
        async with manager_of(services, recorder=ear) as manager:
            first = await manager.ensure_ready()
            await trio.sleep(1)
            first.get(services.kinds[victim]).die()
            assert await until_lost(manager) == SHOP_SECONDS + 1
            assert manager.ready is None
            second = await manager.ensure_ready()
            assert (first.generation, second.generation) == (1, 2)
            for name, kind in services.kinds.items():
                again = second.get(kind)
                assert (again is first.get(kind)) == (name not in DEPENDENTS[victim])
                assert again.start == (2 if name in DEPENDENTS[victim] else 1)
                assert all(given is second.get(services.kinds[need]) for need, given in again.needs.items())
            assert {status.state for status in manager.snapshot().services} == {ServiceState.READY}
        [line] = ear.fields_of("service_lost")
        assert (line["service"], line["generation"], line["error"]) == (victim, 1, "ExceptionGroup")
        assert ear.outcomes == ["succeeded", "succeeded"]

    run_in_virtual_time(scene)


@in_virtual_time
async def test_while_it_recovers_callers_wait_and_are_ready_with_the_next_generation() -> None:
    services = shop(cache=(Script(seconds=3, dies_after=10.0), Script(seconds=3)))
    async with manager_of(services) as manager:
        died_at = 5.0 + 10.0
        callers = [Caller(manager), Caller(manager, comes_at=died_at + 0.5), Caller(manager, comes_at=died_at + 4.0)]
        await call_all(callers)
        assert [caller.ready.generation for caller in callers if caller.ready] == [1, 2, 2]
        assert [caller.ended_at for caller in callers] == [SHOP_SECONDS, died_at + 6, died_at + 6]


@in_virtual_time
async def test_a_service_that_dies_and_hangs_in_its_exit_is_lost_all_the_same() -> None:
    services = shop(cache=(Script(seconds=3, exit_seconds=math.inf), Script(seconds=3)))
    async with manager_of(services) as manager:
        first = await manager.ensure_ready()
        first.get(services.kinds["cache"]).die()
        assert await until_lost(manager) == SHOP_SECONDS + PARTING_SECONDS
        second = await until_ready(manager, 2)
        budget = PATIENT.exit_budget_seconds
        assert trio.current_time() == pytest.approx(SHOP_SECONDS + PARTING_SECONDS + budget + 3 + 2 + 1)
        assert second.get(services.kinds["cache"]).start == 2


@attrs.define(eq=False)
class Truths(trio.abc.Instrument):
    """What can be seen after each step of any task, by its version."""

    manager: ServiceInitializationManager
    seen: dict[int, set[tuple[object, ...]]] = attrs.field(factory=dict)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        now = self.manager.snapshot()
        told = (now.state, now.attempt, now.generation, now.notices, now.lost, now.services)
        self.seen.setdefault(now.version, set()).add(told)


@in_virtual_time
async def test_no_two_truths_have_one_version() -> None:
    """Frames for many are kept by the version of the truth that they tell."""
    services = shop(cache=(Script(seconds=3), Script(seconds=1, fail_at=1), Script(seconds=3)))
    async with manager_of(services) as manager:
        truths = Truths(manager)
        trio.lowlevel.add_instrument(truths)
        (await manager.ensure_ready()).get(services.kinds["cache"]).die()
        await until_ready(manager, 2)
        trio.lowlevel.remove_instrument(truths)
    assert len(truths.seen) > 10
    assert {len(told) for told in truths.seen.values()} == {1}


@pytest.mark.parametrize("every", [0.5, 5.0, 60.0])
def test_a_failing_health_check_is_a_loss_within_twice_its_interval(every: float) -> None:
    async def scene() -> None:
        services = ScriptedServices()
        services.add("database", checked=True, check_every_seconds=every)
        services.add("agent", needs=("database",))
        async with manager_of(services) as manager:
            first = await manager.ensure_ready()
            await trio.sleep(7.3 * every)
            assert manager.ready is first
            sick_at = trio.current_time()
            first.get(services.kinds["database"]).healthy = False
            assert await until_lost(manager) - sick_at <= 2 * every
            second = await until_ready(manager, 2)
            assert second.get(services.kinds["database"]).start == 2
            assert services.held == {"database", "agent"}

    run_in_virtual_time(scene)


@in_virtual_time
async def test_a_health_check_that_hangs_is_a_loss_within_twice_its_interval() -> None:
    services, ear = ScriptedServices(), Ear()

    async def hang(_: object) -> None:
        await trio.sleep_forever()

    kind = services.add("database", check=hang, check_every_seconds=5.0)
    async with manager_of(services, recorder=ear) as manager:
        await manager.ensure_ready()
        ready_at = trio.current_time()
        assert await until_lost(manager) - ready_at == 10.0
        assert (await until_ready(manager, 2)).get(kind).start == 2
    assert ear.fields_of("service_lost")[0]["error"] == "HealthCheckTimedOut"


@in_virtual_time
async def test_a_service_that_ends_without_an_error_is_lost_too() -> None:
    graph, ear = ServiceGraph(), Ear()

    @graph.provide(phase=Phase.SERVICES)
    async def database() -> AsyncIterator[Database]:
        with trio.move_on_after(3.0):
            yield Database()

    async with ServiceInitializationManager(graph, recorder=ear) as manager:
        await manager.ensure_ready()
        assert await until_lost(manager) == 3.0
        await until_ready(manager, 2)
    assert "error" not in ear.fields_of("service_lost")[0]


@in_virtual_time
async def test_too_many_restarts_end_in_a_rest_not_in_a_spin() -> None:
    services, ear = ScriptedServices(), Ear()
    services.add("database", Script(seconds=0.0, dies_after=0.01))
    services.add("agent", Script(seconds=0.0), needs=("database",))
    policy = InitializationPolicy(restarts=5, restart_window_seconds=60.0)
    async with manager_of(services, policy=policy, recorder=ear) as manager:
        await manager.ensure_ready()
        async for snapshot in manager.progress():
            if snapshot.state is State.FAILED:
                break
        assert len(services.names("entered")) == 2 * 6
        assert trio.current_time() == pytest.approx(0.06)
        await trio.sleep(1)
        assert not services.held
        caller = Caller(manager)
        await caller.call()
        assert caller.failure is not None
        assert (caller.failure.error_code, caller.failure.retryable) == ("SERVICES_UNAVAILABLE", True)
        assert caller.failure.retry_after_seconds is not None
        assert caller.failure.retry_after_seconds >= 58.9
        await trio.sleep_until(600.0)
        assert len(services.names("entered")) <= 2 * 6 * 11  # six starts a minute, and no more
        assert len(services.names("entered")) >= 2 * 6 * 9


@in_virtual_time
async def test_deaths_that_are_far_apart_are_restarted_for_ever() -> None:
    services = ScriptedServices()
    services.add("database", Script(seconds=0.0, dies_after=15.0))
    async with manager_of(services, policy=InitializationPolicy(restarts=5, restart_window_seconds=60.0)) as manager:
        manager.request_start()
        await trio.sleep(15.0 * 50 + 1)
        assert manager.snapshot().generation == 51


@in_virtual_time
async def test_those_who_wait_while_the_restarts_become_too_many_are_told() -> None:
    services = ScriptedServices()
    services.add("database", Script(seconds=1.0, dies_after=0.5))
    async with manager_of(services, policy=InitializationPolicy(restarts=1)) as manager:
        await manager.ensure_ready()
        callers = [Caller(manager, comes_at=at) for at in (1.6, 2.4, 2.9, 3.1)]
        await call_all(callers)
        assert [caller.ready is not None for caller in callers] == [True, True, True, False]


# --- restarts that fail -----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_failed_restart_is_rolled_back_at_once_and_tried_again_after_the_back_off() -> None:
    """What was starting beside the service that failed is neither left running nor taken for ready."""
    services = ScriptedServices()
    services.add("base", Script(seconds=1.0))
    services.add("quick", Script(seconds=1.0, dies_after=20.0), Script(seconds=1.0), needs=("base",))
    services.add("slow", Script(seconds=3.0), needs=("base", "quick"))
    services.add("beside", Script(seconds=3.0), needs=("base", "quick"))
    services.add("broken", Script(seconds=1.0), Script(fail_at=1), Script(), needs=("quick",))
    async with manager_of(services, policy=PATIENT) as manager:
        manager.request_start()
        await trio.sleep_until(2.0 + 20.0 + 1.0 + 1.0 + 0.5)  # half a second after `broken` failed beside `slow`
        assert manager.snapshot().state is State.RECOVERING
        assert manager.snapshot().starting == ()
        assert services.held == {"base"}
        assert (await manager.ensure_ready()).generation == 2
        assert trio.current_time() == 24.0 + 1.0 + 1.0 + 3.0
        assert services.names("entered").count("base") == 1
        assert {status.state for status in manager.snapshot().services} == {ServiceState.READY}


@in_virtual_time
async def test_restarts_that_keep_failing_open_the_breaker_and_those_who_wait_are_told() -> None:
    away = Script(fail_at=0)
    services, ear = shop(cache=(Script(seconds=3, dies_after=10.0), away, away, away, Script(seconds=3))), Ear()
    async with manager_of(services, recorder=ear) as manager:
        await manager.ensure_ready()
        died_at = await until_lost(manager)
        caller = Caller(manager, comes_at=died_at)
        await caller.call()
        assert caller.failure is not None
        assert (caller.failure.service, caller.failure.attempt) == ("cache", 4)
        assert caller.ended_at == died_at + 0 + 1 + 2
        assert manager.snapshot().state is State.UNAVAILABLE
        assert manager.snapshot().progress == 0
        await trio.sleep(0.1)
        assert not services.held
        await until_ready(manager, 2)
        assert trio.current_time() == died_at + 3 + 4 + SHOP_SECONDS
    assert ear.outcomes == ["succeeded", "failed", "failed", "failed", "succeeded"]


@in_virtual_time
async def test_a_restart_that_shows_a_wrong_configuration_is_final() -> None:
    wrong = Script(fail_at=0, error=lambda: ConfigurationError("cache", "is wrong"))
    services = shop(cache=(Script(seconds=3, dies_after=10.0), wrong))
    async with manager_of(services) as manager:
        await manager.ensure_ready()
        await until_lost(manager)
        caller = Caller(manager)
        await caller.call()
        assert caller.failure is not None
        assert not caller.failure.retryable
        await trio.sleep(1000)
        assert manager.snapshot().state is State.FAILED
        assert not services.held


@in_virtual_time
async def test_a_sibling_that_dies_during_a_restart_is_restarted_with_the_next() -> None:
    services = shop(
        cache=(Script(seconds=3, dies_after=10.0), Script(seconds=3)),
        session=(Script(seconds=1, dies_after=13.5), Script(seconds=1)),
    )
    async with manager_of(services, policy=PATIENT) as manager:
        manager.request_start()
        second = await until_ready(manager, 2)
        starts = {name: second.get(kind).start for name, kind in services.kinds.items()}
        assert (starts["database"], starts["session"], starts["search"]) == (1, 2, 2)
        assert services.held == set(SHOP)


def test_a_generation_is_whole_whenever_a_service_dies() -> None:
    """A death in any step around the moment of ready: whoever is handed a generation finds every service in it."""

    async def scene(steps: int) -> None:
        services = ScriptedServices()
        services.add("early")
        services.add("late", needs=("early",))

        async def kill() -> None:
            await trio.sleep_until(2.0)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            services.latest["early"].die()

        async with manager_of(services, policy=PATIENT) as manager, trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            caller = Caller(manager)
            await caller.call()
            if caller.ready is not None:
                assert all(caller.ready.get(kind) for kind in services.kinds.values())
            else:
                assert caller.failure is not None
                assert caller.failure.service == "early"

    for steps, seed in itertools.product(range(12), range(8)):
        run_in_virtual_time(lambda steps=steps: scene(steps), seed=seed)  # type: ignore[misc]


# --- users ------------------------------------------------------------------------------------------------------------


async def use(ready: ReadyServices, kind: type, log: list[tuple[str, float]], *, lingers: float = 0.0) -> None:
    """A run that takes a while to let go when it is cancelled."""
    with ready.in_use(kind):
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(lingers)
            log.append((kind.__name__, trio.current_time()))


@in_virtual_time
async def test_a_service_is_stopped_after_the_runs_that_use_it_have_ended() -> None:
    services = shop()
    ended: list[tuple[str, float]] = []
    async with manager_of(services) as manager:
        ready = await manager.ensure_ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: use(ready, services.kinds["agent"], ended, lingers=3.0))
            await trio.testing.wait_all_tasks_blocked()
            await manager.aclose()
    assert ended == [("agent", SHOP_SECONDS + 3)]
    assert min(moment.at for moment in services.log if moment.what == "leaving") == SHOP_SECONDS + 3


@in_virtual_time
async def test_a_run_that_does_not_let_go_is_waited_for_no_longer_than_the_budget() -> None:
    services = shop()
    async with manager_of(services) as manager, trio.open_nursery() as nursery:
        ready = await manager.ensure_ready()
        nursery.start_soon(lambda: use(ready, services.kinds["agent"], [], lingers=100.0))
        await trio.testing.wait_all_tasks_blocked()
        await manager.aclose()
        assert trio.current_time() == SHOP_SECONDS + PATIENT.exit_budget_seconds


@pytest.mark.parametrize("victim", SHOP)
def test_a_loss_ends_the_runs_that_use_it_and_those_alone(victim: str) -> None:
    async def scene() -> None:
        services = shop()
        ended: list[tuple[str, float]] = []
        async with manager_of(services) as manager, trio.open_nursery() as nursery:
            ready = await manager.ensure_ready()
            for kind in services.kinds.values():
                nursery.start_soon(use, ready, kind, ended)
            await trio.testing.wait_all_tasks_blocked()
            ready.get(services.kinds[victim]).die()
            await until_ready(manager, 2)
            assert {name for name, _ in ended} == DEPENDENTS[victim]
            nursery.cancel_scope.cancel()

    run_in_virtual_time(scene)


@in_virtual_time
async def test_a_run_that_begins_with_what_was_lost_is_cancelled_from_the_beginning() -> None:
    services = shop()
    async with manager_of(services) as manager:
        first = await manager.ensure_ready()
        first.get(services.kinds["cache"]).die()
        await until_lost(manager)
        for _ in range(2):
            with first.in_use(services.kinds["cache"]) as scope:
                await trio.lowlevel.checkpoint()
            assert scope.cancelled_caught
            await until_ready(manager, 2)


@in_virtual_time
async def test_the_dependents_of_the_lost_leave_before_it_is_stopped() -> None:
    """Where it is its health check that failed, it is up yet."""
    services = ScriptedServices()
    kind = services.add("database", checked=True, phase=Phase.DATABASE)
    services.add("cache", needs=("database",), phase=Phase.CACHE)
    services.add("agent", needs=("cache",))
    services.add("apart")
    async with manager_of(services) as manager:
        (await manager.ensure_ready()).get(kind).healthy = False
        await until_ready(manager, 2)
        assert services.names("left") == ["agent", "cache", "database"]


@in_virtual_time
async def test_a_graph_of_nothing_is_ready_and_stays_so() -> None:
    async with manager_of(ScriptedServices()) as manager:
        assert (await manager.ensure_ready()).generation == 1
        await trio.sleep(1000)
        assert manager.snapshot().state is State.READY
