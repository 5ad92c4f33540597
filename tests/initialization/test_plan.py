"""The plan of a start: every fault is named before anything happens, and the order is right (guarantees.md, 11)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from types import new_class
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from initialization_scenes import unhurried

from chatcore.errors import ServiceGraphInvalid
from chatcore.initialization.plan import Plan
from chatcore.services import Phase, Service, StartReporter
from chatcore.settings import Settings


async def nothing() -> AsyncIterator[None]:
    yield


KINDS = {name: new_class(name) for name in "abcdefghijkl"}


def service(name: str, *needs: Any, phase: Phase = Phase.SERVICES, provides: Any = None) -> Service:
    """A declaration; ``needs`` are letters or types."""
    kinds = [KINDS[need] if isinstance(need, str) else need for need in needs]
    return Service(
        name=name,
        provides=provides or KINDS[name],
        needs={f"p{place}": kind for place, kind in enumerate(kinds)},
        factory=nothing,
        phase=phase,
        label=name,
        weight=1.0,
        timeout_seconds=None,
        check=None,
        check_every_seconds=5.0,
        scope="instance",
    )


def faults_of(*services: Service) -> list[tuple[str, str, str]]:
    with pytest.raises(ServiceGraphInvalid) as refused:
        Plan.of(services)
    return [(fault.kind, fault.service, fault.detail) for fault in refused.value.faults]


def circle_of(detail: str) -> list[str]:
    return detail.removeprefix("needs itself: ").split(" needs ")


def test_a_missing_dependency_is_named_with_who_asks_and_for_what() -> None:
    assert faults_of(service("a", "b")) == [("missing", "a", "needs b (parameter 'p0'), and no service yields it")]


def test_two_services_of_one_type_are_refused() -> None:
    [fault] = faults_of(service("a"), service("b", provides=KINDS["a"]))
    assert fault == ("duplicate", "b", "yields a, which a yields already; give each service its own type")


def test_two_services_of_one_name_are_refused() -> None:
    [fault] = faults_of(service("a"), service("a", provides=KINDS["b"]))
    assert fault == ("duplicate", "a", "two factories have this name; give each its own")


@pytest.mark.parametrize("kind", [Settings, StartReporter])
def test_what_chatcore_gives_nobody_else_may(kind: type) -> None:
    [fault] = faults_of(service("a", provides=kind))
    assert fault[0] == "duplicate"
    assert "chatcore itself yields already" in fault[2]


def test_settings_and_the_reporter_need_no_service() -> None:
    assert [one.name for one in Plan.of([service("a", Settings, StartReporter)]).services] == ["a"]


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_circle_is_named_all_round(length: int) -> None:
    names = "abcdefgh"[:length]
    before = {name: names[place - 1] for place, name in enumerate(names)}
    [(kind, first, detail)] = faults_of(*(service(name, need) for name, need in before.items()))
    circle = circle_of(detail)
    assert kind == "circular"
    assert circle[0] == circle[-1] == first
    assert sorted(circle[:-1]) == sorted(names)
    assert all(before[name] == need for name, need in itertools.pairwise(circle))


@pytest.mark.parametrize(("phase", "later"), list(itertools.combinations(Phase, 2)))
def test_a_need_in_a_later_phase_is_refused_between_any_two(phase: Phase, later: Phase) -> None:
    [fault] = faults_of(service("a", "b", phase=phase), service("b", phase=later))
    assert fault[:2] == ("later_phase", "a")
    assert fault[2] == f"starts in phase {phase.name} and needs b (parameter 'p0'), which starts later, in {later.name}"


@pytest.mark.parametrize(("need_phase", "phase"), [*itertools.combinations(Phase, 2), *zip(Phase, Phase, strict=True)])
def test_a_need_in_the_same_or_an_earlier_phase_is_fine(need_phase: Phase, phase: Phase) -> None:
    plan = Plan.of([service("a", "b", phase=phase), service("b", phase=need_phase)])
    assert [one.name for one in plan.services] == ["b", "a"]


def test_all_faults_are_named_at_once() -> None:
    faults = faults_of(
        service("a", "l"),  # missing
        service("b"),
        service("c", provides=KINDS["b"]),  # duplicate type
        service("d", "e"),
        service("e", "d"),  # a circle
        service("f", "g"),
        service("g", "f"),  # and another
        service("h", "i", phase=Phase.DATABASE),  # later phase
        service("i", phase=Phase.CACHE),
    )
    assert sorted(kind for kind, _, _ in faults) == ["circular", "circular", "duplicate", "later_phase", "missing"]
    circles = {frozenset(circle_of(detail)) for kind, _, detail in faults if kind == "circular"}
    assert circles == {frozenset("de"), frozenset("fg")}


def test_the_refusal_says_every_fault_in_words() -> None:
    with pytest.raises(ServiceGraphInvalid) as refused:
        Plan.of([service("a", "l"), service("b", "k")])
    assert str(refused.value).splitlines() == [
        "the service graph cannot be started:",
        "  - a: needs l (parameter 'p0'), and no service yields it",
        "  - b: needs k (parameter 'p0'), and no service yields it",
    ]


def test_a_type_without_a_name_is_shown_as_it_is_written() -> None:
    assert faults_of(service("a", int | str))[0][2] == "needs int | str (parameter 'p0'), and no service yields it"


# --- graphs at random -------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> list[Service]:
    """Services as declared, in no order; each may need any one of its own phase or of an earlier one."""
    phases = draw(st.lists(st.sampled_from(Phase), min_size=1, max_size=8))
    made: list[Service] = []
    for name, phase in zip(KINDS, sorted(phases), strict=False):
        needs = draw(st.lists(st.sampled_from([one.name for one in made]), unique=True)) if made else []
        made.append(service(name, *needs, phase=phase))
    return draw(st.permutations(made))


def reaches(services: list[Service]) -> dict[str, set[str]]:
    """What each service needs, directly or not: a second, plain reading."""
    direct = {one.name: {kind.__name__ for kind in one.needs.values()} for one in services}

    def closure(name: str) -> set[str]:
        return direct[name].union(*(closure(need) for need in direct[name]))

    return {name: closure(name) for name in direct}


@unhurried
@given(graphs())
def test_the_order_is_topological_and_never_goes_back_a_phase(services: list[Service]) -> None:
    ordered = Plan.of(services).services
    assert sorted(one.name for one in ordered) == sorted(one.name for one in services)
    place = {one.name: at for at, one in enumerate(ordered)}
    assert all(place[need] < place[name] for name, needs in reaches(services).items() for need in needs)
    assert all(before.phase <= after.phase for before, after in itertools.pairwise(ordered))


@unhurried
@given(graphs())
def test_phases_hold_every_service_once_in_order(services: list[Service]) -> None:
    plan = Plan.of(services)
    phases = list(plan.phases())
    assert [phase for phase, _ in phases] == sorted({one.phase for one in services})
    assert tuple(one for _, members in phases for one in members) == plan.services
    assert plan.names == {one.name for one in services} == set(plan.by_name)


@unhurried
@given(graphs(), st.data())
def test_dependents_are_those_who_reach_one_of_the_lost(services: list[Service], data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.sampled_from([one.name for one in services])))
    expected = lost | {name for name, needs in reaches(services).items() if needs & lost}
    assert Plan.of(services).with_dependents(lost) == expected


@unhurried
@given(graphs())
def test_the_reach_of_a_type_is_all_it_stands_on(services: list[Service]) -> None:
    reach = Plan.of(services).reach()
    for name, needs in reaches(services).items():
        assert {kind.__name__ for kind in reach[KINDS[name]]} == needs | {name}


@unhurried
@given(graphs())
def test_services_that_need_nothing_start_as_declared(services: list[Service]) -> None:
    free = [one for one in services if not one.needs]
    assert Plan.of(free).services == tuple(sorted(free, key=lambda one: one.phase))


@unhurried
@given(graphs(), st.data())
def test_a_circle_anywhere_is_found(services: list[Service], data: st.DataObject) -> None:
    """A service that needs one that stands on it closes a circle, however long."""
    pairs = sorted((name, need) for name, needs in reaches(services).items() for need in needs)
    if pairs:
        name, need = data.draw(st.sampled_from(pairs))
        by_name = {one.name: one for one in services}
        kinds = [kind.__name__ for kind in by_name[need].needs.values()]
        by_name[need] = service(need, *kinds, name, phase=by_name[need].phase)
        assert "circular" in {kind for kind, _, _ in faults_of(*by_name.values())}
