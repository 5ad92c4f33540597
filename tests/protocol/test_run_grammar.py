"""The grammar of a run: every pair of the table, its numbers, its text, its tools, and random walks."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatcore.errors import IllegalRunEvent
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentDelta,
    AgentFailed,
    AgentRestarted,
    AgentStarted,
    AgentThinking,
    Answer,
    AnyRunEvent,
    Provenance,
    ToolCompleted,
    ToolExecuting,
)
from chatcore.protocol.run import ENDS, TRANSITIONS, RunGrammar, RunState, first_seq

PROVENANCE = Provenance(agent="a", engine="planner", model=None, tool_calls=[], generation=1)


class Script:
    """Numbers events as a server does."""

    def __init__(self, **common: Any) -> None:
        self.seq = 0
        self.common = {"timestamp": 0.0, "user_id": "u", "thread_id": "t", "run_id": "r", "epoch": "e"} | common

    def __call__(self, kind: type[Any], **fields: Any) -> Any:
        self.seq += 1
        return kind(**self.common | {"seq": self.seq} | DEFAULTS[kind] | fields)


DEFAULTS: dict[type, dict[str, Any]] = {
    AgentStarted: {"agent": "a", "message_id": "m"},
    AgentThinking: {"text": "hm"},
    AgentDelta: {"text": "", "offset": 0},
    AgentRestarted: {"attempt": 2},
    ToolExecuting: {"tool_call_id": "c", "tool": "find", "arguments": {}},
    ToolCompleted: {"tool_call_id": "c", "tool": "find", "status": "ok", "summary": "", "duration_seconds": 0.1},
    AgentCompleted: {"answer": Answer(), "provenance": PROVENANCE, "duration_seconds": 1.0},
    AgentFailed: {"error_code": "AGENT_FAILED", "message": "m", "retryable": True},
    AgentCancelled: {"reason": "asked"},
}


def grammar_after(*events: AnyRunEvent) -> RunGrammar:
    grammar = RunGrammar()
    for event in events:
        grammar.advance(event)
    return grammar


def refuses(grammar: RunGrammar, event: AnyRunEvent, words: str) -> None:
    before = (grammar.ended, grammar.text, grammar.open_tools)
    with pytest.raises(IllegalRunEvent, match=words):
        grammar.advance(event)
    assert (grammar.ended, grammar.text, grammar.open_tools) == before


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(RunState, DEFAULTS)))
def test_every_pair(state: RunState, kind: type) -> None:
    script = Script()
    grammar = RunGrammar()
    if state is not RunState.PENDING:
        grammar.advance(script(AgentStarted))
    if kind is ToolCompleted and state is RunState.RUNNING:
        grammar.advance(script(ToolExecuting))
    if state is RunState.ENDED:
        grammar.advance(script(AgentCancelled))
    legal = (kind is AgentStarted) if state is RunState.PENDING else (state is RunState.RUNNING)
    legal = legal and not (state is RunState.RUNNING and kind is AgentStarted)
    assert ((state, kind) in TRANSITIONS) == legal
    if legal:
        grammar.advance(script(kind))
        assert grammar.ended == (kind in ENDS)
    else:
        refuses(grammar, script(kind), f"is not allowed while the run is {state}")


def test_the_deltas_spell_the_text() -> None:
    script = Script()
    grammar = grammar_after(
        script(AgentStarted), script(AgentDelta, text="Hé "), script(AgentDelta, text="😀", offset=3)
    )
    assert grammar.text == "Hé 😀"
    refuses(grammar, script(AgentDelta, text="x", offset=5), "agent_delta is not allowed while the run is at offset 4")


def test_a_restart_empties_the_text() -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted), script(AgentDelta, text="half"), script(AgentRestarted))
    assert grammar.text == ""
    grammar.advance(script(AgentDelta, text="whole", offset=0))
    grammar.advance(script(AgentCompleted, answer=Answer(text="whole")))
    assert grammar.ended


def test_the_answer_is_what_was_said() -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted), script(AgentDelta, text="yes"))
    refuses(grammar, script(AgentCompleted, answer=Answer(text="no")), "saying another text")
    refuses(grammar, script(AgentCompleted, answer=Answer()), "at seq 2")  # the refused event used up a number


def test_an_answer_that_was_not_streamed_is_free() -> None:
    script = Script()
    assert grammar_after(script(AgentStarted), script(AgentCompleted, answer=Answer(text="at once"))).ended


@pytest.mark.parametrize("end", ENDS)
def test_no_end_with_an_open_tool(end: type) -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted), script(ToolExecuting), script(ToolExecuting, tool_call_id="d"))
    assert grammar.open_tools == ("c", "d")
    refuses(grammar, msgspec.structs.replace(script(end)), "using find, find")
    script.seq -= 1
    grammar.advance(script(ToolCompleted))
    grammar.advance(script(ToolCompleted, tool_call_id="d", status="error"))
    grammar.advance(script(end))
    assert grammar.ended
    assert not grammar.open_tools


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ToolCompleted, {"tool_call_id": "other"}),
        (ToolCompleted, {"tool": "other"}),
        (ToolExecuting, {}),
    ],
)
def test_tool_calls_are_matched(kind: type, fields: dict[str, Any]) -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted), script(ToolExecuting))
    refuses(grammar, script(kind, **fields), "not using|past tool call")


def test_a_tool_call_id_is_used_once() -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted), script(ToolExecuting), script(ToolCompleted))
    refuses(grammar, script(ToolExecuting), "past tool call c")


@pytest.mark.parametrize("other", [{"thread_id": "t2"}, {"run_id": "r2"}, {"epoch": "e2"}])
def test_events_of_another_run_are_refused(other: dict[str, str]) -> None:
    script = Script()
    refuses(grammar_after(script(AgentStarted)), script(AgentThinking, **other), "that of run r in epoch e")


def test_a_run_may_begin_anywhere_in_its_thread() -> None:
    script = Script()
    script.seq = 41
    assert grammar_after(script(AgentStarted), script(AgentCancelled)).ended


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_numbers_leave_nothing_out_and_repeat_nothing(seq: int) -> None:
    script = Script()
    refuses(grammar_after(script(AgentStarted)), script(AgentThinking, seq=seq), "at seq 1")


def test_merged_deltas_stand_for_a_range() -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted))
    refuses(grammar, script(AgentDelta, text="x", seq=9, first_seq=3), "at seq 1")
    refuses(grammar, script(AgentDelta, text="x", seq=1, first_seq=2), "at seq 1")
    merged = script(AgentDelta, text="abc", seq=9, first_seq=2)
    assert first_seq(merged) == 2
    grammar.advance(merged)
    grammar.advance(script(AgentCompleted, answer=Answer(text="abc"), seq=10))
    assert grammar.ended


@given(st.lists(st.text(max_size=5), max_size=8), st.data())
def test_any_merging_of_deltas_spells_the_same(parts: list[str], data: st.DataObject) -> None:
    script = Script()
    grammar = grammar_after(script(AgentStarted))
    seq, offset = 1, 0
    while parts:
        count = data.draw(st.integers(1, len(parts)))
        said = "".join(parts[:count])
        grammar.advance(script(AgentDelta, text=said, offset=offset, first_seq=seq + 1, seq=seq + count))
        seq, offset, parts = seq + count, offset + len(said), parts[count:]
    grammar.advance(script(AgentCompleted, answer=Answer(text=grammar.text), seq=seq + 1))
    assert len(grammar.text) == offset


class Walk(RuleBasedStateMachine):
    """Random events; what is accepted must be a run by a second reading of the contract."""

    @initialize()
    def begin(self) -> None:
        self.grammar = RunGrammar()
        self.accepted: list[AnyRunEvent] = []
        self.script = Script()

    def offer(self, event: AnyRunEvent) -> bool:
        try:
            self.grammar.advance(event)
        except IllegalRunEvent:
            self.script.seq -= 1
            return False
        self.accepted.append(event)
        return True

    @rule(kind=st.sampled_from([AgentStarted, AgentThinking, AgentRestarted, *ENDS]))
    def any_event(self, kind: type) -> None:
        self.offer(self.script(kind))

    @rule(call=st.sampled_from("cd"), kind=st.sampled_from([ToolExecuting, ToolCompleted]))
    def tool(self, call: str, kind: type) -> None:
        self.offer(self.script(kind, tool_call_id=call))

    @rule(said=st.text("ab", max_size=2), offset=st.integers(0, 4))
    def delta(self, said: str, offset: int) -> None:
        self.offer(self.script(AgentDelta, text=said, offset=offset))

    @precondition(lambda self: self.accepted and not self.grammar.ended)
    @rule()
    def what_fits_is_accepted(self) -> None:
        assert self.offer(self.script(AgentDelta, text="z", offset=len(self.grammar.text)))
        for call in self.grammar.open_tools:
            assert self.offer(self.script(ToolCompleted, tool_call_id=call))
        assert self.grammar.open_tools == ()

    @precondition(lambda self: self.accepted and not self.grammar.ended and not self.grammar.open_tools)
    @rule()
    def complete(self) -> None:
        assert self.offer(self.script(AgentCompleted, answer=Answer(text=self.grammar.text)))

    @invariant()
    def what_was_accepted_is_a_run(self) -> None:
        events = self.accepted
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [isinstance(event, AgentStarted) for event in events] == [True, *[False] * (len(events) - 1)][
            : len(events)
        ]
        assert not any(isinstance(event, ENDS) for event in events[:-1])
        opened = [event.tool_call_id for event in events if isinstance(event, ToolExecuting)]
        closed = [event.tool_call_id for event in events if isinstance(event, ToolCompleted)]
        assert len(set(opened)) == len(opened)
        assert len(set(closed)) == len(closed)
        assert set(self.grammar.open_tools) == set(opened) - set(closed)
        if self.grammar.ended:
            assert not self.grammar.open_tools

    @invariant()
    def the_text_is_what_was_said_since_the_restart(self) -> None:
        said = ""
        for event in self.accepted:
            if isinstance(event, AgentRestarted):
                said = ""
            elif isinstance(event, AgentDelta):
                assert event.offset == len(said)
                said += event.text
        assert self.grammar.text == said


TestWalk = Walk.TestCase
