"""One start, whoever comes and goes, over many seeded schedules (guarantees.md, 1, 2, 4, 5, 6, 8, 13)."""

from __future__ import annotations

import itertools
import math
import random
import traceback
from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from initialization_scenes import PATIENT, SHOP, SHOP_SECONDS, Caller, Ear, call_all, manager_of, shop

from chatcore.errors import InitializationFailed
from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.breaker import BreakerPolicy
from chatcore.initialization.lifecycle import State
from chatcore.services import Phase
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time

SCHEDULES = 150


async def crowd(seed: int, callers: int) -> tuple[ScriptedServices, list[Caller]]:
    """Callers that come while the shop opens or half a second after, and leave as they like; the first leaves too."""
    dice = random.Random(seed)
    services = shop()
    async with manager_of(services) as manager:
        everyone = [Caller(manager, comes_at=0.0, leaves_at=dice.uniform(0, SHOP_SECONDS))]
        for _ in range(callers - 1):
            comes_at = dice.choice([dice.uniform(0, SHOP_SECONDS + 0.5), float(dice.randint(0, 8))])
            leaves_at = dice.choice([math.inf, comes_at + dice.uniform(0, 6), float(dice.randint(0, 9))])
            everyone.append(Caller(manager, comes_at=comes_at, leaves_at=leaves_at))
        await call_all(everyone)
        await trio.sleep_until(SHOP_SECONDS)
        assert manager.snapshot().state is State.READY
        assert manager.snapshot().generation == 1
    return services, everyone


@pytest.mark.parametrize(("callers", "seeds"), [(300, range(20)), (30, range(20, SCHEDULES))], ids=["crowd", "many"])
def test_whoever_leaves_every_service_starts_once_and_the_others_are_ready_in_time(callers: int, seeds: range) -> None:
    for seed in seeds:
        services, everyone = run_in_virtual_time(lambda seed=seed: crowd(seed, callers), seed=seed)  # type: ignore[misc]
        assert sorted(services.names("entered")) == sorted(services.names("up")) == sorted(SHOP), f"seed {seed}"
        stayed = [caller for caller in everyone if not caller.left]
        assert stayed
        for caller in stayed:
            assert caller.ready is not None
            assert caller.ended_at == max(SHOP_SECONDS, caller.comes_at), f"seed {seed}"
        assert len({id(caller.ready) for caller in stayed}) == 1
        for caller in set(everyone) - set(stayed):
            assert caller.ready is None
            assert caller.ended_at == max(caller.leaves_at, caller.comes_at)


@in_virtual_time
async def test_a_caller_that_joins_late_is_ready_with_the_others() -> None:
    """Guarantee 13: joined at 25 s of a 26 s start, ready at 26 s."""
    services = ScriptedServices()
    services.add("slow", Script(seconds=26.0))
    async with manager_of(services) as manager:
        callers = [Caller(manager), Caller(manager, comes_at=25.0)]
        await call_all(callers)
        assert [caller.ended_at for caller in callers] == [26.0, 26.0]


@in_virtual_time
async def test_a_ready_generation_is_handed_out_without_a_wait_but_not_to_the_cancelled() -> None:
    async with manager_of(shop()) as manager:
        ready = await manager.ensure_ready()
        with trio.CancelScope() as scope:
            scope.cancel()
            await manager.ensure_ready()
        assert scope.cancelled_caught
        assert await manager.ensure_ready() is ready is manager.ready


# --- failures ---------------------------------------------------------------------------------------------------------


async def failing_crowd(seed: int, ear: Ear) -> tuple[ScriptedServices, list[Caller]]:
    """The model fails in the first two attempts, at 5.5 s of each; what was up takes two seconds to leave."""
    dice = random.Random(seed)
    fails = Script(seconds=2, steps=4, fail_at=1)
    lingers = Script(seconds=2, exit_seconds=2.0)
    services = shop(model=(fails, fails, Script(seconds=2)), database=lingers)
    async with manager_of(services, policy=PATIENT, recorder=ear) as manager:
        everyone = [Caller(manager)] + [
            Caller(manager, comes_at=dice.choice([dice.uniform(0, 25), 5.5])) for _ in range(60)
        ]
        await call_all(everyone)
    return services, everyone


def test_a_failure_reaches_every_waiter_in_the_same_instant_and_late_callers_wait_for_the_next() -> None:
    for seed in range(60):
        ear = Ear()
        services, everyone = run_in_virtual_time(lambda seed=seed, ear=ear: failing_crowd(seed, ear), seed=seed)  # type: ignore[misc]
        assert services.names("up").count("agent") == 1, f"seed {seed}"
        told = {1: set[float](), 2: set[float]()}
        for caller in everyone:
            if caller.failure is not None:
                told[caller.failure.attempt].add(caller.ended_at)
        assert told[1] == {5.5}, f"seed {seed}"
        assert len(told[2]) <= 1
        for caller in everyone:
            if caller.comes_at > 5.5:
                assert caller.failure is None or caller.failure.attempt == 2
        assert not services.held


def test_of_two_failures_in_one_instant_one_is_told_to_all() -> None:
    async def scene() -> None:
        services, ear = ScriptedServices(), Ear()
        services.add("one", Script(seconds=1.0, fail_at=1), Script())
        services.add("two", Script(seconds=1.0, fail_at=1), Script())
        async with manager_of(services, policy=PATIENT, recorder=ear) as manager:
            callers = [Caller(manager) for _ in range(10)]
            await call_all(callers)
        assert len({caller.failure.service for caller in callers if caller.failure}) == 1
        assert len(ear.fields_of("initialization_failed")) == 1

    for seed in range(20):
        run_in_virtual_time(scene, seed=seed)


def test_nobody_joins_an_attempt_once_its_failure_is_known() -> None:
    """A caller in each step around the failure: who calls when it is known is ready with the next attempt."""
    known = 0

    async def scene(steps: int) -> None:
        nonlocal known
        ear = Ear()
        services = ScriptedServices()
        services.add("base", Script(exit_seconds=3.0))
        services.add("top", Script(fail_at=0), Script(), needs=("base",))
        async with manager_of(services, policy=PATIENT, recorder=ear) as manager:
            manager.request_start()
            await trio.sleep_until(1.0)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            if ear.fields_of("initialization_failed"):
                known += 1
                assert (await manager.ensure_ready()).generation == 1

    for steps, seed in itertools.product(range(16), range(8)):
        run_in_virtual_time(lambda steps=steps: scene(steps), seed=seed)  # type: ignore[misc]
    assert known > 30


def test_a_failure_is_told_before_whatever_the_attempt_awaited_lets_go() -> None:
    """The prerequisite clings to a thread that a cancelled attempt has to wait for; the waiters have not."""

    async def scene() -> None:
        async def clings() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(7)

        services = shop()
        manager = manager_of(services, prerequisite=clings, policy=attrs.evolve(PATIENT, limit_seconds=30.0))
        async with manager:
            caller = Caller(manager)
            await caller.call()
            assert caller.ended_at == 30.0
            assert caller.failure is not None
            assert caller.failure.error_code == "SERVICE_INIT_TIMEOUT"

    run_in_virtual_time(scene)


@in_virtual_time
async def test_a_caller_that_comes_during_a_slow_rollback_waits_for_the_next_attempt() -> None:
    services = ScriptedServices()
    services.add("base", Script(exit_seconds=4.0))
    services.add("top", Script(fail_at=0), Script(), needs=("base",))
    async with manager_of(services, policy=PATIENT) as manager:
        callers = [Caller(manager), Caller(manager, comes_at=3.0)]
        await call_all(callers)
        first, second = callers
        assert (first.ended_at, first.failure is not None) == (1.0, True)
        assert second.failure is None
        assert second.ended_at == 1.0 + 4.0 + 2.0  # the rollback, which outlasts the back-off, and the second start


# --- each its own -----------------------------------------------------------------------------------------------------


class Broken(Exception):
    pass


async def breaks() -> AsyncIterator[Broken]:
    await trio.sleep(1.0)
    raise Broken
    yield Broken()  # type: ignore[unreachable]  # what makes it a generator


async def failures_of(callers: int, *, grouped: bool) -> list[InitializationFailed]:
    services = ScriptedServices()
    if grouped:  # a scripted service fails within its nursery
        services.add("breaks", Script(fail_at=0, error=Broken))
    else:
        services.graph.provide(phase=Phase.SERVICES)(breaks)
    async with manager_of(services) as manager:
        everyone = [Caller(manager) for _ in range(callers)]
        await call_all(everyone)
    return [caller.failure for caller in everyone if caller.failure is not None]


def depth(error: BaseException | None) -> int:
    return len(traceback.extract_tb(error.__traceback__)) if error is not None else 0


@pytest.mark.parametrize("grouped", [True, False])
def test_every_waiter_has_an_exception_of_its_own_no_deeper_for_the_others(grouped: bool) -> None:
    [alone] = run_in_virtual_time(lambda: failures_of(1, grouped=grouped))
    many = run_in_virtual_time(lambda: failures_of(300, grouped=grouped))
    assert len({id(failure) for failure in many}) == 300
    for failure in [alone, *many]:
        assert type(failure) is InitializationFailed
        assert depth(failure) == depth(alone)
        assert depth(failure.__cause__) == depth(alone.__cause__)
        assert failure.__suppress_context__
        assert isinstance(failure.__cause__, ExceptionGroup if grouped else Broken)
    assert len({id(failure.__cause__) for failure in many}) == 1


def test_no_waiter_sees_a_bare_cancellation_or_a_group_however_the_wait_ends() -> None:
    """Failure, time-out, closing and the end of the tree; only who is cancelled himself is cancelled."""

    async def scene(ending: str) -> None:
        services = shop(model=Script(hang_at=1) if ending != "failure" else Script(fail_at=0))
        caught: list[BaseException] = []

        async def wait() -> None:
            try:
                await manager.ensure_ready()
            except BaseException as error:
                caught.append(error)

        async with trio.open_nursery() as outside:
            with trio.CancelScope() as tree:
                async with manager_of(services) as manager:
                    for _ in range(5):
                        outside.start_soon(wait)
                    await trio.sleep(6)
                    if ending == "closing":
                        await manager.aclose()
                    elif ending == "tree":
                        tree.cancel()
                    else:
                        await trio.sleep(100)
        assert [type(error) for error in caught] == [InitializationFailed] * 5

    for ending in ("failure", "time-out", "closing", "tree"):
        run_in_virtual_time(lambda ending=ending: scene(ending))  # type: ignore[misc]


# --- leaving ----------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class StepCounter(trio.abc.Instrument):
    """Counts the steps of one task from now on."""

    task: trio.lowlevel.Task
    steps: int = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += task is self.task


@pytest.mark.parametrize("when", ["starting", "teardown", "backing off"])
def test_leaving_takes_one_step_whatever_is_going_on(when: str) -> None:
    async def scene() -> None:
        services = ScriptedServices()
        services.add("base", Script(exit_seconds=3.0))
        services.add("top", Script(fail_at=0), needs=("base",))
        policy = InitializationPolicy(breaker=BreakerPolicy(first_wait_seconds=10.0))
        async with manager_of(services, policy=policy) as manager, trio.open_nursery() as nursery:
            tasks: list[trio.lowlevel.Task] = []
            scope = trio.CancelScope()

            async def leave_early(task_status: trio.TaskStatus[None]) -> None:
                tasks.append(trio.lowlevel.current_task())
                with scope:
                    task_status.started()
                    await manager.ensure_ready()

            if when != "starting":
                await Caller(manager).call()
            if when == "backing off":
                await trio.sleep(4.0)
            await nursery.start(leave_early)
            await trio.testing.wait_all_tasks_blocked()
            counter = StepCounter(tasks[0])
            trio.lowlevel.add_instrument(counter)
            scope.cancel()
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            trio.lowlevel.remove_instrument(counter)
            assert scope.cancelled_caught
            assert counter.steps == 1

    for seed in range(20):
        run_in_virtual_time(scene, seed=seed)


def test_too_many_waiters_are_refused_at_once_and_the_others_not_disturbed() -> None:
    @in_virtual_time
    async def scene() -> None:
        manager = manager_of(shop(), policy=attrs.evolve(PATIENT, max_waiting=3))
        async with manager:
            callers = [Caller(manager, comes_at=place / 10) for place in range(5)]
            await call_all(callers)
        assert [caller.ready is not None for caller in callers] == [True, True, True, False, False]
        for caller in callers[3:]:
            assert caller.failure is not None
            assert caller.failure.error_code == "TOO_MANY_WAITING"
            assert caller.ended_at == caller.comes_at

    scene()
