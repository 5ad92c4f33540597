"""Declarations: what a factory must say of itself; who may make and use a generation (guarantees.md, 11, 20, 44)."""

from __future__ import annotations

import functools
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
import trio

from chatcore.errors import ServiceGraphInvalid
from chatcore.services import Phase, ReadyServices, ServiceGraph, StartReporter, Users, seal_services, withdraw_services
from chatcore.settings import Settings
from chatcore.testing import in_virtual_time


class Orders:
    pass


class Agent:
    pass


async def orders() -> AsyncIterator[Orders]:
    yield Orders()


async def says_nothing():  # type: ignore[no-untyped-def]
    yield Orders()


async def says_no_type() -> AsyncIterator:  # type: ignore[type-arg]
    yield Orders()


async def says_no_type_of_typing() -> typing.AsyncIterator:  # type: ignore[type-arg]
    yield Orders()


async def says_another_thing() -> list[Orders]:  # type: ignore[misc]
    yield Orders()


async def returns() -> Orders:
    return Orders()


def plain() -> AsyncIterator[Orders]:
    return orders()


async def takes_anything(orders) -> AsyncIterator[Agent]:  # type: ignore[no-untyped-def]
    yield Agent()


async def takes_what_is_not_there(orders: Missing) -> AsyncIterator[Agent]:  # type: ignore[name-defined]  # noqa: F821
    yield Agent()


async def takes_what_its_module_has_not(orders: typing.Missing) -> AsyncIterator[Agent]:  # type: ignore[name-defined]
    yield Agent()


async def takes_many(*orders: Orders) -> AsyncIterator[Agent]:
    yield Agent()


async def takes_more(**orders: Orders) -> AsyncIterator[Agent]:
    yield Agent()


async def takes_by_place(orders: Orders, /) -> AsyncIterator[Agent]:
    yield Agent()


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (says_nothing, "must say what it yields: `-> AsyncIterator[TheType]`"),
        (says_no_type, "must say what it yields: `-> AsyncIterator[TheType]`"),
        (says_no_type_of_typing, "must say what it yields: `-> AsyncIterator[TheType]`"),
        (says_another_thing, "must say what it yields: `-> AsyncIterator[TheType]`"),
        (returns, "must be an `async def` that yields its service once"),
        (plain, "must be an `async def` that yields its service once"),
        (takes_anything, "must annotate its parameter 'orders' with the type it needs"),
        (takes_what_is_not_there, "has an annotation that cannot be read: name 'Missing' is not defined"),
        (takes_what_its_module_has_not, "has an annotation that cannot be read: "),
        (takes_many, "must take its parameter 'orders' by name"),
        (takes_more, "must take its parameter 'orders' by name"),
        (takes_by_place, "must take its parameter 'orders' by name"),
    ],
)
def test_a_factory_that_does_not_say_what_it_is_is_refused_by_name(factory: Any, words: str) -> None:
    graph = ServiceGraph()
    with pytest.raises(ServiceGraphInvalid) as refused:
        graph.provide(phase=Phase.SERVICES)(factory)
    [fault] = refused.value.faults
    assert (fault.kind, fault.service) == ("signature", factory.__name__)
    assert fault.detail.startswith(words)
    assert graph.services == ()


def test_a_factory_without_a_name_is_refused_too() -> None:
    with pytest.raises(ServiceGraphInvalid):
        ServiceGraph().provide(phase=Phase.SERVICES)(functools.partial(orders))


@pytest.mark.parametrize("name", ["weight", "timeout_seconds", "check_every_seconds"])
@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
def test_a_number_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    numbers: dict[str, Any] = {name: value}
    with pytest.raises(ServiceGraphInvalid, match=f"orders: {name} is .*; it must be above 0"):
        ServiceGraph().provide(phase=Phase.SERVICES, **numbers)(orders)


def test_a_label_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ServiceGraphInvalid, match="orders: label is text that cannot be sent"):
        ServiceGraph().provide(phase=Phase.SERVICES, label="orders \ud83d")(orders)


def test_a_declaration_keeps_what_was_said() -> None:
    graph = ServiceGraph()

    @graph.provide(phase=Phase.CACHE, weight=2.0, scope="cluster")
    async def order_cache(orders: Orders, settings: Settings, told: StartReporter) -> AsyncGenerator[Agent, None]:
        yield Agent()

    [service] = graph.services
    assert service.name == "order_cache"
    assert service.label == "order cache"
    assert service.provides is Agent
    assert service.needs == {"orders": Orders, "settings": Settings, "told": StartReporter}
    assert (service.weight, service.scope, service.timeout_seconds) == (2.0, "cluster", None)
    assert service.factory is order_cache


def test_the_seven_phases_in_their_order() -> None:
    labels = [phase.label for phase in sorted(Phase)]
    assert labels == ["dependencies", "database", "cache", "services", "websocket", "validation", "finalize"]


# --- generations ------------------------------------------------------------------------------------------------------


REACH: dict[type, frozenset[type]] = {Orders: frozenset({Orders}), Agent: frozenset({Agent, Orders})}


def generation(number: int = 1, users: Users | None = None) -> ReadyServices:
    return seal_services(number, {Orders: Orders(), Agent: Agent()}, users or Users(REACH))


@pytest.mark.parametrize("seal", [None, object(), "seal"])
def test_nobody_else_can_make_a_generation(seal: object) -> None:
    with pytest.raises(TypeError, match="made by ServiceInitializationManager"):
        ReadyServices(seal, 1, {}, Users({}))


@in_virtual_time
async def test_what_the_graph_does_not_yield_cannot_be_got() -> None:
    ready = generation()
    assert isinstance(ready.get(Agent), Agent)
    with pytest.raises(LookupError, match="no service of the graph yields Settings"):
        ready.get(Settings)


@in_virtual_time
async def test_a_user_holds_what_it_uses_and_all_that_needs() -> None:
    users = Users(REACH)
    with generation(users=users).in_use(Agent) as scope:
        assert users.of([Orders]) == users.of([Agent]) == (scope,)
    assert users.of([Orders]) == ()
    with generation(users=users).in_use(Orders) as scope:
        assert users.of([Agent]) == ()
        assert users.of([Orders]) == (scope,)


@in_virtual_time
async def test_none_left_waits_for_the_last_user_of_these_services_only() -> None:
    users = Users(REACH)
    ready = generation(users=users)

    async def use(kind: type, seconds: float) -> None:
        with ready.in_use(kind):
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, Orders, 5.0)
        nursery.start_soon(use, Agent, 2.0)
        nursery.start_soon(use, Agent, 3.0)
        await trio.testing.wait_all_tasks_blocked()
        await users.none_left([Agent])
        assert trio.current_time() == 3.0
        await users.none_left([Orders])
        assert trio.current_time() == 5.0


@in_virtual_time
async def test_a_run_that_begins_on_a_generation_that_is_over_is_cancelled_from_the_beginning() -> None:
    ready = generation()
    withdraw_services(ready)
    with ready.in_use(Agent) as scope:
        await trio.sleep(1)
    assert scope.cancelled_caught
    assert trio.current_time() == 0.0


@pytest.mark.parametrize("leave", [lambda: None, lambda: 1 / 0])
def test_a_user_that_fails_is_a_user_no_more(leave: Callable[[], object]) -> None:
    @in_virtual_time
    async def scene() -> None:
        users = Users(REACH)
        try:
            with generation(users=users).in_use(Agent):
                leave()
        except ZeroDivisionError:
            pass
        assert users.of([Agent, Orders]) == ()

    scene()
