"""Limits, notices, the wall clock and blocked loops (guarantees.md, 12, 13, 14, 15)."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import attrs
import pytest
import trio
from initialization_scenes import PATIENT, SHOP_SECONDS, Caller, Ear, manager_of, shop

from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.blocking import BLOCKED_SECONDS, BlockingDetector
from chatcore.initialization.lifecycle import State
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import Snapshot
from chatcore.services import Phase, ServiceGraph, StartReporter
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time


async def notices_until(manager: ServiceInitializationManager, until: float) -> list[float]:
    """When each notice came."""
    seen: list[float] = []
    with trio.CancelScope(deadline=until):
        async for snapshot in manager.progress():
            while len(seen) < snapshot.notices:
                seen.append(snapshot.at)
    return seen


@pytest.mark.parametrize("limit", [3.0, 30.0, 90.0])
def test_notices_come_at_a_third_and_two_thirds_and_the_limit_ends_it(limit: float) -> None:
    async def scene() -> None:
        services = shop(database=Script(hang_at=0))
        async with manager_of(services, policy=InitializationPolicy(limit_seconds=limit)) as manager:
            caller = Caller(manager)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(caller.call)
                assert await notices_until(manager, until=limit - 0.01) == [limit / 3, 2 * limit / 3]
            assert caller.ended_at == limit
            assert caller.failure is not None
            assert caller.failure.error_code == "SERVICE_INIT_TIMEOUT"
            assert caller.failure.retryable
            assert caller.failure.unfinished == ("agent", "cache", "database", "model", "search", "session")
            await trio.sleep(0.1)
            assert not services.held

    run_in_virtual_time(scene)


@pytest.mark.parametrize("seconds", [9.0, 12.0, 21.0, 29.0])
def test_crossing_a_notice_cancels_nothing(seconds: float) -> None:
    """As nested timeouts, a start of 1.2 of 3 units was run six times."""

    async def scene() -> None:
        services = ScriptedServices()
        services.add("slow", Script(seconds=seconds))
        async with manager_of(services) as manager:
            await manager.ensure_ready()
            assert trio.current_time() == seconds
        assert services.names("entered") == ["slow"]

    run_in_virtual_time(scene)


@pytest.mark.parametrize(
    ("seconds", "steps", "ends_at"),
    [
        (45.0, 9, 45.0),  # a step each 5 s is progress: ready after 45 s of a limit of 30
        (59.0, 20, 59.0),
        (70.0, 35, 60.0),  # but never beyond twice the limit
        (31.0, 1, 30.0),  # without progress the limit is the limit
    ],
)
def test_real_progress_extends_the_limit_up_to_twice(seconds: float, steps: int, ends_at: float) -> None:
    async def scene() -> None:
        services = ScriptedServices()
        services.add("slow", Script(seconds=seconds, steps=steps))
        async with manager_of(services) as manager:
            caller = Caller(manager)
            await caller.call()
            assert caller.ended_at == pytest.approx(ends_at)
            assert (caller.ready is not None) == (seconds < 60.0 and steps > 1)

    run_in_virtual_time(scene)


@in_virtual_time
async def test_what_has_come_up_extends_the_limit_too() -> None:
    """The third service is up at 36 s: the second was up at 27 s, and a third of the limit after that is 37 s."""
    services = ScriptedServices()
    services.add("one", Script(seconds=18))
    services.add("two", Script(seconds=9), needs=("one",))
    services.add("three", Script(seconds=9), needs=("two",))
    async with manager_of(services) as manager:
        caller = Caller(manager)
        await caller.call()
        assert (caller.ready is not None, caller.ended_at) == (True, 36.0)


@in_virtual_time
async def test_a_service_has_a_limit_of_its_own_for_its_start_alone() -> None:
    services = ScriptedServices()
    services.add("quick", Script(seconds=1.0), timeout_seconds=2.0)
    services.add("slow", Script(seconds=9.0), Script(seconds=1.0), timeout_seconds=3.0, needs=("quick",))
    async with manager_of(services) as manager:
        caller = Caller(manager)
        await caller.call()
        assert caller.ended_at == 1.0 + 3.0
        assert caller.failure is not None
        assert (caller.failure.error_code, caller.failure.service) == ("SERVICE_INIT_TIMEOUT", "slow")
        await Caller(manager).call()
        await trio.sleep(1000)  # the limit is of the start, not of the life
        assert manager.ready is not None
        assert manager.snapshot().generation == 1


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_service_that_comes_up_in_the_step_in_which_its_time_is_over_is_up_or_timed_out(steps: int) -> None:
    """Never both: whatever order Trio takes."""

    async def scene() -> None:
        services = ScriptedServices()
        services.add("slow", Script(seconds=3.0), Script(seconds=1.0), timeout_seconds=3.0)
        async with manager_of(services) as manager:
            caller = Caller(manager)
            await caller.call()
            assert caller.ended_at == 3.0
            assert (caller.ready is None) == (caller.failure is not None)
            if caller.failure is not None:
                assert caller.failure.error_code == "SERVICE_INIT_TIMEOUT"
            await trio.sleep(10)
            assert manager.snapshot().generation == 1

    run_in_virtual_time(scene, seed=steps)


def test_the_wall_clock_may_jump_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage, a death and a recovery, told the same to the fraction of a second under a clock gone mad."""

    async def scene() -> list[tuple[str, str, float]]:
        lives = Script(seconds=2, steps=4, dies_after=20.0)
        services = shop(cache=(Script(fail_at=1), lives, Script()), database=(Script(fail_at=2), Script()))
        async with manager_of(services) as manager:
            manager.request_start()
            await trio.sleep(100)
        return [(moment.service, moment.what, moment.at) for moment in services.log]

    sane = run_in_virtual_time(scene, seed=1)
    dice = random.Random(1)
    for clock in ("time", "time_ns"):
        monkeypatch.setattr(time, clock, lambda: dice.randint(-(10**9), 10**9))
    assert run_in_virtual_time(scene, seed=1) == sane
    assert len({moment[2] for moment in sane}) > 10


# --- blocked loops ----------------------------------------------------------------------------------------------------


@attrs.define
class Stopwatch:
    """In place of the module `time`: seconds pass only where a test says that something blocks."""

    now: float = 1000.0

    def perf_counter(self) -> float:
        return self.now


class Agent:
    pass


def graph_that_blocks(watch: Stopwatch, seconds: float, *, in_a_child: bool = False) -> ServiceGraph:
    graph = ServiceGraph()

    async def block() -> None:
        await trio.sleep(1)
        watch.now += seconds
        await trio.sleep(1)

    @graph.provide(phase=Phase.SERVICES)
    async def agent(reporter: StartReporter) -> AsyncIterator[Agent]:
        if in_a_child:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(block, name="a child of it")
        else:
            await block()
        yield Agent()

    return graph


@pytest.mark.parametrize("in_a_child", [False, True])
def test_a_step_that_blocks_the_loop_is_named(monkeypatch: pytest.MonkeyPatch, in_a_child: bool) -> None:
    watch, ear = Stopwatch(), Ear()
    monkeypatch.setattr("chatcore.initialization.blocking.time", watch)

    async def scene() -> None:
        graph = graph_that_blocks(watch, 3.0, in_a_child=in_a_child)
        async with ServiceInitializationManager(graph, recorder=ear) as manager:
            await manager.ensure_ready()

    run_in_virtual_time(scene)
    task = "a child of it" if in_a_child else "service agent"
    assert ear.fields_of("event_loop_blocked") == [{"service": "agent", "task": task, "seconds": 3.0}]


def test_the_loop_is_watched_while_services_start_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, ear = Stopwatch(), Ear()
    monkeypatch.setattr("chatcore.initialization.blocking.time", watch)

    async def scene() -> None:
        graph = graph_that_blocks(watch, BLOCKED_SECONDS)
        async with ServiceInitializationManager(graph, recorder=ear) as manager:
            await manager.ensure_ready()
            await trio.lowlevel.checkpoint()
            watch.now += 5.0
            await trio.lowlevel.checkpoint()

    run_in_virtual_time(scene)
    assert ear.lines == []


def test_code_that_is_no_service_is_named_by_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, ear = Stopwatch(), Ear()
    monkeypatch.setattr("chatcore.initialization.blocking.time", watch)

    async def scene() -> None:
        async def someone_else() -> None:
            await trio.sleep(1)
            watch.now += 2.0

        async with manager_of(shop(), recorder=ear) as manager, trio.open_nursery() as nursery:
            nursery.start_soon(someone_else, name="someone else")
            await manager.ensure_ready()

    run_in_virtual_time(scene)
    assert ear.fields_of("event_loop_blocked") == [{"service": None, "task": "someone else", "seconds": 2.0}]


def test_a_detector_that_is_installed_within_a_step_does_not_report_that_step(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr("chatcore.initialization.blocking.time", SimpleNamespace(perf_counter=lambda: 1e6))

    async def scene() -> None:
        detector = BlockingDetector(lambda service, task, seconds: told.append(seconds))
        trio.lowlevel.add_instrument(detector)
        await trio.lowlevel.checkpoint()
        trio.lowlevel.remove_instrument(detector)

    run_in_virtual_time(scene)
    assert told == []


# --- what waiters are told --------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_first_snapshot_is_the_truth_of_its_moment() -> None:
    """Guarantee 25: never older than the moment of joining."""
    async with manager_of(shop()) as manager:
        manager.request_start()
        for at in (0.7, 3.9, 5.5, 7.6, 9.0):
            await trio.sleep_until(at)
            async for snapshot in manager.progress():
                assert snapshot.at == at
                assert snapshot.progress == manager.snapshot().progress
                break


@pytest.mark.parametrize("hanging", ["start", "rollback", "backoff"])
def test_whoever_waits_hears_something_within_two_seconds(hanging: str) -> None:
    async def scene() -> None:
        scripts = {
            "start": {"cache": Script(hang_at=1)},
            "rollback": {"cache": Script(fail_at=1), "database": Script(exit_seconds=4.9)},
            "backoff": {"database": Script(fail_at=0)},
        }[hanging]
        heard: list[float] = []
        async with manager_of(shop(**scripts)) as manager:
            manager.request_start()
            with trio.move_on_after(60):
                async for snapshot in manager.progress():
                    heard.append(snapshot.at)
        assert max(after - before for before, after in itertools.pairwise(heard)) <= 1.5

    run_in_virtual_time(scene)


def test_progress_is_conflated_and_never_falls_within_an_attempt_however_slow_the_watcher() -> None:
    async def scene(dice: random.Random) -> None:
        fails = Script(seconds=2, steps=4, fail_at=3)
        services = shop(model=(fails, Script(seconds=2, steps=4, dies_after=5.0), fails, Script(seconds=2, steps=4)))
        last = (0, 0)
        seen = 0
        async with manager_of(services, policy=PATIENT) as manager:
            manager.request_start()
            with trio.move_on_after(60):
                async for snapshot in manager.progress():
                    seen += 1
                    assert snapshot.version == manager.snapshot().version  # the latest, not the next
                    if snapshot.state in (State.INITIALIZING, State.RECOVERING):
                        assert (snapshot.attempt, snapshot.progress) >= last
                        assert snapshot.progress <= 99
                        last = (snapshot.attempt, snapshot.progress)
                    assert (snapshot.progress == 100) == (snapshot.state is State.READY)
                    await trio.sleep(dice.choice([0.0, 0.1, dice.uniform(0, 3)]))
            assert manager.snapshot().generation == 2
            assert seen > 20

    for seed in range(30):
        run_in_virtual_time(lambda seed=seed: scene(random.Random(seed)), seed=seed)  # type: ignore[misc]


@in_virtual_time
async def test_a_watcher_that_is_cancelled_leaves_nothing_behind() -> None:
    async with manager_of(shop()) as manager:
        with trio.move_on_after(1) as scope:
            async for _ in manager.progress():
                pass
        assert scope.cancelled_caught
        manager.request_start()
        await trio.sleep(SHOP_SECONDS + 0.1)
        assert manager.snapshot().state is State.READY


@in_virtual_time
async def test_of_one_moment_one_snapshot_is_taken_however_many_watch() -> None:
    seen: list[dict[int, Snapshot]] = []

    async def watch() -> None:
        mine: dict[int, Snapshot] = {}
        seen.append(mine)
        async for snapshot in manager.progress():
            mine[snapshot.version] = snapshot

    async with manager_of(shop()) as manager, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(watch)
        await manager.ensure_ready()
        nursery.cancel_scope.cancel()
    common = set.intersection(*(set(mine) for mine in seen)) - {min(seen[0])}  # the first is taken for each
    assert len(common) > 10
    assert all(len({id(mine[version]) for mine in seen}) == 1 for version in common)


@in_virtual_time
async def test_what_an_earlier_start_still_reports_is_no_progress_of_this_one() -> None:
    graph = ServiceGraph()
    reporters: list[StartReporter] = []

    @graph.provide(phase=Phase.SERVICES)
    async def agent(reporter: StartReporter) -> AsyncIterator[Agent]:
        reporters.append(reporter)
        if len(reporters) == 1:
            raise OSError
        reporter.advance(0.1)
        reporters[0].advance(0.9, "left behind")
        reporters[0].retrying("left behind")
        await trio.sleep(1)
        yield Agent()

    async with ServiceInitializationManager(graph, policy=PATIENT) as manager:
        manager.request_start()
        await trio.sleep(1.5)
        [status] = manager.snapshot().services
        assert (status.fraction, status.words, status.retries) == (0.1, None, 0)
        await manager.ensure_ready()
