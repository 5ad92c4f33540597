"""The example that calls a remote agent: two real servers, on real sockets, and what happens when one of them goes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from real_servers import served

import remote_agent
from chatcore import Agent, AgentFailure, Answer, Application, Evidence, Phase, Run, ServiceGraph
from chatcore.client import connect
from chatcore.errors import ErrorCode
from chatcore.protocol import messages as m
from chatcore.testing.agent_conformance import AgentConformance
from chatcore.testing.agents import (
    Do,
    Fail,
    Rehearsal,
    Reply,
    Say,
    ScriptedAgent,
    Step,
    Think,
    UseTool,
    Wait,
    graph_of,
    rehearsing,
)
from remote_agent import Remote, RemoteAgent

SECONDS = 60
QUESTION = "How many orders do I have?"
REFUSED = "What will the weather be?"
PROOF = Evidence(
    id="e1",
    tool="count",
    query="SELECT 2",
    parameters={},
    columns=["orders"],
    rows=[[2]],
    row_count=1,
    sha256="…",
    data_version="1",
)
WORK: Sequence[Step] = (
    Think("Counting"),
    UseTool("count", {"what": "orders"}, [Think("One by one")], summary="2 orders", evidence=[PROOF]),
    Say("You have "),
    Say("two orders."),
)
REFUSAL = Answer(
    answered=False,
    text="I know nothing of the weather.",
    reason="not_supported",
    missing=["the weather"],
    covered=None,
    alternatives=[QUESTION],
)


def elsewhere(*steps: Step) -> Application:
    """What the remote server serves."""
    agent = ScriptedAgent(steps or WORK, {REFUSED: [Reply(REFUSAL)]})
    return Application(graph_of(agent), agents={"counter": ScriptedAgent})


def here(url: str) -> Application:
    """The example, of that remote."""
    services = ServiceGraph()

    @services.provide(phase=Phase.DEPENDENCIES)
    async def remote() -> AsyncIterator[Remote]:
        yield Remote(url)

    services.provide(phase=Phase.SERVICES)(remote_agent.remote_agent)
    return Application(services, agents={"remote": RemoteAgent})


async def asked(url: str, question: str = QUESTION) -> list[m.AnyRunEvent]:
    """The events of one run, as a client has them."""
    async with connect(url, "ann") as chat:
        return [event async for event in await chat.send(question)]


@asynccontextmanager
async def asking(*steps: Step) -> AsyncIterator[Rehearsal]:
    """The example in a rehearsal, and the agent that it calls, which does this, on a server."""
    async with served(elsewhere(*steps)) as remote, rehearsing(RemoteAgent(Remote(remote))) as rehearsal:
        yield rehearsal


async def failure_of(*steps: Step) -> m.AgentFailed:
    """How the run here fails, where the agent there does this."""
    with trio.fail_after(SECONDS):
        async with asking(*steps) as rehearsal:
            end = await (await rehearsal.ask(QUESTION)).end()
    assert isinstance(end, m.AgentFailed)
    return end


class TestRemoteAgent(AgentConformance):
    questions = (QUESTION,)
    refused = (REFUSED,)

    @asynccontextmanager
    async def open_agent(self) -> AsyncIterator[Agent]:
        async with served(elsewhere()) as url:
            yield RemoteAgent(Remote(url))


async def test_what_happens_there_is_seen_here() -> None:
    with trio.fail_after(SECONDS):
        async with served(elsewhere()) as remote, served(here(remote)) as url:
            events = await asked(url)
    kinds = [kind for kind, _ in itertools.groupby(type(event) for event in events)]
    assert kinds == [
        m.AgentStarted,
        m.AgentThinking,
        m.ToolExecuting,
        m.AgentThinking,
        m.ToolCompleted,
        m.AgentDelta,
        m.AgentCompleted,
    ]
    done, end = next(event for event in events if isinstance(event, m.ToolCompleted)), events[-1]
    assert (done.tool, done.status, done.summary) == ("count", "ok", "2 orders")
    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "You have two orders."
    assert (end.provenance.agent, end.provenance.engine) == ("remote", "remote")


async def test_evidence_comes_with_the_answer() -> None:
    async with served(elsewhere(*WORK[:2], Reply(Answer(text="You have 2 orders.", evidence=[PROOF])))) as remote:
        with trio.fail_after(SECONDS):
            async with rehearsing(RemoteAgent(Remote(remote))) as rehearsal:
                answer = await (await rehearsal.ask(QUESTION)).answer()
    assert answer == Answer(text="You have 2 orders.", evidence=[PROOF])


async def test_a_remote_that_goes_away_is_not_answered_for_and_one_that_comes_back_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_agent, "AWAY_SECONDS", 0.5)
    with trio.fail_after(SECONDS):
        async with served(elsewhere()) as remote:
            bind = remote.removeprefix("http://")
            async with served(here(remote)) as url:
                assert isinstance((await asked(url))[-1], m.AgentCompleted)
        async with served(here(remote)) as url:
            end = (await asked(url))[-1]
            assert isinstance(end, m.AgentFailed)
            assert (end.error_code, end.retryable) == ("AGENT_FAILED", True)
            async with served(elsewhere(), bind):
                assert isinstance((await asked(url))[-1], m.AgentCompleted)


async def test_a_remote_that_goes_in_mid_answer_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_agent, "AWAY_SECONDS", 0.5)

    async def serve(task_status: trio.TaskStatus[tuple[str, trio.CancelScope]]) -> None:
        with trio.CancelScope() as scope:
            async with served(elsewhere(Say("You have"), Wait())) as remote:
                task_status.started((remote, scope))
                await trio.sleep_forever()

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            remote, there = await nursery.start(serve)
            async with rehearsing(RemoteAgent(Remote(remote))) as rehearsal:
                run = await rehearsal.ask(QUESTION)
                await run.seen(m.AgentDelta)
                there.cancel()
                end = await run.end()
    assert isinstance(end, m.AgentFailed)
    assert (end.error_code, end.retryable) == ("AGENT_FAILED", True)


@pytest.mark.parametrize(
    ("step", "code", "retryable"),
    [
        (Fail(), "AGENT_FAILED", True),
        (Fail(lambda: AgentFailure(ErrorCode.MODEL_UNAVAILABLE, retryable=False)), "MODEL_UNAVAILABLE", False),
        (Say("emergency_mode is on."), "INAUTHENTIC_RESPONSE", False),
    ],
    ids=["crash", "model", "inauthentic"],
)
async def test_a_failure_there_is_the_failure_here(step: Step, code: str, retryable: bool) -> None:
    end = await failure_of(Think("Busy"), step)
    assert (end.error_code, end.retryable) == (code, retryable)


async def test_a_tool_that_fails_there_is_seen_to_fail_here() -> None:
    async def try_it(run: Run) -> None:
        with pytest.raises(KeyError):
            async with run.tool("count"):
                raise KeyError

    with trio.fail_after(SECONDS):
        async with (
            served(elsewhere(Do(try_it), Say("I could not count."))) as remote,
            rehearsing(RemoteAgent(Remote(remote))) as rehearsal,
        ):
            run = await rehearsal.ask(QUESTION)
            assert (await run.answer()).text == "I could not count."
            assert (await run.seen(m.ToolCompleted)).status == "error"


async def test_who_cancels_here_ends_the_run_there() -> None:
    cancelled = trio.Event()

    async def hold(run: Run) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    with trio.fail_after(SECONDS):
        async with (
            served(elsewhere(Think("Busy"), Do(hold))) as remote,
            rehearsing(RemoteAgent(Remote(remote))) as rehearsal,
        ):
            run = await rehearsal.ask(QUESTION)
            await run.seen(m.AgentThinking)
            await rehearsal.cancel(run)
            assert isinstance(await run.end(), m.AgentCancelled)
            await cancelled.wait()


async def test_a_conversation_here_is_one_there() -> None:
    async def look_back(run: Run) -> Answer:
        questions = [message.content for message in await run.history() if message.role == "user"]
        return Answer(text=f"Before: {questions}")

    with trio.fail_after(SECONDS):
        async with asking(Do(look_back)) as rehearsal:
            first = await rehearsal.ask("One?")
            assert (await first.answer()).text == "Before: []"
            second = await rehearsal.ask("Two?", thread_id=first.accepted.thread_id)
            assert (await second.answer()).text == "Before: ['One?']"


async def test_a_run_that_is_begun_again_asks_for_the_same_run() -> None:
    """As after a crash: the same run, of an agent that was just made."""
    asked_there = 0

    async def count(run: Run) -> Answer:
        nonlocal asked_there
        asked_there += 1
        return Answer(text="Two.")

    class SameRun:
        """Answers a message twice, as a run that is begun again does."""

        def __init__(self, agent: RemoteAgent) -> None:
            self.agent = agent

        async def respond(self, message: m.UserMessage, run: Run) -> Answer:
            first = await self.agent.respond(message, run)
            assert await self.agent.respond(message, run) == first
            return first

    with trio.fail_after(SECONDS):
        async with (
            served(elsewhere(Do(count))) as remote,
            rehearsing(SameRun(RemoteAgent(Remote(remote)))) as rehearsal,
        ):
            assert (await (await rehearsal.ask(QUESTION)).answer()).text == "Two."
    assert asked_there == 1


async def test_an_agent_that_is_not_there_is_no_reason_to_try_again() -> None:
    with trio.fail_after(SECONDS):
        async with served(elsewhere()) as remote, rehearsing(RemoteAgent(Remote(remote, "nobody"))) as rehearsal:
            end = await (await rehearsal.ask(QUESTION)).end()
    assert isinstance(end, m.AgentFailed)
    assert (end.error_code, end.retryable) == ("AGENT_FAILED", False)
