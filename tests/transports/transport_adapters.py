"""Every transport there is, each with the client's end of it, for the suite that all of them pass."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol, TypeAlias

import attrs
import trio
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode

from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.transports.asgi import ACCEPT, accept_websocket
from chatcore.transports.base import Transport
from chatcore.transports.listener import http_served
from chatcore.transports.memory import MemoryClient, memory_pair
from chatcore.transports.stream import open_listeners

MESSAGE_BYTES = 1_000_000
SMALL_BUFFER = 4096

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Client(Protocol):
    """The client's end. It reads when it is asked to, and never else."""

    async def send(self, message: str | bytes) -> None:
        """Send a frame."""

    async def receive(self) -> str | bytes | tuple[int, str]:
        """The next frame; code and reason of a close."""

    async def drop(self) -> None:
        """Be gone without a word."""


Pair: TypeAlias = tuple[Transport, Client]
Connect: TypeAlias = Callable[[bool], AbstractAsyncContextManager[Pair]]
"""Both ends of a connection; given whether the client is to have hardly any room for what it does not read."""


# --- in memory --------------------------------------------------------------------------------------------------------


@attrs.frozen
class InMemory:
    """The client's end in memory."""

    client: MemoryClient

    async def send(self, message: str | bytes) -> None:
        await self.client.send(message)

    async def receive(self) -> str | bytes | tuple[int, str]:
        try:
            return await self.client.receive()
        except trio.EndOfChannel:
            closed = self.client.transport.closed
            assert closed is not None
            return closed.code, closed.reason

    async def drop(self) -> None:
        self.client.drop()


@asynccontextmanager
async def in_memory(stalls: bool) -> AsyncIterator[Pair]:
    transport, client = memory_pair(unread=1 if stalls else math.inf)
    yield transport, InMemory(client)


# --- ASGI, without a network ------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class AsgiClient:
    """The client behind an ASGI server that hands everything over as it comes."""

    unread: float
    to_server: Any = attrs.field(factory=lambda: trio.open_memory_channel[Any](math.inf))
    to_client: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.to_client = trio.open_memory_channel[Any](self.unread)

    async def server_send(self, message: Any) -> None:
        if message["type"] != "websocket.accept":
            with suppress(trio.BrokenResourceError):  # as servers do, it says nothing of it
                await self.to_client[0].send(message)

    async def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        await self.to_server[0].send({"type": "websocket.receive", kind: message})

    async def receive(self) -> str | bytes | tuple[int, str]:
        message = await self.to_client[1].receive()
        if message["type"] == "websocket.close":
            await self.drop()
            return message["code"], message["reason"]
        told: str | bytes = message["text"] if "text" in message else message["bytes"]
        return told

    async def drop(self) -> None:
        await self.to_server[0].send({"type": "websocket.disconnect", "code": 1006})
        self.to_client[1].close()


@asynccontextmanager
async def asgi(stalls: bool) -> AsyncIterator[Pair]:
    client = AsgiClient(1 if stalls else math.inf)
    accepted = accept_websocket(
        client.to_server[1].receive, client.server_send, subprotocol=None, max_message_bytes=MESSAGE_BYTES
    )
    async with accepted as transport:
        yield transport, client


# --- over a socket ----------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Socket:
    """The client's end of a WebSocket, byte by byte."""

    stream: trio.SocketStream
    received: bytearray = attrs.field(factory=bytearray)
    extensions: list[Extension] = attrs.field(factory=list)

    async def greet(self) -> None:
        """Open the WebSocket."""
        offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" if self.extensions else b"\r\n"
        await self.stream.send_all(HANDSHAKE[:-2] + offer)
        while b"\r\n\r\n" not in self.received:
            self.received += await self.stream.receive_some()
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        assert (b"permessage-deflate" in head) is bool(self.extensions), head
        self.received = bytearray(rest)

    async def send(self, message: str | bytes) -> None:
        opcode, data = (Opcode.TEXT, message.encode()) if isinstance(message, str) else (Opcode.BINARY, message)
        await self._send(Frame(opcode, data))

    async def _send(self, frame: Frame) -> None:
        await self.stream.send_all(frame.serialize(mask=True, extensions=self.extensions))

    async def receive(self) -> str | bytes | tuple[int, str]:
        while True:
            opcode, payload = await self._frame()
            if opcode == Opcode.CLOSE:
                close = Close.parse(payload)
                await self._send(Frame(Opcode.CLOSE, payload[:2]))
                return int(close.code), close.reason
            if opcode in (Opcode.TEXT, Opcode.BINARY):
                return payload.decode() if opcode == Opcode.TEXT else payload

    async def _frame(self) -> tuple[int, bytes]:
        while True:
            if len(self.received) >= 2:
                begin, size = 2, self.received[1]
                if size >= 126:
                    begin = 4 if size == 126 else 10
                    size = int.from_bytes(self.received[2:begin])
                if len(self.received) >= begin + size:
                    first, payload = self.received[0], bytes(self.received[begin : begin + size])
                    del self.received[: begin + size]
                    frame = Frame(Opcode(first & 0x0F), payload, rsv1=bool(first & 0x40))
                    for extension in self.extensions:
                        frame = extension.decode(frame)
                    frame.check()
                    return frame.opcode, bytes(frame.data)
            more = await self.stream.receive_some()
            assert more, "the server hung up without a close frame"
            self.received += more

    async def drop(self) -> None:
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self.stream)


@attrs.define(eq=False)
class OneConversation:
    """An ASGI application that lends its transport out, for as long as it is wanted."""

    lent: Any = attrs.field(factory=lambda: trio.open_memory_channel[Transport](1))
    over: trio.Event = attrs.field(factory=trio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        accept = scope.get("extensions", {}).get(ACCEPT)
        if accept is not None:
            await accept(subprotocol=None, max_message_bytes=MESSAGE_BYTES, converse=self.lend)
            return
        async with accept_websocket(receive, send, subprotocol=None, max_message_bytes=MESSAGE_BYTES) as transport:
            await self.lend(transport)

    async def lend(self, transport: Transport) -> None:
        await self.lent[0].send(transport)
        await self.over.wait()


@asynccontextmanager
async def connected(port: int, app: OneConversation, stalls: bool, *extensions: Extension) -> AsyncIterator[Pair]:
    raw = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if stalls:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    await raw.connect(("127.0.0.1", port))
    async with trio.SocketStream(raw) as stream:
        client = Socket(stream, extensions=list(extensions))
        await client.greet()
        yield await app.lent[1].receive(), client
        app.over.set()


PING_SECONDS, PONG_SECONDS = 0.3, 0.3
"""Of the listener."""


@asynccontextmanager
async def listener(stalls: bool, *extensions: Extension) -> AsyncIterator[Pair]:
    """What carries ``/ws`` in ``chatcore serve``."""
    settings = Settings(
        bind="127.0.0.1:0",
        ping_seconds=PING_SECONDS,
        pong_timeout_seconds=PONG_SECONDS,
        compression=bool(extensions),
    )
    app, listeners = OneConversation(), await open_listeners(settings)
    async with (
        http_served(app, listeners, settings, Recorder()),
        connected(listeners[0].port, app, stalls, *extensions) as pair,
    ):
        yield pair


def compressed(stalls: bool) -> AbstractAsyncContextManager[Pair]:
    """The same, with messages compressed on both sides."""
    return listener(stalls, PerMessageDeflate(True, True, 12, 15))


@asynccontextmanager
async def hypercorn(stalls: bool) -> AsyncIterator[Pair]:
    """The ASGI transport under Hypercorn's own protocol server, on a plain socket."""
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.config import Config
    from hypercorn.trio.tcp_server import TCPServer
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import ConnectionState

    config, app = Config(), OneConversation()
    config.errorlog = config.accesslog = None

    async def serve(stream: trio.SocketStream) -> None:
        await TCPServer(ASGIWrapper(app), config, WorkerContext(None), ConnectionState({}), stream)  # type: ignore[arg-type]

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        async with connected(listeners[0].socket.getsockname()[1], app, stalls) as pair:
            yield pair
        nursery.cancel_scope.cancel()


ADAPTERS: dict[str, Connect] = {
    "memory": in_memory,
    "asgi": asgi,
    "hypercorn": hypercorn,
    "listener": listener,
    "compressed": compressed,
}
