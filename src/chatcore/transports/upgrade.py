"""A WebSocket from its handshake on, as one call of an ASGI application that finds a transport of ours in its scope."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import attrs
import msgspec
import trio

from chatcore.limits import TokenBucket
from chatcore.settings import Settings
from chatcore.transports.asgi import ACCEPT, Converse, Message
from chatcore.transports.deflate import Agreement, Inflater, agreed
from chatcore.transports.http_head import Head
from chatcore.transports.turnstile import Turnstile
from chatcore.transports.vigil import Vigil
from chatcore.transports.websocket import INFLATED_AT_ONCE, Stream, WebSocketTransport
from chatcore.transports.websocket_protocol import (
    MessageReader,
    accept_key,
    deflated_frame,
    message_frame,
    switching_protocols,
)

NO_CLOSE_FRAME = 1006
"""RFC 6455, section 7.1.5."""


class Connected(Stream, Protocol):
    """A stream that is watched before it is read, with its addresses."""

    peer: tuple[Any, ...]
    local: tuple[Any, ...]

    async def gone(self) -> None:
        """Return when the other side has left, as far as that can be told without reading."""


@attrs.frozen(eq=False)
class Shared:
    """What all connections of a server have in common.

    Args:
        vigil: watches those who are quiet.
        turnstile: lets few requests on at once.
        inflating: lets few inflate at once.
    """

    vigil: Vigil
    turnstile: Turnstile = attrs.field(factory=Turnstile)
    inflating: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(INFLATED_AT_ONCE))


async def upgraded(
    stream: Connected, head: Head, rest: bytes, app: Any, settings: Settings, shared: Shared
) -> Upgrade | None:
    """Have the application accept or refuse a WebSocket.

    Args:
        stream: the connection.
        head: of the request.
        rest: what came after it.
        app: the ASGI application.
        settings: its limits.
        shared: with all others.

    Returns:
        what was accepted, to be begun when nothing of the request is held any more: it may last long, and there may be
        thousands; None where it was refused.

    Raises:
        BadRequest: the handshake is malformed.
    """
    upgrade = Upgrade(stream, rest, settings, shared, accept_key(head), agreed(head) if settings.compression else None)
    await app(_scope(head, stream, {ACCEPT: upgrade.accept}), upgrade.connect, upgrade.refuse)
    return upgrade if upgrade.accepted else None


@attrs.define(eq=False)
class Upgrade:
    """One handshake. Made by :func:`upgraded`."""

    _stream: Connected
    _rest: bytes
    _settings: Settings
    _shared: Shared
    _key: bytes
    _compression: Agreement | None
    _answer: bytes = b""
    """To the handshake."""
    _max_message_bytes: int = 0
    _converse: Converse | None = None
    """Serves the WebSocket; None as long as it is not accepted."""
    _head: bytes = b""
    _told: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it is a WebSocket from now on; the client is yet to be told."""
        return self._converse is not None

    def begin(self) -> tuple[WebSocketTransport, Awaitable[None]]:
        """Its transport, and the conversation over it, to be awaited; neither holds anything of the handshake."""
        assert self._converse is not None  # noqa: S101  accepted
        limit, agreement = self._settings.max_frames_per_second, self._compression
        inflater = Inflater(agreement.their_window_bits) if agreement is not None else None
        frame = partial(deflated_frame, window_bits=agreement.window_bits) if agreement is not None else message_frame
        reader, small = MessageReader(self._max_message_bytes, inflater), TokenBucket(limit, 4 * limit)
        shared = self._shared
        transport = WebSocketTransport(self._stream, reader, small, shared.vigil.spawn, frame, shared.inflating)
        transport.begin(self._answer, self._rest)
        return transport, self._converse(transport)

    async def connect(self) -> Message:
        """ASGI's ``receive``: the request, and then, as long as it was not accepted, that the client has left."""
        await trio.lowlevel.checkpoint_if_cancelled()  # a handshake is short, and there may be thousands at once
        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        await self._stream.gone()
        return {"type": "websocket.disconnect", "code": NO_CLOSE_FRAME}

    async def refuse(self, message: Message) -> None:
        """ASGI's ``send``, for an answer other than a WebSocket."""
        if message["type"] == "websocket.http.response.start":
            self._head = _answer_head(message["status"], message["headers"])
        else:
            await self._stream.send_all(self._head + message["body"])

    async def accept(self, *, subprotocol: str | None, max_message_bytes: int, converse: Converse) -> None:
        """Accept the handshake. The client is told, with the first frames, when the application has returned."""
        await trio.lowlevel.checkpoint_if_cancelled()
        extensions = self._compression.answer if self._compression is not None else b""
        self._answer = switching_protocols(self._key, subprotocol, extensions)
        self._max_message_bytes, self._converse = max_message_bytes, converse


def plain_answer(status: int, detail: str) -> bytes:
    """A whole answer to what is not worth a conversation."""
    body = msgspec.json.encode({"title": HTTPStatus(status).phrase, "status": status, "detail": detail})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"sec-websocket-version", b"13")] if status == HTTPStatus.UPGRADE_REQUIRED else []
    return _answer_head(status, headers) + body


def _answer_head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
    lines += [b"%s: %s" % header for header in headers]
    return b"\r\n".join([*lines, b"connection: close"]) + b"\r\n\r\n"


def _scope(head: Head, stream: Connected, extensions: dict[str, Any]) -> dict[str, Any]:
    path, _, query = head.target.partition(b"?")
    local, peer = stream.local, stream.peer
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path.decode("ascii"),
        "query_string": query,
        "headers": list(head.headers),
        "subprotocols": [token.decode("latin-1") for token in _members(head, b"sec-websocket-protocol")],
        "server": (local[0], local[1]),
        "client": (peer[0], peer[1]),
        "state": {},
        "extensions": extensions,
    }


def _members(head: Head, name: bytes) -> list[bytes]:
    """The members of a header that is a list, as they came."""
    return [token.strip() for value in head.all(name) for token in value.split(b",") if token.strip()]
