"""The life of a connection: every pair of the table, and random walks against a second reading of the contract."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatcore.errors import CATALOGUE, ErrorCode, IllegalFrame
from chatcore.protocol.connection import TRANSITIONS, Conversation, State, What, kind_of, mermaid
from chatcore.protocol.messages import (
    AgentStarted,
    AnyServerFrame,
    Draining,
    Error,
    InitializationProgress,
    Initializing,
    Limits,
    MessageAccepted,
    Pong,
    Ready,
    Recovering,
    Resumed,
    ThreadSnapshot,
)

LIMITS = Limits(max_message_bytes=1, max_frames_per_second=1, max_messages_per_minute=1, max_pending_messages=1)


def error(code: str) -> Error:
    return Error(
        timestamp=0,
        user_id="u",
        error_code=code,
        message="m",
        retryable=True,
        retry_after_seconds=None,
        message_id=None,
    )


def progress(percent: int, attempt: int = 1) -> InitializationProgress:
    return InitializationProgress(
        timestamp=0,
        user_id="u",
        message="m",
        progress=percent,
        phase=None,
        service=None,
        label=None,
        status="started",
        attempt=attempt,
        elapsed_seconds=0,
        eta_seconds=None,
    )


def initializing(percent: int = 0) -> Initializing:
    return Initializing(timestamp=0, user_id="u", message="m", progress=percent, connection_id="c", instance_id="i")


RECOVERING = Recovering(timestamp=0, user_id="u", message="m", service="s", label="l")
READY = Ready(
    timestamp=0, user_id="u", message="m", connection_id="c", instance_id="i", generation=1, agents=[], limits=LIMITS
)
FRAMES: dict[What, AnyServerFrame] = {
    What.INITIALIZING: initializing(),
    What.PROGRESS: progress(0),
    What.READY: READY,
    What.RECOVERING: RECOVERING,
    What.DRAINING: Draining(timestamp=0, user_id="u", message="m", reconnect_after_seconds=1),
    What.CLOSING_ERROR: error("SERVICE_INIT_FAILED"),
    What.PASSING_ERROR: error("INVALID_MESSAGE"),
    What.ACCEPTED: MessageAccepted(
        timestamp=0, user_id="u", message_id="m", thread_id="t", run_id="r", state="running", duplicate=False
    ),
    What.REPLAY: Resumed(timestamp=0, user_id="u", thread_id="t", epoch="e", from_seq=1, to_seq=1, complete=True),
    What.RUN_EVENT: AgentStarted(
        timestamp=0, user_id="u", thread_id="t", run_id="r", seq=1, epoch="e", agent="a", message_id=None
    ),
    What.PONG: Pong(timestamp=0, user_id="u", nonce=None),
}

ALIVE = {State.OPEN, State.WAITING, State.READY, State.RECOVERING}
TALKING = ALIVE - {State.OPEN}
STAYS = "stays"


def contract(state: State, what: What) -> State | None:
    """The contract a second time, by what is said: from which states, and where to."""
    sources, target = {
        What.INITIALIZING: ({State.OPEN}, State.WAITING),
        What.PROGRESS: ({State.WAITING, State.RECOVERING}, STAYS),
        What.READY: (ALIVE - {State.READY}, State.READY),
        What.RECOVERING: ({State.READY, State.RECOVERING}, State.RECOVERING),
        What.DRAINING: (ALIVE, State.DRAINING),
        What.CLOSING_ERROR: (ALIVE, State.REFUSED),
        What.PASSING_ERROR: (TALKING, STAYS),
        What.ACCEPTED: (TALKING, STAYS),
        What.REPLAY: ({State.READY, State.RECOVERING}, STAYS),
        What.RUN_EVENT: ({State.READY, State.RECOVERING}, STAYS),
        What.PONG: (TALKING, STAYS),
        What.CLOSE: (set(State) - {State.CLOSED}, State.CLOSED),
    }[what]
    if state not in sources:
        return None
    return state if target == STAYS else State(target)


def conversation_in(state: State) -> Conversation:
    """A conversation that was led to ``state`` by frames."""
    path = {
        State.OPEN: [],
        State.WAITING: [What.INITIALIZING],
        State.READY: [What.READY],
        State.RECOVERING: [What.READY, What.RECOVERING],
        State.DRAINING: [What.DRAINING],
        State.REFUSED: [What.CLOSING_ERROR],
        State.CLOSED: [What.CLOSE],
    }[state]
    conversation = Conversation()
    for what in path:
        conversation = say(conversation, what)
    assert conversation.state is state
    return conversation


def say(conversation: Conversation, what: What) -> Conversation:
    return conversation.close() if what is What.CLOSE else conversation.advance(FRAMES[what])


@pytest.mark.parametrize(("state", "what"), list(itertools.product(State, What)))
def test_every_pair(state: State, what: What) -> None:
    expected = contract(state, what)
    assert TRANSITIONS.get((state, what)) is expected
    conversation = conversation_in(state)
    if expected is None:
        with pytest.raises(IllegalFrame, match=f"{re.escape(what)} is not allowed in state {state}"):
            say(conversation, what)
        assert conversation.state is state
    else:
        assert say(conversation, what).state is expected


def test_the_sample_of_each_kind_is_of_that_kind() -> None:
    assert {what: kind_of(frame) for what, frame in FRAMES.items()} == {what: what for what in FRAMES}
    snapshot = ThreadSnapshot(timestamp=0, user_id="u", thread_id="t", epoch="e", seq=1, messages=[])
    assert kind_of(snapshot) is What.REPLAY


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_closes_where_the_catalogue_says_so(code: ErrorCode) -> None:
    assert (kind_of(error(code)) is What.CLOSING_ERROR) == (CATALOGUE[code].close is not None)


def test_an_error_code_of_a_newer_server_passes() -> None:
    assert kind_of(error("SOMETHING_NEW")) is What.PASSING_ERROR


# --- progress -------------------------------------------------------------------------------------------------------


def test_progress_never_falls_within_an_attempt() -> None:
    conversation = Conversation()
    conversation = conversation.advance(initializing(40))
    with pytest.raises(IllegalFrame, match="30 % of attempt 2 is not allowed in state waiting at 40 % of attempt 2"):
        conversation.advance(progress(30, attempt=2))
    conversation = conversation.advance(progress(40, attempt=2))
    conversation = conversation.advance(progress(60, attempt=2))
    with pytest.raises(IllegalFrame):
        conversation.advance(progress(59, attempt=2))
    conversation = conversation.advance(progress(60, attempt=2))


def test_a_new_attempt_begins_anew_and_an_old_one_never_returns() -> None:
    conversation = Conversation()
    conversation = conversation.advance(initializing())
    conversation = conversation.advance(progress(60, attempt=1))
    conversation = conversation.advance(progress(0, attempt=2))
    with pytest.raises(IllegalFrame):
        conversation.advance(progress(70, attempt=1))


def test_recovering_begins_anew() -> None:
    conversation = Conversation()
    conversation = conversation.advance(initializing())
    conversation = conversation.advance(progress(60, attempt=3))
    conversation = conversation.advance(READY)
    conversation = conversation.advance(RECOVERING)
    conversation = conversation.advance(progress(10, attempt=1))


class Walk(RuleBasedStateMachine):
    """Random walks; the contract is kept a second time, in plain words."""

    @initialize()
    def accept(self) -> None:
        self.conversation = Conversation()
        self.said: list[What] = []
        self.floor = (0, 0)

    @rule(what=st.sampled_from(list(What)), percent=st.integers(0, 99), attempt=st.integers(1, 3))
    def speak(self, what: What, percent: int, attempt: int) -> None:
        before = self.conversation.state
        allowed = contract(before, what) is not None
        try:
            if what is What.PROGRESS:
                fell = attempt < self.floor[0] or (self.floor[0] in (0, attempt) and percent < self.floor[1])
                allowed = allowed and not fell
                self.conversation = self.conversation.advance(progress(percent, attempt))
            elif what is What.INITIALIZING:
                self.conversation = self.conversation.advance(initializing(percent))
            else:
                self.conversation = say(self.conversation, what)
        except IllegalFrame:
            assert not allowed
            assert self.conversation.state is before
            return
        assert allowed
        self.said.append(what)
        if what is What.PROGRESS:
            self.floor = (attempt, percent)
        elif what in (What.INITIALIZING, What.RECOVERING):
            self.floor = (0, percent if what is What.INITIALIZING else 0)

    @precondition(lambda self: self.said)
    @invariant()
    def nothing_of_a_run_before_ready(self) -> None:
        if What.RUN_EVENT in self.said or What.REPLAY in self.said:
            first = min(self.said.index(w) for w in (What.RUN_EVENT, What.REPLAY) if w in self.said)
            assert What.READY in self.said[:first]

    @invariant()
    def one_ready_a_phase(self) -> None:
        assert self.said.count(What.READY) <= 1 + self.said.count(What.RECOVERING)
        assert self.said.count(What.INITIALIZING) <= 1

    @invariant()
    def the_last_word_is_last(self) -> None:
        for final in (What.DRAINING, What.CLOSING_ERROR):
            if final in self.said:
                assert self.said[self.said.index(final) + 1 :] in ([], [What.CLOSE])


TestWalk = Walk.TestCase


# --- the diagram ----------------------------------------------------------------------------------------------------


def test_the_diagram_has_every_step_once() -> None:
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> open"]
    steps = []
    for line in lines[2:-1]:
        found = re.fullmatch(r" {4}(\w+) --> (\w+): (.+)", line)
        assert found, line
        steps += [(found[1], what, found[2]) for what in found[3].split(", ")]
    assert sorted(steps) == sorted((before, what, after) for (before, what), after in TRANSITIONS.items())
    arrows = [line.split(":")[0] for line in lines]
    assert len(arrows) == len(set(arrows))
