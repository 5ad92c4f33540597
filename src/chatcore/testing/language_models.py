"""A server of language models that follows a script, over real HTTP on the loopback: what it says, and how it fails.

::

    script = [[CallTool("answer_question", {"question": "total spend"})], [Speak("You spent **$12.50**.")]]
    async with serving_model(script) as server:
        settings = Settings(llm_base_url=server.url, llm_model="scripted")

Each request takes the next turn of the script. A turn is a list of steps, or a :class:`Refuse`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import attrs
import trio

from chatcore.testing.groups import lone_exceptions
from chatcore.testing.proxy import CHUNK_BYTES, LINGER_NOT

PIECE_CHARACTERS = 7
"""Of a text in one event: tokens are about so long."""


class Broken(Exception):
    """The server drops the connection: part of a script."""


@attrs.frozen
class Stream:
    """The response of one request, for the steps of its turn."""

    _stream: trio.SocketStream

    async def raw(self, data: bytes) -> None:
        """Send bytes of the body."""
        await self._stream.send_all(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, chunk: Mapping[str, Any]) -> None:
        """Send a chunk as an event."""
        await self.raw(b"data: " + json.dumps({"object": "chat.completion.chunk", **chunk}).encode() + b"\n\n")

    async def delta(self, **delta: Any) -> None:
        """Send a part of what the model says."""
        await self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def reset(self) -> None:
        """Reset the connection."""
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)


class Step(Protocol):
    """One thing that a server does while it answers a request."""

    async def perform(self, stream: Stream) -> None:
        """Do it."""


@attrs.frozen
class Speak:
    """Streams a text, in pieces; ``pause_seconds`` between them."""

    text: str
    pause_seconds: float = 0.0

    async def perform(self, stream: Stream) -> None:
        """See :class:`Step`."""
        for begin in range(0, len(self.text), PIECE_CHARACTERS):
            await stream.delta(content=self.text[begin : begin + PIECE_CHARACTERS])
            await trio.sleep(self.pause_seconds)


@attrs.frozen
class CallTool:
    """Calls a tool, its arguments in pieces; as a text they are sent as they stand, valid or not.

    Args:
        name: of the tool.
        arguments: of the call.
        index: of the call in its turn.
        call_id: the model's name of it, made of the index unless given.
    """

    name: str
    arguments: Mapping[str, Any] | str = attrs.field(factory=dict)
    index: int = 0
    call_id: str | None = None

    async def perform(self, stream: Stream) -> None:
        """See :class:`Step`."""
        text = self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)
        first = {"index": self.index, "id": self.call_id or f"call_{self.index}", "type": "function"}
        await stream.delta(tool_calls=[first | {"function": {"name": self.name, "arguments": ""}}])
        for begin in range(0, len(text), PIECE_CHARACTERS):
            piece = {"arguments": text[begin : begin + PIECE_CHARACTERS]}
            await stream.delta(tool_calls=[{"index": self.index, "function": piece}])


@attrs.frozen
class Finish:
    """Says why the reply ends: ``stop`` and ``tool_calls`` need no step of their own, ``length`` does."""

    reason: str

    async def perform(self, stream: Stream) -> None:
        """See :class:`Step`."""
        await stream.event({"choices": [{"index": 0, "delta": {}, "finish_reason": self.reason}]})


@attrs.frozen
class Count:
    """Says how many tokens the request took."""

    prompt_tokens: int
    completion_tokens: int

    async def perform(self, stream: Stream) -> None:
        """See :class:`Step`."""
        await stream.event({"choices": [], "usage": attrs.asdict(self)})


@attrs.frozen
class Raw:
    """Sends bytes as they are, such as half an event or nonsense."""

    data: bytes

    async def perform(self, stream: Stream) -> None:
        """See :class:`Step`."""
        await stream.raw(self.data)


@attrs.frozen
class Pause:
    """Says nothing for a while; for ever unless given."""

    seconds: float = float("inf")

    async def perform(self, stream: Stream) -> None:  # noqa: ARG002  a step is given the stream
        """See :class:`Step`."""
        await trio.sleep(self.seconds)


@attrs.frozen
class Break:
    """Drops the connection: with a reset, or with an end as if there were nothing more to say."""

    reset: bool = False

    async def perform(self, stream: Stream) -> None:
        """See :class:`Step`."""
        if self.reset:
            stream.reset()
        raise Broken


@attrs.frozen
class Refuse:
    """A turn that is an HTTP error.

    Args:
        status: of the response.
        headers: beside those that any response has.
        body: of the response.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: str = '{"error": {"message": "refused"}}'


Turn: TypeAlias = Sequence[Step] | Refuse


@attrs.frozen
class ModelRequest:
    """A request as it came.

    Args:
        headers: by their names in lower case.
        body: the JSON.
    """

    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation so far."""
        messages: Sequence[Mapping[str, Any]] = self.body["messages"]
        return messages


@attrs.define(eq=False)
class ScriptedModelServer:
    """Made by :func:`serving_model`.

    Args:
        url: the base URL for a client.
        requests: those that came, in order.
        busy: requests that are being answered now.
        abandoned: requests whose client went away before the end of the answer.
    """

    url: str
    _script: list[Turn]
    _rest: Callable[[ModelRequest], Turn]
    requests: list[ModelRequest] = attrs.field(factory=list)
    busy: int = 0
    abandoned: int = 0
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def until(self, condition: Callable[[ScriptedModelServer], bool]) -> None:
        """Return when the condition holds, such as that nobody is being answered any more."""
        while not condition(self):
            await self._changed.wait()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one request; a connection has one."""
        async with stream:
            try:
                request = await _read_request(stream)
            except trio.BrokenResourceError:
                return
            if request is None:
                return
            self.requests.append(request)
            turn = self._script.pop(0) if self._script else self._rest(request)
            self._tell(busy=1)
            left = trio.Event()
            try:
                await _answer(stream, turn, left)
            except Broken:
                pass
            except trio.BrokenResourceError:
                left.set()
            finally:
                self._tell(busy=-1, abandoned=int(left.is_set()))

    def _tell(self, *, busy: int = 0, abandoned: int = 0) -> None:
        self.busy += busy
        self.abandoned += abandoned
        self._changed.set()
        self._changed = trio.Event()


async def _answer(stream: trio.SocketStream, turn: Turn, left: trio.Event) -> None:
    """Answer, while the client stays to hear it."""

    async def watch() -> None:
        while await stream.receive_some(CHUNK_BYTES):
            pass
        left.set()
        answering.cancel_scope.cancel()

    with lone_exceptions():
        async with trio.open_nursery() as answering:
            answering.start_soon(watch)
            await _respond(stream, turn)
            answering.cancel_scope.cancel()


async def _respond(stream: trio.SocketStream, turn: Turn) -> None:
    if isinstance(turn, Refuse):
        length = len(turn.body.encode())
        lines = [f"HTTP/1.1 {turn.status} Refused", "Connection: close", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in turn.headers.items()]
        await stream.send_all("\r\n".join([*lines, "Content-Type: application/json", "", turn.body]).encode())
        return
    await stream.send_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    response = Stream(stream)
    for step in (*turn, *_ending(turn)):
        await step.perform(response)
    await stream.send_all(b"0\r\n\r\n")


def _ending(turn: Sequence[Step]) -> list[Step]:
    """What ends a reply, unless the turn says it itself."""
    kinds = {type(step) for step in turn}
    ending: list[Step] = []
    if Finish not in kinds:
        ending.append(Finish("tool_calls" if CallTool in kinds else "stop"))
    return [*ending, Raw(b"data: [DONE]\n\n")]


async def _read_request(stream: trio.SocketStream) -> ModelRequest | None:
    """The request, or None where there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some(CHUNK_BYTES)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        part = await stream.receive_some(CHUNK_BYTES)
        if not part:
            return None
        body += part
    return ModelRequest(headers, json.loads(body))


def _out_of_script(request: ModelRequest) -> Turn:  # noqa: ARG001  a turn is made for a request
    return Refuse(418, body='{"error": {"message": "the script has ended"}}')


@asynccontextmanager
async def serving_model(
    script: Sequence[Turn] = (), rest: Callable[[ModelRequest], Turn] = _out_of_script
) -> AsyncIterator[ScriptedModelServer]:
    """A server on a free port of the loopback, until the block ends.

    Args:
        script: the turns of the first requests.
        rest: the turns of all others; unless given, they are refused.
    """
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    server = ScriptedModelServer(f"http://127.0.0.1:{port}/v1", list(script), rest)
    with lone_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, server.serve, [listener])
            try:
                yield server
            finally:
                nursery.cancel_scope.cancel()
