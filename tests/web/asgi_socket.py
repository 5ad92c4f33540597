"""A site that wants tokens, and WebSockets that call it as an ASGI server does."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import attrs
import msgspec
import trio
from asgi_client import Reply

from chatcore.web.site import Site


@attrs.define
class Socket:
    """One handshake, and what came of it."""

    reply: Reply = attrs.field(factory=Reply)
    """The HTTP answer of one that was refused."""
    subprotocol: str | None = None
    close: tuple[int, str] | None = None
    answered: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)
    frames: list[dict[str, Any]] = attrs.field(factory=list)
    _to_server: Any = attrs.field(factory=lambda: trio.open_memory_channel[Any](math.inf))
    _heard: trio.Event = attrs.field(factory=trio.Event)

    async def receive(self) -> Any:
        return await self._to_server[1].receive()

    async def send(self, message: Any) -> None:
        match message["type"]:
            case "websocket.accept":
                self.subprotocol = message["subprotocol"]
                self.reply.status = 101
                self.answered.set()
            case "websocket.send":
                self.frames.append(msgspec.json.decode(message["text"]))
                self._heard.set()
                self._heard = trio.Event()
            case "websocket.close":
                self.close = (message["code"], message["reason"])
                self.tell({"type": "websocket.disconnect"})
            case "websocket.http.response.start":
                self.reply.status = message["status"]
                self.reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            case "websocket.http.response.body":
                self.reply.body = message["body"]
                self.answered.set()

    def tell(self, message: Any) -> None:
        self._to_server[0].send_nowait(message)

    def say(self, **frame: Any) -> None:
        self.tell({"type": "websocket.receive", "text": msgspec.json.encode(frame).decode(), "bytes": None})

    async def next(self, kind: str) -> dict[str, Any]:
        """The first frame of this kind."""
        while True:
            found = next((f for f in self.frames if kind in (f["type"], f.get("event"))), None)
            if found is not None:
                return found
            assert not self.over.is_set(), (self.reply, self.frames)
            await self._heard.wait()

    @property
    def status(self) -> int:
        """101, or the status of the refusal."""
        return self.reply.status


@asynccontextmanager
async def opened(
    site: Site, path: str = "/ws", *, token: str | None = None, offered: tuple[str, ...] = (), **query: str
) -> AsyncIterator[Socket]:
    """A handshake that is answered; leaving the block hangs up."""
    socket = Socket()
    headers = [(b"host", b"localhost:8000")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    origin = query.pop("origin", None)
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "query_string": urlencode(query).encode(),
        "headers": headers,
        "subprotocols": list(offered),
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    socket.tell({"type": "websocket.connect"})

    async def run() -> None:
        await site(scope, socket.receive, socket.send)
        socket.over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await socket.answered.wait()
        yield socket
        socket.tell({"type": "websocket.disconnect"})


async def status_of(site: Site, path: str = "/ws", **options: Any) -> int:
    """What a handshake comes to: 101, or the status of the refusal."""
    async with opened(site, path, **options) as socket:
        return socket.status
