"""The states of the services phase: every pair of the table, written out a second time (guarantees.md, 37)."""

from __future__ import annotations

import itertools

import pytest

from chatcore.initialization.lifecycle import TRANSITIONS, Happening, State, mermaid

IDLE, INITIALIZING, READY, RECOVERING, UNAVAILABLE, FAILED, DRAINING = State

EXPECTED = {
    (IDLE, Happening.WANTED): INITIALIZING,
    (INITIALIZING, Happening.SUCCEEDED): READY,
    (INITIALIZING, Happening.FAILED): UNAVAILABLE,
    (INITIALIZING, Happening.MISCONFIGURED): FAILED,
    (INITIALIZING, Happening.ABANDONED): IDLE,
    (READY, Happening.LOST): RECOVERING,
    (RECOVERING, Happening.SUCCEEDED): READY,
    (RECOVERING, Happening.FAILED): RECOVERING,
    (RECOVERING, Happening.GAVE_UP): UNAVAILABLE,
    (RECOVERING, Happening.MISCONFIGURED): FAILED,
    (RECOVERING, Happening.TOO_MANY_RESTARTS): FAILED,
    (UNAVAILABLE, Happening.RETRY): INITIALIZING,
    (FAILED, Happening.RETRY): INITIALIZING,
    **{(state, Happening.DRAIN): DRAINING for state in State},
}


@pytest.mark.parametrize(("state", "happening"), list(itertools.product(State, Happening)))
def test_every_pair_is_as_expected(state: State, happening: Happening) -> None:
    assert TRANSITIONS.get((state, happening)) == EXPECTED.get((state, happening))


def test_the_states_are_those_of_the_contract() -> None:
    """protocol.md, section 2."""
    names = ["idle", "initializing", "ready", "recovering", "unavailable", "failed", "draining"]
    assert [str(state) for state in State] == names


def reachable(start: State) -> set[State]:
    found = {start}
    while more := {after for (before, _), after in TRANSITIONS.items() if before in found} - found:
        found |= more
    return found


def test_every_state_can_be_reached() -> None:
    assert reachable(State.IDLE) == set(State)


def test_ready_can_be_reached_from_every_state_but_the_final_one() -> None:
    assert {state for state in State if State.READY in reachable(state)} == set(State) - {State.DRAINING}


def test_draining_is_final_and_can_be_reached_from_anywhere() -> None:
    assert reachable(State.DRAINING) == {State.DRAINING}
    assert all(TRANSITIONS[state, Happening.DRAIN] is State.DRAINING for state in State)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[State.IDLE, Happening.LOST] = State.READY  # type: ignore[index]


def test_the_diagram_shows_each_step_once() -> None:
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> idle"]
    for (state, happening), after in TRANSITIONS.items():
        assert lines.count(f"    {state} --> {after}: {happening}") == (happening is not Happening.DRAIN)
    assert "    note right of draining: from every state, on drain" in lines
    assert lines[-1] == "    draining --> [*]"
