"""Models for the tests: one that follows a script in memory, and the real client of a scripted server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import trio

from chatcore.agents.base import Run
from chatcore.agents.llm.budget import Limits
from chatcore.agents.llm.client import LanguageModel, open_language_model
from chatcore.agents.llm.dialogue import Declined, Dialogue
from chatcore.agents.llm.reply import Call, Reply, Usage
from chatcore.agents.tools import Tool, ToolError, ToolRegistry, ToolResult
from chatcore.observability import Recorder
from chatcore.protocol.messages import Answer, Evidence, UserMessage
from chatcore.settings import Settings
from chatcore.testing.language_models import ScriptedModelServer

KEY = "sk-canary-5f1e9c"


@attrs.define
class Log(Recorder):
    """What was logged."""

    lines: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)

    def log(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))


@asynccontextmanager
async def client_of(server: ScriptedModelServer, silence_seconds: float = 5.0) -> AsyncIterator[LanguageModel]:
    settings = Settings(
        llm_base_url=server.url, llm_api_key=KEY, llm_model="scripted-1", llm_timeout_seconds=silence_seconds
    )
    async with open_language_model(settings) as model:
        yield model


@attrs.define
class RememberedModel:
    """Gives one reply after another, the last one for ever; keeps what it was told."""

    replies: Sequence[Reply]
    seconds: float = 0.0
    name: str = "remembered"
    told: list[list[dict[str, Any]]] = attrs.field(factory=list)
    allowed: list[bool] = attrs.field(factory=list)

    async def reply(
        self, messages: Sequence[Mapping[str, Any]], functions: Sequence[Mapping[str, Any]], *, may_call: bool = True
    ) -> Reply:
        await trio.sleep(self.seconds)
        reply = self.replies[min(len(self.told), len(self.replies) - 1)]
        self.told.append([dict(message) for message in messages])
        self.allowed.append(may_call)
        return reply

    @property
    def last_told(self) -> str:
        """The last message that it was told."""
        return str(self.told[-1][-1]["content"])


def calling(name: str, arguments: Any = "", call_id: str = "c1", text: str = "", finish: str = "tool_calls") -> Reply:
    """A reply that calls one tool."""
    written = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return Reply(text, (Call(call_id, name, written),), finish, Usage(10, 2))


def saying(text: str, finish: str = "stop") -> Reply:
    return Reply(text, (), finish, Usage(10, 2))


class Lookup(msgspec.Struct, frozen=True):
    """What ``look_up`` takes."""

    name: str = "spend"


def evidence(*cells: Any, identity: str = "e1") -> Evidence:
    return Evidence(
        id=identity,
        tool="look_up",
        query="SELECT 1",
        parameters={},
        columns=[f"c{i}" for i in range(len(cells))],
        rows=[list(cells)],
        row_count=1,
        sha256="",
        data_version="1",
    )


@attrs.define
class Shelf:
    """A tool that finds one row, and counts how often it was used."""

    cells: tuple[Any, ...] = (12.5,)
    used: int = 0
    failing: bool = False

    async def look_up(self, asked: Lookup) -> ToolResult:
        await trio.lowlevel.checkpoint()
        self.used += 1
        if self.failing:
            raise RuntimeError("postgres://ann:secret@host/db")
        if asked.name == "nothing":
            raise ToolError("look_up", "there is no such thing")
        found = evidence(*self.cells, identity=f"e{self.used}")
        return ToolResult(found, "1 row", (found,))

    @property
    def tools(self) -> ToolRegistry:
        return ToolRegistry([Tool("look_up", "Looks things up", Lookup, self.look_up)])


@attrs.define
class Talker:
    """An agent that is nothing but a dialogue."""

    language_model: Any
    tools: ToolRegistry
    limits: Limits = attrs.field(factory=Limits)
    dialogues: list[Dialogue] = attrs.field(factory=list)
    proves_numbers = True

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        dialogue = Dialogue(self.language_model, self.tools, run, "Be brief.", limits=self.limits)
        self.dialogues.append(dialogue)
        outcome = await dialogue.ask(message.content)
        if isinstance(outcome, Declined):
            await run.say(outcome.decline.explanation)
            return Answer(answered=False, reason=outcome.decline.reason, missing=outcome.decline.missing)
        await run.say(outcome.text)
        return Answer()
