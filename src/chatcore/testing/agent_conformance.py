"""What every agent keeps to, as checks that any agent can be held against.

::

    class TestOrderAgent(AgentConformance):
        questions = ("How many orders do I have?",)
        refused = ("What will the weather be?",)

        @asynccontextmanager
        async def open_agent(self):
            async with open_orders() as orders:
                yield OrderAgent(orders)

Under pytest with pytest-trio that is all. Elsewhere, await the methods whose names begin with ``test_``, or
:meth:`AgentConformance.run_all`. A check that does not hold raises ``AssertionError`` with words. The agent runs in
rehearsals (:mod:`chatcore.testing.agents`), so in real time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, cast

import attrs
import msgspec
import trio
import trio.testing

from chatcore.agents.base import Agent, Run, ToolCall
from chatcore.agents.live_run import LiveRun
from chatcore.agents.numbers import untraceable_numbers
from chatcore.context import UserExecutionContext
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    Answer,
    AnyRunEvent,
    Evidence,
    ThreadMessage,
    UserMessage,
)
from chatcore.protocol.run import RunGrammar
from chatcore.testing.agents import RecordingRun, Rehearsal, rehearsing
from chatcore.testing.groups import lone_exceptions


class AgentConformance:
    """The suite. Subclass it and say what it is held against.

    Attributes:
        questions: that the agent answers; at least one.
        refused: questions that it says it cannot answer; empty where it never says so.
        answer_seconds: how long an answer may take.
        prompt_seconds: how long a run may go on after it was cancelled.
    """

    questions: Sequence[str] = ()
    refused: Sequence[str] = ()
    answer_seconds: float = 30.0
    prompt_seconds: float = 2.0

    def open_agent(self) -> AbstractAsyncContextManager[Agent]:
        """A new agent, and what it needs, for as long as the block lasts."""
        raise NotImplementedError

    async def run_all(self) -> None:
        """Every check."""
        for name in dir(self):
            if name.startswith("test_"):
                await getattr(self, name)()

    # --- the checks -------------------------------------------------------------------------------------------------

    async def test_answers_with_legal_events(self) -> None:
        """Each question is answered, by events that the grammar of a run allows, and storage has the same text."""
        assert self.questions, "name at least one question that the agent answers"
        async with self._rehearsal() as (_, rehearsal):
            for question in self.questions:
                run, answer = await self._answered(rehearsal, question)
                assert answer.answered, f"{question!r} was not answered: {answer.reason}"
                _check_grammar(run.events)
                await _check_kept(rehearsal, run, answer)

    async def test_closes_its_tools(self) -> None:
        """The agent itself lets go of each tool before it answers."""
        async with self._rehearsal() as (observed, rehearsal):
            for question in (*self.questions, *self.refused):
                await self._answered(rehearsal, question)
                assert not observed.left_open, f"{question!r}: tools were left open: {observed.left_open}"

    async def test_refuses_honestly(self) -> None:
        """A refusal says why, what is missing and what would work; and what it says would work does."""
        async with self._rehearsal() as (_, rehearsal):
            for question in self.refused:
                _, answer = await self._answered(rehearsal, question)
                assert not answer.answered, f"{question!r} was answered: {answer.text}"
                _check_refusal(question, answer)
                for alternative in cast("list[str]", answer.alternatives):
                    _, other = await self._answered(rehearsal, alternative)
                    assert other.answered, f"{question!r}: the alternative {alternative!r} does not work"

    async def test_proves_its_numbers(self) -> None:
        """Where the agent declares it, each number that a client sees traces to the evidence that the client gets."""
        async with self._rehearsal() as (observed, rehearsal):
            if not type(observed).proves_numbers:
                return
            for question in (*self.questions, *self.refused):
                run, answer = await self._answered(rehearsal, question)
                _check_numbers(question, answer)
                for item in answer.evidence:
                    _check_evidence(item, run)

    async def test_is_cancelled_at_every_step(self) -> None:
        """Cancelled at any step of its own, the agent ends at once, closes its tools and leaves no task behind."""
        async with self._rehearsal() as (observed, rehearsal):
            for question in self.questions:
                await self._answered(rehearsal, question)
                for step in range(1, observed.steps + 1):
                    await self._cancelled_at(observed, rehearsal, question, step)
                await self._answered(rehearsal, question)

    async def test_is_cancelled_after_every_event(self) -> None:
        """Cancelled while it goes on after any event, the agent ends at once; afterwards it answers as before."""
        async with self._rehearsal() as (observed, rehearsal):
            for question in self.questions:
                whole, _ = await self._answered(rehearsal, question)
                tasks = _tasks()
                for events in range(1, len(whole.events)):
                    run = await rehearsal.ask(question)
                    await run.count(events)
                    await self._cancel(rehearsal, run, f"{question!r} after {events} events")
                    await self._check_clean(observed, run, tasks)
                await self._answered(rehearsal, question)

    # --- how they are made ------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _rehearsal(self) -> AsyncIterator[tuple[ObservedAgent, Rehearsal]]:
        with lone_exceptions():
            async with self.open_agent() as agent:
                observed = observe(agent)
                async with rehearsing(observed) as rehearsal:
                    yield observed, rehearsal

    async def _answered(self, rehearsal: Rehearsal, question: str) -> tuple[RecordingRun, Answer]:
        run = await rehearsal.ask(question)
        with trio.move_on_after(self.answer_seconds):
            await run.end()
        assert run.ended, f"{question!r} was not answered within {self.answer_seconds:g} s"
        assert isinstance(run.events[-1], AgentCompleted), f"{question!r} ended in {run.events[-1]}{_why(rehearsal)}"
        return run, run.events[-1].answer

    async def _cancelled_at(self, observed: ObservedAgent, rehearsal: Rehearsal, question: str, step: int) -> None:
        tasks = _tasks()
        with observed.stopping_at(step) as stopped:
            run = await rehearsal.ask(question)
            with trio.move_on_after(self.answer_seconds):
                await _first_of(stopped.wait, run.end)
            if run.ended:  # this time it took fewer steps, which is its right
                assert isinstance(run.events[-1], AgentCompleted), f"{question!r} now ends in {run.events[-1]}"
                return
            assert stopped.is_set(), f"{question!r} came to no step {step} within {self.answer_seconds:g} s"
            await self._cancel(rehearsal, run, f"{question!r} at step {step}")
        assert isinstance(run.events[-1], AgentCancelled), f"{question!r} at step {step} ended in {run.events[-1]}"
        await self._check_clean(observed, run, tasks)

    async def _cancel(self, rehearsal: Rehearsal, run: RecordingRun, where: str) -> None:
        await rehearsal.cancel(run)
        with trio.move_on_after(self.prompt_seconds):
            await run.end()
        assert run.ended, f"{where}: the run went on for {self.prompt_seconds:g} s after it was cancelled"
        assert isinstance(run.events[-1], AgentCancelled | AgentCompleted), f"{where}: it ended in {run.events[-1]}"
        _check_grammar(run.events)

    async def _check_clean(self, observed: ObservedAgent, run: RecordingRun, tasks: set[trio.lowlevel.Task]) -> None:
        assert not observed.left_open, f"cancelled after {run.events[-2]}, tools were left open: {observed.left_open}"
        with trio.move_on_after(self.prompt_seconds):
            while _tasks() - tasks:
                await trio.testing.wait_all_tasks_blocked(0.005)
        left = _tasks() - tasks
        assert not left, f"cancelled after {run.events[-2]}, tasks were left: {sorted(task.name for task in left)}"


async def _first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    async def wait_for(wait: Callable[[], Awaitable[object]], scope: trio.CancelScope) -> None:
        await wait()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(wait_for, wait, nursery.cancel_scope)


def _tasks() -> set[trio.lowlevel.Task]:
    """The tasks below this one: the rehearsal's, and those of an agent that was opened here."""
    found: set[trio.lowlevel.Task] = set()
    waiting = [trio.lowlevel.current_task()]
    while waiting:
        children = [task for nursery in waiting.pop().child_nurseries for task in nursery.child_tasks]
        found.update(children)
        waiting += children
    return found


# --- what is looked at ----------------------------------------------------------------------------------------------


def _why(rehearsal: Rehearsal) -> str:
    """What the operator was told last, which names what the client is not told: such as a number without proof."""
    return f"; the log says {rehearsal.operator.lines[-1]}" if rehearsal.operator.lines else ""


def _check_grammar(events: Sequence[AnyRunEvent]) -> None:
    grammar = RunGrammar()
    for event in events:
        grammar.advance(event)
    assert grammar.ended, f"the run has no end after {events[-1]}"


async def _check_kept(rehearsal: Rehearsal, run: RecordingRun, answer: Answer) -> None:
    accepted = run.accepted
    page = await rehearsal.threads.messages(accepted.user_id, accepted.thread_id)
    assert page.items[-1].content == answer.text, f"another text was kept: {page.items[-1].content!r}"


def _check_refusal(question: str, answer: Answer) -> None:
    for name in ("reason", "missing", "covered", "alternatives"):
        assert getattr(answer, name) is not msgspec.UNSET, f"{question!r} was refused without {name!r}"
    assert answer.alternatives, f"{question!r} was refused without an alternative"
    assert answer.text.strip(), f"{question!r} was refused without words"


def _check_numbers(question: str, answer: Answer) -> None:
    words = [answer.text, *answer.insights, *answer.action_items]
    for proposal in answer.recommendations:
        quantities = f"{proposal.baseline!r} {proposal.projected!r} {proposal.saving!r}"
        words += [proposal.text, proposal.unit, *proposal.assumptions, quantities]
    for text in words:
        unproven = untraceable_numbers(text, question=question, evidence=answer.evidence)
        assert not unproven, f"{question!r}: {', '.join(unproven)} in {text!r} traces to nothing"


def _check_evidence(item: Evidence, run: RecordingRun) -> None:
    tools = {event.tool for event in run.events if hasattr(event, "tool")}
    assert item.tool in tools, f"evidence {item.id} is of {item.tool}, which was not used in the run"
    assert all(len(row) == len(item.columns) for row in item.rows), f"evidence {item.id} has ragged rows"
    assert item.row_count >= len(item.rows), f"evidence {item.id} counts fewer rows than it has"
    if item.row_count == len(item.rows):  # else some are not here, and the digest is of all of them
        rows = json.dumps(item.rows, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(rows.encode()).hexdigest()
        assert item.sha256 == digest, f"evidence {item.id} does not have the digest of its rows"


# --- the observer ---------------------------------------------------------------------------------------------------


@attrs.define(eq=False, slots=False)
class ObservedAgent:
    """An agent, what it did with its last run, and a way to stop it at any step. Made by :func:`observe`.

    A step is a call of the run's ``thinking`` or ``say``, and the beginning and the end of each tool.

    Args:
        agent: that is observed.
        engine: what the provenance says of it.
        model: what the provenance says of it.
        steps: how many it took.
        left_open: the tool calls that it did not close.
    """

    proves_numbers = False

    agent: Agent
    engine: str
    model: str | None
    steps: int = 0
    left_open: tuple[str, ...] = ()
    _stop_at: int = 0
    _stopped: trio.Event = attrs.field(factory=trio.Event)

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """See :class:`~chatcore.Agent`."""
        self.steps, self.left_open = 0, ()
        try:
            return await self.agent.respond(message, _ObservedRun(run, self))
        finally:
            self.left_open = cast("LiveRun", run).grammar.open_tools

    @contextmanager
    def stopping_at(self, step: int) -> Iterator[trio.Event]:
        """Have the agent stop at this step, counted from 1, within the block; the event says that it has."""
        self._stop_at, self._stopped = step, trio.Event()
        try:
            yield self._stopped
        finally:
            self._stop_at = 0

    async def step(self) -> None:
        """The agent has taken a step; at the one to stop at this does not return."""
        self.steps += 1
        if self.steps == self._stop_at:
            self._stopped.set()
            await trio.sleep_forever()


def observe(agent: Agent) -> ObservedAgent:
    """An agent as it is, under observation."""
    proves = {"proves_numbers": getattr(type(agent), "proves_numbers", False)}
    kind = type("ObservedAgent", (ObservedAgent,), proves)
    made: ObservedAgent = kind(agent, getattr(agent, "engine", type(agent).__name__), getattr(agent, "model", None))
    return made


@attrs.define(eq=False)
class _ObservedRun:
    """What an observed agent is given: its run, with a step after each call."""

    _run: Run
    _observed: ObservedAgent

    @property
    def context(self) -> UserExecutionContext:
        return self._run.context

    async def thinking(self, text: str) -> None:
        await self._run.thinking(text)
        await self._observed.step()

    async def say(self, text: str) -> None:
        await self._run.say(text)
        await self._observed.step()

    @asynccontextmanager
    async def tool(self, name: str, /, **arguments: Any) -> AsyncIterator[ToolCall]:
        async with self._run.tool(name, **arguments) as call:
            await self._observed.step()
            yield call
        await self._observed.step()

    async def history(self) -> Sequence[ThreadMessage]:
        return await self._run.history()
