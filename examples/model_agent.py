"""An agent around somebody else's SDK: a shop assistant that speaks through any OpenAI-compatible server.

::

    pip install 'chatcore[llm]'
    OPENAI_BASE_URL=http://127.0.0.1:8080/v1 ASSISTANT_MODEL=my-model chatcore serve model_agent:app

The words of the model are streamed as they come, its tool calls are shown while they last, whoever cancels closes the
connection to the model's server, and a server that is away, breaks off or falls silent ends the run in
``MODEL_UNAVAILABLE``: nobody else answers in its place.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import msgspec
import trio

from chatcore import (
    AgentFailure,
    Answer,
    Application,
    ConfigurationError,
    Phase,
    Run,
    ServiceGraph,
    Tool,
    ToolError,
    ToolRegistry,
    ToolResult,
    UserMessage,
)
from chatcore.errors import ErrorCode

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat.chat_completion_chunk import ChoiceDelta

MOST_TURNS = 5
"""Replies of the model in one run. One that goes on calling tools for longer has lost its way."""

SILENCE_SECONDS = 30.0
"""How long the model's server may say nothing."""

INSTRUCTIONS = (
    "You help in a shop. What is in stock you know only from the tool look_up. Say so where it knows nothing."
)

STOCK_FILE = Path(__file__).with_name("stock.csv")

services = ServiceGraph()


# --- what the agent knows -------------------------------------------------------------------------------------------


class Lookup(msgspec.Struct):
    """What look_up is called with."""

    article: str


@attrs.frozen
class Stock:
    """What is in the shop.

    Args:
        rows: by article.
    """

    rows: Mapping[str, Mapping[str, str]]

    async def look_up(self, asked: Lookup) -> ToolResult:
        """The row of an article, or that there is none."""
        row = self.rows.get(asked.article.lower())
        return ToolResult(row, f"{row['pieces']} pieces" if row else "no such article")


def read_stock() -> Stock:
    """The file; blocks."""
    with STOCK_FILE.open(encoding="utf-8", newline="") as file:
        return Stock({row["article"]: row for row in csv.DictReader(file)})


@services.provide(phase=Phase.DATABASE, label="stock")
async def stock() -> AsyncIterator[Stock]:
    """What is in the shop, read once."""
    yield await trio.to_thread.run_sync(read_stock)


# --- one reply ------------------------------------------------------------------------------------------------------


@attrs.define
class Call:
    """A tool that the model wants used, put together from its pieces."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""


@attrs.define
class Reply:
    """One reply of the model, as far as it has come.

    Args:
        calls: the tools that it wants used, by their place.
        text: what it said.
        finish: why it ended; None while it has not.
        failure: why it will not.
    """

    calls: dict[int, Call] = attrs.field(factory=dict)
    text: str = ""
    finish: str | None = None
    failure: AgentFailure | None = None

    def take(self, event: str) -> str:
        """Add the data of an event; the words in it."""
        from openai.types.chat import ChatCompletionChunk

        try:
            choices = ChatCompletionChunk.construct(**json.loads(event)).choices or []
        except (ValueError, TypeError, AttributeError):  # no JSON, no object, or one that is no chunk
            self.failure = AgentFailure(ErrorCode.MODEL_UNAVAILABLE)
            return ""
        for choice in choices[:1]:
            self.finish = choice.finish_reason or self.finish
            self._take_calls(choice.delta)
            self.text += choice.delta.content or ""
            return choice.delta.content or ""
        return ""

    def _take_calls(self, delta: ChoiceDelta) -> None:
        for piece in delta.tool_calls or ():
            call = self.calls.setdefault(piece.index, Call())
            call.call_id = piece.id or call.call_id
            if piece.function is not None:
                call.name += piece.function.name or ""
                call.arguments += piece.function.arguments or ""

    def as_message(self) -> dict[str, Any]:
        """It, as the next request quotes it."""
        calls = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self.calls.values()
        ]
        return {"role": "assistant", "content": self.text, **({"tool_calls": calls} if calls else {})}


# --- the SDK --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Model:
    """A model behind an SDK.

    Args:
        name: the server's name of it.
        client: of the SDK.
    """

    name: str
    client: AsyncOpenAI

    async def hear(self, request: Mapping[str, Any], reply: Reply, words: trio.MemorySendChannel[str]) -> None:
        """Ask, and take the reply to its end, which closes ``words``."""
        import httpx2
        from openai import APIError, APIStatusError

        with words:
            try:
                await self._listen(request, reply, words)
            except APIStatusError as error:
                passing = error.status_code in {408, 409, 429} or error.status_code >= 500
                reply.failure = AgentFailure(ErrorCode.MODEL_UNAVAILABLE, retryable=passing)
            except (APIError, httpx2.HTTPError, OSError):
                reply.failure = AgentFailure(ErrorCode.MODEL_UNAVAILABLE)

    async def _listen(self, request: Mapping[str, Any], reply: Reply, words: trio.MemorySendChannel[str]) -> None:
        """Read the stream.

        The loop is ended by cancelling it, and its body never waits: so every end meets the SDK while it waits for its
        server, where it closes the connection. Left in another way, its generators would be the garbage collector's.
        """
        create = self.client.chat.completions.with_streaming_response.create
        with trio.CancelScope() as listening:
            async with create(model=self.name, stream=True, **request) as response:
                async for line in response.iter_lines():
                    event = line.removeprefix("data:").strip()
                    if event == "[DONE]" or reply.failure is not None:
                        listening.cancel()
                    elif line.startswith("data:"):
                        words.send_nowait(reply.take(event))


def make_client() -> AsyncOpenAI:
    """Blocks: importing the SDK takes a second. It reads ``OPENAI_BASE_URL`` itself."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key=os.environ.get("OPENAI_API_KEY", "none"), timeout=SILENCE_SECONDS, max_retries=1)


@services.provide(phase=Phase.DEPENDENCIES, label="language model")
async def model() -> AsyncIterator[Model]:
    """The model that the environment names; its server is asked for nothing before there is a question."""
    name = os.environ.get("ASSISTANT_MODEL")
    if not name:
        raise ConfigurationError("ASSISTANT_MODEL", "is not set", "name a model of the server at OPENAI_BASE_URL")
    client = await trio.to_thread.run_sync(make_client)
    try:
        yield Model(name, client)
    finally:
        with trio.move_on_after(1, shield=True):  # its connections are closed also where the server is in a hurry
            await client.close()


# --- the agent ------------------------------------------------------------------------------------------------------


@attrs.frozen
class ModelAgent:
    """Helps in the shop, in the words of a language model."""

    language: Model
    tools: ToolRegistry

    restartable: ClassVar[bool] = True  # a run that is begun again asks the model again, and changes nothing
    engine: ClassVar[str] = "openai"

    @property
    def model(self) -> str:
        """Named in the provenance."""
        return self.language.name

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """Let the model speak and use its tools, until it has answered."""
        messages = [{"role": "system", "content": INSTRUCTIONS}, *await self._history(run)]
        messages.append({"role": "user", "content": message.content})
        said = False
        for _ in range(MOST_TURNS):
            reply = await self._reply(messages, run)
            said = said or bool(reply.text)
            if not reply.calls:
                return _finished(reply, said=said)
            messages.append(reply.as_message())
            messages += [await self._use(call, run) for call in reply.calls.values()]
        raise AgentFailure(ErrorCode.AGENT_FAILED)

    async def _history(self, run: Run) -> list[dict[str, Any]]:
        """The conversation so far; of the runs that failed, the questions alone."""
        roles = {"user": "user", "agent": "assistant"}
        return [
            {"role": roles[message.role], "content": message.content}
            for message in await run.history()
            if message.role == "user" or message.status == "completed"
        ]

    async def _reply(self, messages: Sequence[Mapping[str, Any]], run: Run) -> Reply:
        """What the model says next; its words go out as they come."""
        reply = Reply()
        request = {"messages": messages, "tools": [_function(tool) for tool in self.tools.tools.values()]}
        send, words = trio.open_memory_channel[str](math.inf)
        async with words, trio.open_nursery() as nursery:
            nursery.start_soon(self.language.hear, request, reply, send)
            async for part in words:
                await run.say(part)
        if reply.failure is not None:
            raise reply.failure
        return reply

    async def _use(self, call: Call, run: Run) -> dict[str, Any]:
        """What a tool gives, as the model is told. It may go on without one that failed."""
        return {"role": "tool", "tool_call_id": call.call_id, "content": await self._result(call, run)}

    async def _result(self, call: Call, run: Run) -> str:
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
            return json.dumps((await self.tools.call(run, call.name, **arguments)).value)
        except msgspec.DecodeError:
            return "error: the arguments are no JSON object"
        except ToolError as error:
            return f"error: {error.problem}"


def _function(tool: Tool[Any]) -> dict[str, Any]:
    """A tool, as the API describes one: the schema with its object at the top, where servers look for it."""
    _, schemas = msgspec.json.schema_components([tool.parameters])
    schema = {"name": tool.name, "description": tool.description, "parameters": schemas[tool.parameters.__name__]}
    return {"type": "function", "function": schema}


def _finished(reply: Reply, *, said: bool) -> Answer:
    """The answer is what was said; unless the model said nothing, or was cut off."""
    if not said or reply.finish is None:
        raise AgentFailure(ErrorCode.MODEL_UNAVAILABLE)
    if reply.finish != "stop":
        raise AgentFailure(ErrorCode.AGENT_FAILED, retryable=False)
    return Answer()


@services.provide(phase=Phase.SERVICES, label="shop assistant")
async def assistant(language: Model, stock: Stock) -> AsyncIterator[ModelAgent]:
    """The agent, and the one tool it has."""
    tool = Tool("look_up", "How many pieces of an article the shop has, and where.", Lookup, stock.look_up)
    yield ModelAgent(language, ToolRegistry([tool]))


app = Application(services, agents={"assistant": ModelAgent})
