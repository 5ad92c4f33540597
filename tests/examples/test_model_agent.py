"""The example around an SDK, against a scripted model server: what it says, and every way that server can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

import model_agent
from chatcore import Agent, InitializationFailed, ServiceInitializationManager
from chatcore.protocol import messages as m
from chatcore.testing.agent_conformance import AgentConformance
from chatcore.testing.agents import Rehearsal, rehearsing
from chatcore.testing.language_models import (
    Break,
    CallTool,
    Finish,
    ModelRequest,
    Pause,
    Raw,
    Refuse,
    ScriptedModelServer,
    Speak,
    Turn,
    serving_model,
)
from model_agent import ModelAgent

SECONDS = 60
QUESTION = "Are there any umbrellas?"
LOOK: Turn = [Speak("Let me look. "), CallTool("look_up", {"article": "umbrella"})]
TELL: Turn = [Speak("There are fourteen on shelf A3.")]


def answer(request: ModelRequest) -> Turn:
    """Look first, then tell: whatever was asked before."""
    return TELL if request.messages[-1]["role"] == "tool" else LOOK


@asynccontextmanager
async def opened(server: ScriptedModelServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelAgent]:
    """The agent, made by the example's own factories."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("ASSISTANT_MODEL", "scripted")
    manager = ServiceInitializationManager(model_agent.services)
    async with manager:
        yield (await manager.ensure_ready()).get(ModelAgent)


@asynccontextmanager
async def rehearsed(
    script: Sequence[Turn], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Rehearsal, ScriptedModelServer]]:
    with trio.fail_after(SECONDS):
        async with (
            serving_model(script) as server,
            opened(server, monkeypatch) as agent,
            rehearsing(agent) as rehearsal,
        ):
            yield rehearsal, server


class TestModelAgent(AgentConformance):
    questions = (QUESTION,)

    @pytest.fixture(autouse=True)
    def _patched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    @asynccontextmanager
    async def open_agent(self) -> AsyncIterator[Agent]:
        async with serving_model(rest=answer) as server, opened(server, self.monkeypatch) as agent:
            yield agent
            await server.until(lambda server: not server.busy)


async def test_words_and_tools_are_seen_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearsed([LOOK, TELL], monkeypatch) as (rehearsal, server):
        run = await rehearsal.ask(QUESTION)
        end = await run.end()
    assert isinstance(end, m.AgentCompleted)
    assert end.answer.text == "Let me look. There are fourteen on shelf A3."
    assert (end.provenance.engine, end.provenance.model) == ("openai", "scripted")
    tool = next(event for event in run.events if isinstance(event, m.ToolExecuting))
    done = next(event for event in run.events if isinstance(event, m.ToolCompleted))
    assert (tool.tool, tool.arguments, done.status, done.summary) == (
        "look_up",
        {"article": "umbrella"},
        "ok",
        "14 pieces",
    )
    assert '"shelf": "A3"' in server.requests[1].messages[-1]["content"]
    assert server.requests[0].body["tools"][0]["function"]["parameters"]["required"] == ["article"]


async def test_the_first_words_are_seen_while_the_model_still_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearsed([[Speak("Let me think."), Pause()]], monkeypatch) as (rehearsal, server):
        run = await rehearsal.ask(QUESTION)
        assert (await run.seen(m.AgentDelta)).text.startswith("Let")
        await rehearsal.cancel(run)
        assert isinstance(await run.end(), m.AgentCancelled)
        await server.until(lambda server: server.abandoned == 1 and not server.busy)


async def test_the_model_is_told_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearsed([LOOK, TELL, [Speak("Kettles are out.")]], monkeypatch) as (rehearsal, server):
        first = await rehearsal.ask(QUESTION)
        await first.answer()
        second = await rehearsal.ask("And kettles?", thread_id=first.accepted.thread_id)
        await second.answer()
    said = [(message["role"], message["content"]) for message in server.requests[-1].messages[1:]]
    assert said == [
        ("user", QUESTION),
        ("assistant", "Let me look. There are fourteen on shelf A3."),
        ("user", "And kettles?"),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"article": "sofa"}, "null"),
        ('{"article": ', "error: the arguments are no JSON object"),
        ({"thing": "sofa"}, "error: an argument is wrong"),
    ],
    ids=["unknown", "cut", "wrong"],
)
async def test_a_call_that_cannot_be_made_is_the_models_to_mend(
    arguments: dict[str, str] | str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script: list[Turn] = [[CallTool("look_up", arguments)], [Speak("I do not know.")]]
    async with rehearsed(script, monkeypatch) as (rehearsal, server):
        assert (await (await rehearsal.ask(QUESTION)).answer()).text == "I do not know."
    assert server.requests[1].messages[-1]["content"].startswith(told)


FAULTS: dict[str, tuple[list[Turn], str, bool]] = {
    "key refused": ([Refuse(401)], "MODEL_UNAVAILABLE", False),
    "overloaded": ([Refuse(503), Refuse(503)], "MODEL_UNAVAILABLE", True),
    "breaks off": ([[Speak("There are"), Break()]], "MODEL_UNAVAILABLE", True),
    "resets": ([[Speak("There are"), Break(reset=True)]], "MODEL_UNAVAILABLE", True),
    "falls silent": ([[Speak("There are"), Pause()]], "MODEL_UNAVAILABLE", True),
    "says nothing": ([[]], "MODEL_UNAVAILABLE", True),
    "nonsense": ([[Raw(b"data: {nonsense\n\n")]], "MODEL_UNAVAILABLE", True),
    "cut": ([[Speak("There are"), Finish("length")]], "AGENT_FAILED", False),
    "never done": ([[CallTool("look_up", {"article": "kettle"})]] * model_agent.MOST_TURNS, "AGENT_FAILED", True),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_model_that_fails_is_never_answered_for(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script, code, retryable = FAULTS[fault]
    monkeypatch.setattr(model_agent, "SILENCE_SECONDS", 0.5)
    async with rehearsed(script, monkeypatch) as (rehearsal, server):
        end = await (await rehearsal.ask(QUESTION)).end()
        await server.until(lambda server: not server.busy)
    assert isinstance(end, m.AgentFailed)
    assert (end.error_code, end.retryable) == (code, retryable)


async def test_a_model_that_is_away_is_never_answered_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_model() as server:
        pass
    with trio.fail_after(SECONDS):
        async with opened(server, monkeypatch) as agent, rehearsing(agent) as rehearsal:
            end = await (await rehearsal.ask(QUESTION)).end()
    assert isinstance(end, m.AgentFailed)
    assert end.error_code == "MODEL_UNAVAILABLE"


async def test_without_a_model_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSISTANT_MODEL", raising=False)
    with trio.fail_after(SECONDS):
        async with ServiceInitializationManager(model_agent.services) as manager:
            with pytest.raises(InitializationFailed) as failed:
                await manager.ensure_ready()
    assert (failed.value.service, failed.value.retryable) == ("model", False)
