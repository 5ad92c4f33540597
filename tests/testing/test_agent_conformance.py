"""The conformance suite for agents: a good agent keeps to it, and for each check there is an agent that does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from chatcore import Agent, Answer, Evidence, Run, UserMessage
from chatcore.testing.agent_conformance import AgentConformance
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
)

QUESTION = "How many orders do I have?"
REFUSED = "What will the weather be?"
SECONDS = 60
"""Real ones, as rehearsals need."""

REFUSAL = Answer(
    answered=False,
    text="There is nothing about the weather here.",
    reason="not_supported",
    missing=["weather"],
    covered=None,
    alternatives=[QUESTION],
)


def evidence(*rows: list[Any], **changed: Any) -> Evidence:
    text = json.dumps(list(rows), ensure_ascii=False, separators=(",", ":"))
    fields: dict[str, Any] = {
        "id": "e1",
        "tool": "count",
        "query": "SELECT count(*) AS orders FROM orders",
        "parameters": {},
        "columns": ["orders"],
        "rows": list(rows),
        "row_count": len(rows),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "data_version": "1",
    }
    return Evidence(**fields | changed)


FOUND = evidence([42])
COUNT = UseTool("count", summary="42 orders", evidence=[FOUND])


class ProvingAgent(ScriptedAgent):
    proves_numbers = True


class Suite(AgentConformance):
    """Of a scripted agent that answers one question and refuses another, unless ``planted`` says otherwise."""

    questions = (QUESTION,)
    refused = (REFUSED,)
    prompt_seconds = 5.0

    def __init__(self, kind: type[ScriptedAgent], answers: Sequence[Step], refuses: Sequence[Step]) -> None:
        self.make: Callable[[], Agent] = lambda: kind(answers, {REFUSED: refuses})

    @asynccontextmanager
    async def open_agent(self) -> AsyncIterator[Agent]:
        yield self.make()


class TestScriptedAgent(AgentConformance):
    """As an app author writes it."""

    questions = (QUESTION,)
    refused = (REFUSED,)
    prompt_seconds = 5.0

    @asynccontextmanager
    async def open_agent(self) -> AsyncIterator[Agent]:
        answers: list[Step] = [Think("Counting"), COUNT, Say("You have "), Say("42 orders.")]
        yield ScriptedAgent(answers, {REFUSED: [Reply(REFUSAL)]})


class TestProvingAgent(AgentConformance):
    """One that proves its numbers, and works in between."""

    questions = (QUESTION,)
    refused = (REFUSED,)
    prompt_seconds = 5.0

    @asynccontextmanager
    async def open_agent(self) -> AsyncIterator[Agent]:
        answer = Answer(text="You have 42 orders.", evidence=[FOUND])
        answers: list[Step] = [Think("Counting"), COUNT, Wait(0.02), Say(answer.text), Wait(0.02), Reply(answer)]
        yield ProvingAgent(answers, {REFUSED: [Reply(REFUSAL)]})


async def test_the_whole_suite_can_be_run_at_once() -> None:
    with trio.fail_after(SECONDS):
        await Suite(ScriptedAgent, [COUNT, Say("Two orders.")], [Reply(REFUSAL)]).run_all()


def refusal(**changed: Any) -> list[Step]:
    fields = {name: getattr(REFUSAL, name) for name in REFUSAL.__struct_fields__}
    return [Reply(Answer(**fields | changed))]


ANSWER = Answer(text="You have 42 orders.", evidence=[FOUND])
PROVEN: list[Step] = [COUNT, Reply(ANSWER)]
SAID: list[Step] = [COUNT, Say("Two orders.")]


def finds(item: Evidence) -> list[Step]:
    return [UseTool("count", evidence=[item]), Reply(Answer(text="You have 42 orders."))]


def invents(item: Evidence) -> list[Step]:
    return [COUNT, Reply(Answer(text="You have 42 orders.", evidence=[item]))]


@pytest.mark.parametrize(
    ("check", "kind", "answers", "refuses", "words"),
    [
        ("answers_with_legal_events", ScriptedAgent, [Fail()], refusal(), "AGENT_FAILED"),
        ("answers_with_legal_events", ScriptedAgent, refusal(), refusal(), "was not answered"),
        ("answers_with_legal_events", ScriptedAgent, [Say("One"), Reply(ANSWER)], refusal(), "AGENT_FAILED"),
        ("refuses_honestly", ScriptedAgent, SAID, SAID, "was answered"),
        ("refuses_honestly", ScriptedAgent, SAID, [Fail()], "AGENT_FAILED"),
        ("refuses_honestly", ScriptedAgent, SAID, [Reply(Answer(answered=False, text="No."))], "without 'reason'"),
        ("refuses_honestly", ScriptedAgent, SAID, refusal(alternatives=[]), "without an alternative"),
        ("refuses_honestly", ScriptedAgent, SAID, refusal(text=" "), "without words"),
        ("refuses_honestly", ScriptedAgent, SAID, refusal(alternatives=[REFUSED]), "does not work"),
        ("proves_its_numbers", ProvingAgent, [COUNT, Say("About 50 orders.")], refusal(), "'numbers': '50'"),
        ("proves_its_numbers", ProvingAgent, invents(evidence([42], id="e2")), refusal(), "INAUTHENTIC"),
        ("proves_its_numbers", ProvingAgent, finds(evidence([42], tool="guess")), refusal(), "was not used"),
        ("proves_its_numbers", ProvingAgent, finds(evidence([42, 1])), refusal(), "ragged"),
        ("proves_its_numbers", ProvingAgent, finds(evidence([42], row_count=0)), refusal(), "counts fewer"),
        ("proves_its_numbers", ProvingAgent, finds(evidence([42], sha256="0")), refusal(), "digest"),
    ],
)
async def test_a_fault_is_found(
    check: str, kind: type[ScriptedAgent], answers: list[Step], refuses: list[Step], words: str
) -> None:
    with trio.fail_after(SECONDS), pytest.raises(AssertionError, match=words):
        await getattr(Suite(kind, answers, refuses), f"test_{check}")()


async def test_a_suite_without_a_question_checks_nothing_and_says_so() -> None:
    with pytest.raises(AssertionError, match="at least one question"):
        await AgentConformance().test_answers_with_legal_events()


async def test_numbers_are_left_alone_where_nothing_was_declared() -> None:
    await Suite(ScriptedAgent, [Say("About 50 orders.")], refusal()).test_proves_its_numbers()


# --- cancellation and tools -----------------------------------------------------------------------------------------


async def test_a_tool_that_the_agent_forgets_is_found() -> None:
    async with AsyncExitStack() as later:
        with trio.fail_after(SECONDS), pytest.raises(AssertionError, match="tools were left open"):
            await Suite(ScriptedAgent, [HoldTool("count", later), Say("Two.")], refusal()).test_closes_its_tools()


@pytest.mark.parametrize("check", ["is_cancelled_at_every_step", "is_cancelled_after_every_event"])
@pytest.mark.parametrize("seconds", [0.0, 3.0])
async def test_an_agent_that_swallows_a_cancellation_is_found(check: str, seconds: float) -> None:
    """Whether it stays too long, or answers all the same."""

    async def swallow(run: Run) -> None:
        try:
            await run.thinking("Busy")
            await trio.sleep(0.3)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)
            raise RuntimeError from None

    suite = Suite(ScriptedAgent, [Do(swallow), Say("Two.")], refusal())
    suite.prompt_seconds = 1.0
    with trio.fail_after(SECONDS), pytest.raises(AssertionError, match=r"after it was cancelled|AGENT_FAILED"):
        await getattr(suite, f"test_{check}")()


@attrs.define(eq=False)
class LeakyAgent:
    """Leaves a task in a nursery of its own when it is cancelled."""

    nursery: trio.Nursery

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        try:
            await run.thinking("Busy")
            await trio.sleep(0.3)
        except trio.Cancelled:
            self.nursery.start_soon(trio.sleep_forever, name="forgotten")
            raise
        return Answer(text="Two.")


@pytest.mark.parametrize("check", ["is_cancelled_at_every_step", "is_cancelled_after_every_event"])
async def test_a_task_that_a_cancelled_agent_leaves_is_found(check: str) -> None:
    class LeakySuite(AgentConformance):
        questions = (QUESTION,)
        prompt_seconds = 1.0

        @asynccontextmanager
        async def open_agent(self) -> AsyncIterator[Agent]:
            async with trio.open_nursery() as nursery:
                yield LeakyAgent(nursery)
                nursery.cancel_scope.cancel()

    with trio.fail_after(SECONDS), pytest.raises(AssertionError, match=r"tasks were left: .*forgotten"):
        await getattr(LeakySuite(), f"test_{check}")()


async def test_an_agent_that_is_worn_out_by_cancellations_is_found() -> None:
    """Its only connection is taken by the first cancelled run, and not given back."""
    free = trio.Semaphore(1)

    async def use_connection(run: Run) -> None:
        with trio.fail_after(0.2):
            await free.acquire()
        await run.thinking("Connected")
        await trio.sleep(0.05)
        free.release()

    suite = Suite(ScriptedAgent, [Do(use_connection), Say("Two.")], refusal())
    with trio.fail_after(SECONDS), pytest.raises(AssertionError, match="AGENT_FAILED"):
        await suite.test_is_cancelled_at_every_step()


async def test_an_agent_that_never_answers_is_found() -> None:
    suite = Suite(ScriptedAgent, [SwallowCancellation(), Say("Two.")], refusal())
    suite.answer_seconds = 0.1
    with trio.fail_after(SECONDS), pytest.raises(AssertionError, match=r"not answered within 0\.1 s"):
        await suite.test_answers_with_legal_events()
