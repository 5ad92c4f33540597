"""``chatcore.testing.agents``: each step of a script, and what becomes of it in a rehearsal."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from chatcore import Answer, Run
from chatcore.agents.supervisor import RunPolicy
from chatcore.errors import AgentFailure, ErrorCode
from chatcore.protocol import messages as m
from chatcore.testing.agents import (
    Do,
    Fail,
    HoldTool,
    Reply,
    Say,
    ScriptedAgent,
    Step,
    SwallowCancellation,
    Think,
    UseTool,
    Wait,
    rehearsing,
    run_agent,
)

SECONDS = 30
"""Real ones: storage works in threads. Far more than any of these takes."""


async def run(*steps: Step, question: str = "How many?") -> list[m.AnyRunEvent]:
    with trio.fail_after(SECONDS):
        return await run_agent(ScriptedAgent(steps), question)


def kinds(events: list[m.AnyRunEvent]) -> list[type[Any]]:
    return [type(event) for event in events]


# --- steps ----------------------------------------------------------------------------------------------------------


async def test_a_script_becomes_the_events_of_a_run() -> None:
    events = await run(
        Think("Looking"),
        UseTool("find", {"text": "orders"}, [Think("Counting")], summary="2 orders"),
        Say("You have "),
        Say("two orders."),
    )
    assert kinds(events) == [
        m.AgentStarted,
        m.AgentThinking,
        m.ToolExecuting,
        m.AgentThinking,
        m.ToolCompleted,
        m.AgentDelta,
        m.AgentDelta,
        m.AgentCompleted,
    ]
    assert [event.seq for event in events] == list(range(1, 9))
    tool, completed = events[2], events[4]
    assert isinstance(tool, m.ToolExecuting)
    assert isinstance(completed, m.ToolCompleted)
    assert (tool.tool, tool.arguments) == ("find", {"text": "orders"})
    assert (completed.tool_call_id, completed.status, completed.summary) == (tool.tool_call_id, "ok", "2 orders")


async def test_the_answer_is_what_was_said_unless_the_script_replies() -> None:
    said = (await run(Say("Two.")))[-1]
    assert isinstance(said, m.AgentCompleted)
    assert said.answer == Answer(text="Two.")
    assert (said.provenance.agent, said.provenance.engine) == ("agent", "ScriptedAgent")
    replied = (await run(Reply(Answer(text="Three.", insights=["one more"])), Think("never")))[-1]
    assert isinstance(replied, m.AgentCompleted)
    assert replied.answer == Answer(text="Three.", insights=["one more"])


async def test_a_reply_within_a_tool_closes_the_tool_and_ends_the_script() -> None:
    events = await run(UseTool("find", steps=[Reply(Answer(text="Two."))]), Think("never"))
    assert kinds(events) == [m.AgentStarted, m.ToolExecuting, m.ToolCompleted, m.AgentCompleted]


async def test_a_question_can_have_a_script_of_its_own() -> None:
    agent = ScriptedAgent([Say("Two.")], {"And today?": [Say("None.")]})
    async with rehearsing(agent) as rehearsal:
        with trio.fail_after(SECONDS):
            today = await (await rehearsal.ask("And today?")).answer()
            ever = await (await rehearsal.ask("And ever?")).answer()
    assert (today.text, ever.text) == ("None.", "Two.")
    assert [message.content for message in agent.messages] == ["And today?", "And ever?"]


@pytest.mark.parametrize(
    ("step", "error_code"),
    [
        (Fail(), "AGENT_FAILED"),
        (Fail(lambda: AgentFailure(ErrorCode.MODEL_UNAVAILABLE)), "MODEL_UNAVAILABLE"),
        (UseTool("find", steps=[Fail(KeyError)]), "AGENT_FAILED"),
        (Say("emergency_mode is on"), "INAUTHENTIC_RESPONSE"),
    ],
)
async def test_a_failure_ends_the_run_with_its_code(step: Step, error_code: str) -> None:
    events = await run(step)
    assert isinstance(events[-1], m.AgentFailed)
    assert events[-1].error_code == error_code
    assert all(event.status == "error" for event in events if isinstance(event, m.ToolCompleted))


async def test_any_function_of_the_run_can_be_a_step() -> None:
    asked: list[str] = []

    async def look_back(run: Run) -> Answer:
        asked.extend(message.content for message in await run.history())
        return Answer(text=f"You asked {len(asked) or 'nothing'}.")

    async with rehearsing(ScriptedAgent([Do(look_back)])) as rehearsal:
        with trio.fail_after(SECONDS):
            first = await rehearsal.ask("One?")
            assert (await first.answer()).text == "You asked nothing."
            second = await rehearsal.ask("Two?", thread_id=first.accepted.thread_id)
            await second.end()
    assert asked == ["One?", "You asked nothing."]


# --- cancellation ---------------------------------------------------------------------------------------------------


async def test_a_waiting_agent_is_cancelled() -> None:
    async with rehearsing(ScriptedAgent([UseTool("find", steps=[Wait()])])) as rehearsal:
        with trio.fail_after(SECONDS):
            run = await rehearsal.ask("How many?")
            await run.seen(m.ToolExecuting)
            await rehearsal.cancel(run)
            await run.end()
    assert kinds(run.events) == [m.AgentStarted, m.ToolExecuting, m.ToolCompleted, m.AgentCancelled]


async def test_a_wait_ends_by_itself() -> None:
    assert kinds(await run(Wait(0.01), Say("Two."))) == [m.AgentStarted, m.AgentDelta, m.AgentCompleted]


async def test_a_swallowed_cancellation_delays_the_end_and_changes_nothing_of_it() -> None:
    async with rehearsing(ScriptedAgent([Think("Busy"), SwallowCancellation(0.2), Say("Two.")])) as rehearsal:
        with trio.fail_after(SECONDS):
            run = await rehearsal.ask("How many?")
            await run.seen(m.AgentThinking)
            await rehearsal.cancel(run)
            asked_at = trio.current_time()
            assert isinstance(await run.end(), m.AgentCancelled)
            assert trio.current_time() - asked_at >= 0.15


async def test_a_run_that_takes_too_long_is_ended() -> None:
    async with rehearsing(ScriptedAgent([Wait()]), policy=RunPolicy(timeout_seconds=0.05)) as rehearsal:
        with trio.fail_after(SECONDS):
            end = await (await rehearsal.ask("How many?")).end()
    assert isinstance(end, m.AgentFailed)
    assert end.error_code == "RUN_TIMEOUT"


async def test_a_tool_that_is_held_is_closed_for_the_agent() -> None:
    async with AsyncExitStack() as later:
        events = await run(HoldTool("find", later), Say("Two."))
    completed = next(event for event in events if isinstance(event, m.ToolCompleted))
    assert completed.status == "error"
    assert isinstance(events[-1], m.AgentCompleted)


# --- rehearsals -----------------------------------------------------------------------------------------------------


async def test_the_same_message_again_starts_nothing() -> None:
    agent = ScriptedAgent([Say("Two.")])
    async with rehearsing(agent) as rehearsal:
        with trio.fail_after(SECONDS):
            first = await rehearsal.ask("How many?", message_id="m1")
            await first.end()
            again = await rehearsal.ask("How many?", message_id="m1")
    assert again.accepted.duplicate
    assert again.accepted.run_id == first.accepted.run_id
    assert len(agent.messages) == 1


async def test_runs_of_several_threads_are_recorded_apart() -> None:
    agent = ScriptedAgent([Wait(0.01), Say("One."), Wait(0.01), Say(" Two.")])
    async with rehearsing(agent) as rehearsal:
        with trio.fail_after(SECONDS):
            runs = [await rehearsal.ask("How many?", user_id=f"user-{number}") for number in range(5)]
            for recorded in runs:
                assert (await recorded.answer()).text == "One. Two."
    for recorded in runs:
        assert {event.run_id for event in recorded.events} == {recorded.accepted.run_id}


async def test_what_never_comes_fails_instead_of_waiting() -> None:
    async with rehearsing(ScriptedAgent([Fail()])) as rehearsal:
        with trio.fail_after(SECONDS):
            run = await rehearsal.ask("How many?")
            with pytest.raises(AssertionError, match="without AgentThinking"):
                await run.seen(m.AgentThinking)
            with pytest.raises(AssertionError, match="there is no answer"):
                await run.answer()


async def test_what_a_test_raises_within_a_rehearsal_comes_out_as_it_was() -> None:
    async def fail() -> None:
        async with rehearsing(ScriptedAgent([Wait()])) as rehearsal:
            await rehearsal.ask("How many?")
            raise ZeroDivisionError

    with trio.fail_after(SECONDS), pytest.raises(ZeroDivisionError):
        await fail()
