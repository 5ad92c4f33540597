"""The ASGI transport: a WebSocket under Hypercorn, with the traps of its ground fenced (architecture.md, section 2).

* Hypercorn hands frames over through a queue of ten and stops reading the socket when it is full, disconnects and
  pongs included. So one task here receives for as long as the connection lasts, into a bounded inbox.
* After a disconnect its sends return at once, without a checkpoint. Here they raise.
* Its writes are shielded from cancellation, so a deadline on ``send`` works only where the stream underneath has one of
  its own: :mod:`.listener` gives it one in ``chatcore serve``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import attrs
import trio

from chatcore.errors import TransportBroken, TransportClosed, TransportOverrun, TransportRoused
from chatcore.transports.base import Transport

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

Converse: TypeAlias = Callable[[Transport], Awaitable[None]]
"""Serves one accepted WebSocket until it ends."""

ACCEPT = "chatcore.accept"
"""The extension of a WebSocket's scope under which a listener of ours offers its own transport: called as
:func:`converse_over_asgi` is, from ``subprotocol`` on, it accepts, and has the conversation after the call."""

INBOX_FRAMES = 512
"""More than the burst that the frame limit allows (400), so that a client within its limits never fills it."""

LINGER_SECONDS = 2.0
"""How long the other side may take to answer a close frame. Hanging up with its frames unread would have the kernel
reset the connection, and the close code would be lost on the way."""


@attrs.define(eq=False)
class AsgiTransport:
    """One accepted WebSocket. Made by :func:`accept_websocket`."""

    _send: Send
    _inbox_bytes: int
    _inbox: deque[str | bytes] = attrs.field(factory=deque)
    _held_bytes: int = 0
    _arrived: trio.Event = attrs.field(factory=trio.Event)
    _gone: trio.Event = attrs.field(factory=trio.Event)
    _closed: bool = False
    _overrun: bool = False
    _roused: bool = False
    _unsent: list[Message] = attrs.field(factory=list)
    _torn: bool = False
    """Whether a frame may be missing, as its sending was cancelled: none may follow it then."""

    async def receive(self) -> str | bytes:
        """See :class:`~chatcore.transports.base.Transport`."""
        while self._roused or not self._inbox:
            if self._roused:
                self._roused = False
                raise TransportRoused
            if self._closed:
                raise TransportClosed
            if self._gone.is_set():
                raise TransportBroken
            if self._overrun:
                raise TransportOverrun
            await self._arrived.wait()
        await trio.lowlevel.checkpoint()
        frame = self._inbox.popleft()
        self._held_bytes -= len(frame)
        return frame

    def rouse(self) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        self._roused = True
        self._wake()

    def offer(self, *payloads: bytes, text: bool = True) -> bool:
        """See :class:`~chatcore.transports.base.Transport`. ASGI has no way to send without waiting."""
        self._check()
        contents = ({"text": payload.decode()} if text else {"bytes": payload} for payload in payloads)
        self._unsent += [{"type": "websocket.send"} | content for content in contents]
        return False

    async def flush(self) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        await trio.lowlevel.checkpoint()
        self._check()
        while self._unsent:
            self._torn = True
            await self._send(self._unsent.pop(0))
            self._torn = False
            self._check()

    def _check(self) -> None:
        if self._closed:
            raise TransportClosed
        if self._torn or self._gone.is_set():
            raise TransportBroken

    async def close(self, code: int, reason: str) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        await trio.lowlevel.checkpoint()
        if not self._closed and not self._gone.is_set():
            self._closed = True
            await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
            with trio.move_on_after(LINGER_SECONDS):
                await self._gone.wait()
        self._wake()

    async def listen(self, receive: Receive) -> None:
        """Take every frame off the connection until it is gone; runs beside the session."""
        while (message := await receive())["type"] != "websocket.disconnect":
            self._keep(message)
        self._gone.set()
        self._wake()

    def _keep(self, message: Message) -> None:
        """Put a frame into the inbox; an empty binary frame is a frame too.

        Once nobody asks any more, or the inbox has overflowed, frames are read and dropped, so that the other side's
        close frame still arrives.
        """
        text = message.get("text")
        frame = text if text is not None else message.get("bytes") or b""
        fits = len(self._inbox) < INBOX_FRAMES and self._held_bytes + len(frame) <= self._inbox_bytes
        self._overrun = self._overrun or not fits
        if not self._closed and not self._overrun:
            self._held_bytes += len(frame)
            self._inbox.append(frame)
        self._wake()

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = trio.Event()


@asynccontextmanager
async def accept_websocket(
    receive: Receive, send: Send, *, subprotocol: str | None, max_message_bytes: int
) -> AsyncIterator[AsgiTransport]:
    """Accept a WebSocket; the connection is read for as long as the block lasts.

    Args:
        receive: of the ASGI call, after its ``websocket.connect``.
        send: of the ASGI call.
        subprotocol: to confirm, None for none.
        max_message_bytes: the inbox holds four of the largest messages.
    """
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
    transport = AsgiTransport(send, 4 * max_message_bytes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.listen, receive)
        yield transport
        nursery.cancel_scope.cancel()


async def converse_over_asgi(
    receive: Receive, send: Send, *, subprotocol: str | None, max_message_bytes: int, converse: Converse
) -> None:
    """Accept a WebSocket, as :func:`accept_websocket` does, and serve it."""
    accepted = accept_websocket(receive, send, subprotocol=subprotocol, max_message_bytes=max_message_bytes)
    async with accepted as transport:
        await converse(transport)


LIVE = b'{"status":"live"}'
"""The body of ``/health/live``."""


async def respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Answer an HTTP request, whole."""
    raw = [(name.encode(), value.encode()) for name, value in {**headers, "content-length": str(len(body))}.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
