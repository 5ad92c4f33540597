"""The transport that carries ``/ws`` in ``chatcore serve``: WebSocket frames on a socket of our own.

Everything that comes is read by whoever receives, so nothing lies between the session and the socket: no task, no
queue. Sends have a deadline in the stream underneath (:class:`~.listener.BoundedStream`). A peer that is quiet is asked
whether it is there, and hung up on when it does not answer in time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import attrs
import trio

from chatcore.errors import TransportBroken, TransportClosed, TransportOverrun, TransportStalled, TransportViolated
from chatcore.limits import TokenBucket
from chatcore.transports.asgi import LINGER_SECONDS
from chatcore.transports.websocket_protocol import (
    Farewell,
    Incoming,
    MessageReader,
    Part,
    Pinged,
    close_frame,
    message_frame,
    ping_frame,
    pong_frame,
)

RECEIVE_BYTES = 65_536
"""Read at once: more than a frame of a client, and no burden times ten thousand connections."""

QUIET_SECONDS = 0.3
"""After a fault the other side's answer cannot be told from what else it sends: reading ends when nothing comes."""


class Stalled(trio.BrokenResourceError):
    """A stream's peer did not read in time."""


class Stream(Protocol):
    """What bytes come and go through."""

    async def send_all(self, data: bytes) -> None:
        """Send everything, within a deadline.

        Raises:
            Stalled: the peer did not take it in time.
            trio.BrokenResourceError: the peer is gone.
        """

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What has come; nothing at the end."""

    def hang_up(self) -> None:
        """Close the socket under whoever uses it."""


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class WebSocketTransport:
    """One accepted WebSocket; a :class:`~chatcore.transports.base.Transport`. Made by :func:`talking`.

    Args:
        stream: carries its bytes.
        reader: makes messages of them.
        small: limits what is no message by itself: pings, pongs and parts.
    """

    _stream: Stream
    _reader: MessageReader
    _small: TokenBucket
    _inbox: deque[Incoming] = attrs.field(factory=deque)
    _fault: TransportViolated | None = None
    _broken: bool = False
    _closed: bool = False
    _heard_at: float = attrs.field(factory=trio.current_time)
    _sending: trio.Lock = attrs.field(factory=trio.Lock)
    _pong: bytes | None = None

    def begin(self, rest: bytes) -> None:
        """Take what came right after the handshake."""
        if rest:
            self._inbox.extend(self._understood(rest))

    async def receive(self) -> str | bytes:
        """See :class:`~chatcore.transports.base.Transport`.

        Raises:
            TransportViolated: with the code to close with.
        """
        await trio.lowlevel.checkpoint()
        while True:
            while self._inbox and not self._closed:
                item = self._inbox.popleft()
                if isinstance(item, str | bytes):
                    return item
                await self._heed(item)
            self._check()
            if self._fault is not None:
                raise self._fault
            await self._read()

    async def send(self, message: str | bytes) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        self._check()
        await self._send(message_frame(message))

    async def close(self, code: int, reason: str) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        await trio.lowlevel.checkpoint()
        if self._closed or self._broken:
            return
        self._closed = True
        with trio.move_on_after(LINGER_SECONDS), suppress(TransportBroken):
            await self._send(close_frame(int(code), reason))
            await self._linger()

    async def keep_alive(self, ping_seconds: float, pong_timeout_seconds: float) -> None:
        """Ask a quiet peer whether it is there, and hang up on one that does not answer; runs beside the session."""
        while not self._broken:
            asked_at = self._heard_at + ping_seconds
            await trio.sleep_until(asked_at)
            if self._heard_at + ping_seconds > asked_at:
                continue
            await self._answer(ping_frame(b""))  # after what is being sent, which has a deadline of its own
            asked_at = trio.current_time()
            await trio.sleep(pong_timeout_seconds)
            if self._heard_at < asked_at:
                self._hang_up()

    def _check(self) -> None:
        if self._closed:
            raise TransportClosed
        if self._broken:
            raise TransportBroken

    async def _read(self) -> None:
        """Take what has come off the stream."""
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        self._heard_at = trio.current_time()
        if data:
            self._inbox.extend(self._understood(bytes(data)))
        else:
            self._hang_up()

    def _understood(self, data: bytes) -> Iterator[Incoming]:
        try:
            yield from self._reader.feed(data)
        except TransportViolated as fault:
            self._fault = fault

    async def _heed(self, item: Pinged | Part | Farewell) -> None:
        """Do what is no message's: it takes its share of what the peer may send, and a farewell is answered."""
        if isinstance(item, Farewell):
            await self._answer(close_frame(item.code, ""))
            self._hang_up()
        elif self._small.take(trio.current_time()) > 0:
            raise TransportOverrun
        elif isinstance(item, Pinged):
            await self._answer_ping(item.payload)

    async def _answer_ping(self, payload: bytes) -> None:
        """At once; or the latest after what is being sent (RFC 6455, section 5.5.3): reading goes on meanwhile."""
        if self._sending.locked():
            self._pong = payload
        else:
            await self._answer(pong_frame(payload))

    async def _answer(self, frame: bytes) -> None:
        with suppress(TransportBroken):
            await self._send(frame)

    async def _send(self, frame: bytes) -> None:
        """Send a frame whole. One that was not finished is the last: half a frame cannot be taken back."""
        async with self._sending:
            if self._broken:
                raise TransportBroken
            whole = False
            try:
                await self._stream.send_all(frame)
                pong, self._pong = self._pong, None
                if pong is not None:
                    await self._stream.send_all(pong_frame(pong))
                whole = True
            except Stalled:
                raise TransportStalled from None
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise TransportBroken from None
            finally:
                if not whole:
                    self._hang_up()

    async def _linger(self) -> None:
        """Read on until the other side has closed too."""
        while not self._broken and not self._reader.left:
            self._inbox.clear()
            with trio.move_on_after(LINGER_SECONDS if self._fault is None else QUIET_SECONDS) as quiet:
                await self._read()
            if quiet.cancelled_caught:
                return

    def _hang_up(self) -> None:
        if not self._broken:
            self._broken = True
            self._stream.hang_up()


@asynccontextmanager
async def talking(
    stream: Stream,
    rest: bytes,
    *,
    max_message_bytes: int,
    small: TokenBucket,
    ping_seconds: float,
    pong_timeout_seconds: float,
) -> AsyncIterator[WebSocketTransport]:
    """A WebSocket whose handshake is over, for as long as the block lasts.

    Args:
        stream: carries its bytes.
        rest: what came after the handshake.
        max_message_bytes: of one message.
        small: limits pings, pongs and parts of messages.
        ping_seconds: after how much silence the peer is asked whether it is there.
        pong_timeout_seconds: how long it may take to answer.
    """
    transport = WebSocketTransport(stream, MessageReader(max_message_bytes), small)
    transport.begin(rest)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.keep_alive, ping_seconds, pong_timeout_seconds)
        yield transport
        nursery.cancel_scope.cancel()
