"""The owner of the attempt is the manager's own; whatever ends it, nobody hangs (guarantees.md, 9, 10, 19)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest
import trio
from initialization_scenes import PATIENT, Caller, Ear, call_all, manager_of, shop

from chatcore.errors import InitializationFailed, ReentrantInitialization, StorageUnavailable
from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.lifecycle import State
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.services import Phase, ServiceGraph
from chatcore.settings import Settings
from chatcore.testing import Script, in_virtual_time, run_in_virtual_time
from chatcore.threads.service import ThreadService

# --- reentrancy -------------------------------------------------------------------------------------------------------

Call = Callable[[], Awaitable[object]]


async def directly(call: Call) -> None:
    await call()


async def from_a_child_task(call: Call) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)


async def from_a_grandchild_task(call: Call) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(from_a_child_task, call)


async def from_a_thread(call: Call) -> None:
    await trio.to_thread.run_sync(lambda: trio.from_thread.run(call))


async def from_a_child_of_a_thread(call: Call) -> None:
    await trio.to_thread.run_sync(lambda: trio.from_thread.run(from_a_grandchild_task, call))


async def while_it_cleans_up(call: Call) -> None:
    try:
        raise OSError
    finally:
        await call()


class Agent:
    pass


@pytest.mark.parametrize(
    "deep",
    [
        directly,
        from_a_child_task,
        from_a_grandchild_task,
        from_a_thread,
        from_a_child_of_a_thread,
        while_it_cleans_up,
    ],
)
def test_a_starting_service_that_waits_for_its_own_start_is_told_so_at_once(
    deep: Callable[[Call], Awaitable[None]],
) -> None:
    async def scene() -> None:
        graph = ServiceGraph()
        told: list[ReentrantInitialization] = []

        @graph.provide(phase=Phase.SERVICES)
        async def agent() -> AsyncIterator[Agent]:
            async def call() -> None:
                try:
                    await manager.ensure_ready()
                except ReentrantInitialization as error:
                    told.append(error)
                    raise

            await deep(call)
            yield Agent()

        limit = InitializationPolicy(limit_seconds=3.0)  # real seconds, as threads take part
        async with ServiceInitializationManager(graph, policy=limit) as manager:
            with pytest.raises(InitializationFailed) as failed:
                await manager.ensure_ready()
            assert (failed.value.service, failed.value.error_code) == ("agent", "SERVICE_INIT_FAILED")
        assert [error.service for error in told] == ["agent"]
        assert "declare what it needs as a parameter" in str(told[0])

    trio.run(scene)


@in_virtual_time
async def test_a_task_of_a_service_that_is_up_may_wait_for_the_others() -> None:
    graph = ServiceGraph()
    generations: list[int] = []

    @graph.provide(phase=Phase.DATABASE)
    async def early() -> AsyncIterator[Agent]:
        async def later() -> None:
            await trio.sleep(1)
            generations.append((await manager.ensure_ready()).generation)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            yield Agent()

    @graph.provide(phase=Phase.SERVICES)
    async def late(early: Agent) -> AsyncIterator[int]:
        await trio.sleep(5)
        yield 1

    async with ServiceInitializationManager(graph) as manager:
        await manager.ensure_ready()
        await trio.sleep(1)
    assert generations == [1]


# --- what kills the owner ---------------------------------------------------------------------------------------------


class Fatal(BaseException):
    """What no `except Exception` stops."""


def fatal() -> Fatal:
    return Fatal()


async def killed(manager: ServiceInitializationManager) -> tuple[list[Caller], BaseException | None]:
    """Callers outside the manager's block, and what came out of the block."""
    callers = [Caller(manager) for _ in range(10)]
    raised: BaseException | None = None
    async with trio.open_nursery() as outside:
        try:
            async with manager:
                for caller in callers:
                    outside.start_soon(caller.call)
                await trio.sleep(1000)
        except BaseExceptionGroup as group:
            raised = group
    return callers, raised


async def keep_started(manager: ServiceInitializationManager) -> None:
    async with manager:
        manager.request_start()
        await trio.sleep(1000)


def assert_released(callers: list[Caller], raised: BaseException | None, at: float) -> None:
    assert raised is not None
    for caller in callers:
        assert caller.failure is not None
        assert caller.ended_at == at


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4])
def test_a_service_that_raises_past_every_handler_releases_the_waiters(step: int) -> None:
    services = shop(model=Script(seconds=2, steps=4, fail_at=step, error=fatal))
    callers, raised = run_in_virtual_time(lambda: killed(manager_of(services)))
    assert_released(callers, raised, at=5.0 + step / 2)
    assert not services.held


def test_a_service_that_dies_past_every_handler_releases_those_who_wait_for_its_restart() -> None:
    async def scene() -> None:
        services = shop(database=(Script(seconds=2, dies_after=10.0), Script(seconds=2, fail_at=0, error=fatal)))
        manager = manager_of(services)
        late = Caller(manager, comes_at=12.5)
        async with trio.open_nursery() as outside:
            outside.start_soon(late.call)
            with pytest.raises(BaseExceptionGroup) as raised:
                await keep_started(manager)
        assert raised.group_contains(Fatal)
        assert late.failure is not None
        assert not services.held

    run_in_virtual_time(scene)


@pytest.mark.parametrize("error", [Fatal, ValueError])
def test_a_listener_that_raises_releases_the_waiters(error: type[BaseException]) -> None:
    def listen(*_: object) -> None:
        raise error

    failing = shop(agent=Script(fail_at=0))
    callers, raised = run_in_virtual_time(lambda: killed(manager_of(failing, attempt_ended=listen)))
    assert_released(callers, raised, at=7.0)
    assert not failing.held


@pytest.mark.parametrize("error", [Fatal, ValueError])
def test_a_listener_that_raises_at_a_success_ends_the_block_and_stops_every_service(error: type[BaseException]) -> None:
    def listen(*_: object) -> None:
        raise error

    services = shop()
    _, raised = run_in_virtual_time(lambda: killed(manager_of(services, attempt_ended=listen)))
    assert raised is not None
    assert not services.held


def test_a_prerequisite_that_raises_past_every_handler_releases_the_waiters() -> None:
    async def first() -> None:
        await trio.sleep(1)
        raise Fatal

    services = shop()
    callers, raised = run_in_virtual_time(lambda: killed(manager_of(services, prerequisite=first)))
    assert_released(callers, raised, at=1.0)
    assert services.log == []


@in_virtual_time
async def test_a_prerequisite_that_fails_fails_the_attempt() -> None:
    times: list[float] = []

    async def first() -> None:
        times.append(trio.current_time())
        if len(times) == 1:
            raise OSError("the database is away")

    async with manager_of(shop(), prerequisite=first) as manager:
        callers = [Caller(manager), Caller(manager, comes_at=0.5)]
        await call_all(callers)
        assert callers[0].failure is not None
        assert isinstance(callers[0].failure.__cause__, OSError)
        assert callers[0].failure.service is None
        assert callers[1].ready is not None
    assert times == [0.0, 1.0]


# --- what the application gives ---------------------------------------------------------------------------------------


class Store(ThreadService):
    """In place of an open database: what is given is handed on as it is."""

    def __init__(self) -> None:
        pass


@in_virtual_time
async def test_what_is_given_is_fetched_at_each_start_and_only_for_those_who_ask() -> None:
    graph = ServiceGraph()
    store, fetched = Store(), list[float]()

    def fetch() -> ThreadService:
        fetched.append(trio.current_time())
        if len(fetched) == 1:
            raise StorageUnavailable
        return store

    @graph.provide(phase=Phase.DATABASE)
    async def number(settings: Settings) -> AsyncIterator[int]:
        assert settings.bind == "127.0.0.1:1"
        yield 1

    @graph.provide(phase=Phase.SERVICES)
    async def agent(threads: ThreadService) -> AsyncIterator[Agent]:
        assert threads is store
        yield Agent()

    settings = Settings(bind="127.0.0.1:1")
    async with ServiceInitializationManager(
        graph, given={ThreadService: fetch}, settings=settings, policy=PATIENT
    ) as manager:
        first = Caller(manager)
        await first.call()
        assert first.failure is not None
        assert first.failure.service == "agent"
        assert isinstance(first.failure.__cause__, StorageUnavailable)
        await manager.ensure_ready()
    assert fetched == [0.0, 1.0]


# --- closing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 0.5, 3.0, 7.5, 8.0, 20.0])
def test_closing_may_be_asked_by_many_and_again_and_all_wait_for_the_first(at: float) -> None:
    async def scene() -> None:
        services = shop(database=Script(seconds=2, steps=4, exit_seconds=3.0))
        done: list[float] = []
        async with manager_of(services) as manager:
            manager.request_start()
            await trio.sleep_until(at)

            async def close(after: float) -> None:
                await trio.sleep(after)
                await manager.aclose()
                done.append(trio.current_time())

            async with trio.open_nursery() as nursery:
                for place in range(10):
                    nursery.start_soon(close, place / 10)
            assert not services.held
            assert manager.snapshot().state is State.DRAINING
            up = "database" in services.names("up")
            assert done[0] == (at + 3.0 if up else at)
            if up:
                assert set(done) == {at + 3.0}
            await manager.aclose()
            with pytest.raises(InitializationFailed) as refused:
                await manager.ensure_ready()
            assert refused.value.error_code == "SERVICES_UNAVAILABLE"

    run_in_virtual_time(scene)


@in_virtual_time
async def test_a_manager_that_was_never_wanted_closes_without_a_trace() -> None:
    services, ear = shop(), Ear()
    async with manager_of(services, recorder=ear) as manager:
        await trio.sleep(100)
        assert manager.snapshot().state is State.IDLE
    assert services.log == []
    assert ear.outcomes == []


@in_virtual_time
async def test_closing_during_a_rollback_does_not_leave_a_service_twice() -> None:
    services = shop(database=Script(seconds=2, exit_seconds=4.0), agent=Script(fail_at=0))
    async with manager_of(services, policy=PATIENT) as manager:
        await Caller(manager).call()
        await trio.sleep(1)
        assert services.held == {"database"}
        await manager.aclose()
        assert trio.current_time() == 7.0 + 4.0
    assert sorted(services.names("left")) == sorted(services.names("entered"))


@in_virtual_time
async def test_who_closes_in_a_hurry_cuts_the_exits() -> None:
    services = shop(database=Script(seconds=2, exit_seconds=4.0))
    async with manager_of(services) as manager:
        await manager.ensure_ready()
        with pytest.raises(ExceptionGroup) as cut:
            await manager.aclose(within_seconds=1.0)
        assert trio.current_time() == 8.0 + 1.0
        assert [type(error).__name__ for error in cut.value.exceptions] == ["ExitTimedOut"]
        assert not services.held


@in_virtual_time
async def test_who_comes_in_a_greater_hurry_later_is_heeded_too() -> None:
    services = shop(database=Script(seconds=2, exit_seconds=4.9))
    async with manager_of(services, policy=attrs.evolve(PATIENT, exit_budget_seconds=5.0)) as manager:
        await manager.ensure_ready()
        cut: list[Exception] = []

        async def close(at: float, within_seconds: float) -> None:
            await trio.sleep_until(at)
            try:
                await manager.aclose(within_seconds=within_seconds)
            except ExceptionGroup as group:
                cut.extend(group.exceptions)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(close, 8.0, 100.0)
            nursery.start_soon(close, 9.0, 0.5)
        assert trio.current_time() == 8.0 + 1.5
        assert [type(error).__name__ for error in cut] == ["ExitTimedOut"]  # told once, to one of them
