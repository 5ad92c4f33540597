"""The transport that carries ``/ws`` in ``chatcore serve``: WebSocket frames on a socket of our own.

Everything that comes is read by whoever receives, and a frame is sent where it is offered, so nothing lies between the
session and the socket: no task, no queue. What has to wait has a deadline in the stream underneath
(:class:`~.stream.BoundedStream`). Whether a quiet peer is there is asked by the :mod:`.vigil`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Protocol

import attrs
import trio

from chatcore.errors import (
    TransportBroken,
    TransportClosed,
    TransportError,
    TransportOverrun,
    TransportRoused,
    TransportStalled,
    TransportViolated,
)
from chatcore.limits import TokenBucket
from chatcore.transports.asgi import LINGER_SECONDS
from chatcore.transports.base import Stalled
from chatcore.transports.websocket_protocol import (
    Farewell,
    Incoming,
    Inflating,
    MessageReader,
    Part,
    Pinged,
    close_frame,
    is_close_frame,
    message_frame,
    ping_frame,
    pong_frame,
)

RECEIVE_BYTES = 65_536
"""Read at once: more than a frame of a client, and no burden times ten thousand connections."""

LINGER_FRAMES = 512
"""Frames that are looked through for the other side's farewell: who sends more does not mean to take leave, and to
understand what a flooder goes on sending would cost everybody else."""

TURN_FRAMES = 4
"""Frames of one read after which others have their turn: a read may hold ten thousand, and each may have to be
inflated."""

INFLATED_AT_ONCE = 4
"""Frames that are inflated side by side beyond their first piece: a hundred that turn out too large then hold no more
memory than this many and their first pieces."""

QUIET_SECONDS = 0.6
"""After a fault the other side's answer cannot be told from what else it sends: reading ends when nothing comes. Who
floods from a busy machine pauses for tenths of a second; to hang up on what follows would lose them the close frame. A
client that is done waits a second at most for that (Autobahn's does)."""


class Stream(Protocol):
    """What bytes come and go through."""

    def send_now(self, data: bytes) -> int:
        """Send what can be sent without waiting; how many bytes that was.

        Raises:
            trio.BrokenResourceError: the peer is gone.
        """

    async def send_all(self, data: bytes) -> None:
        """Send everything, within a deadline; a checkpoint.

        Raises:
            Stalled: the peer did not take it in time.
            trio.BrokenResourceError: the peer is gone.
        """

    async def receive(self, max_bytes: int) -> bytes | None:
        """What has come; nothing at the end, and None where it was roused.

        Raises:
            trio.BrokenResourceError: the connection was lost.
            trio.ClosedResourceError: it was hung up on.
        """

    def rouse(self) -> None:
        """Have whoever receives return."""

    def hang_up(self) -> None:
        """Close the socket under whoever uses it."""


class MakeFrame(Protocol):
    """Makes the frame that carries a message."""

    def __call__(self, payload: bytes, *, text: bool) -> bytes:
        """Its bytes."""


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class WebSocketTransport:
    """One WebSocket whose handshake is over; a :class:`~chatcore.transports.base.Transport`.

    Args:
        stream: carries its bytes.
        reader: makes messages of them.
        small: limits what is no message by itself: pings, pongs and parts.
        spawn: begins a task that may outlast neither the listener nor the stream.
        frame: makes frames of messages, compressed where that was agreed upon.
        inflating: lets few inflate at once, of all connections: what each of them holds may be large.
    """

    _stream: Stream
    _reader: MessageReader
    _small: TokenBucket
    _spawn: Callable[[Callable[[], Awaitable[None]]], object]
    _frame: MakeFrame = message_frame
    _inflating: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(INFLATED_AT_ONCE))
    heard_at: float = attrs.field(factory=trio.current_time, init=False)
    """When something came last."""
    _inbox: Iterator[Incoming] = attrs.field(factory=lambda: iter(()), init=False)
    """What has been read, understood as it is asked for."""
    _fault: TransportViolated | None = attrs.field(default=None, init=False)
    _taken: int = attrs.field(default=0, init=False)
    """Of what was read, since others had their turn."""
    _roused: bool = attrs.field(default=False, init=False)
    _answered: bool = attrs.field(default=False, init=False)
    """Whether what came last was a close frame and nothing else: after a fault that is the answer to ours."""
    _broken: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _greeting: bytes = attrs.field(default=b"", init=False)
    _unsent: bytes = attrs.field(default=b"", init=False)
    _flushing: trio.Lock | None = attrs.field(default=None, init=False)
    _pong: bytes | None = attrs.field(default=None, init=False)

    def begin(self, answer: bytes, rest: bytes) -> None:
        """Take the answer to the handshake, which goes out with the first frame, and what came after the handshake."""
        self._greeting = answer
        if rest:
            self._inbox = self._reader.feed(rest)

    async def receive(self) -> str | bytes:
        """See :class:`~chatcore.transports.base.Transport`.

        Raises:
            TransportViolated: with the code to close with.
        """
        await trio.lowlevel.checkpoint_if_cancelled()  # others have their turn after each read, which waits
        while not self._roused:
            await self._share_turn()
            item = None if self._closed else self._next()
            if isinstance(item, Inflating):
                self._count_small()
                item = await self._inflated()
            if isinstance(item, str | bytes):
                return item
            if item is None:
                self._prepare_to_read()
                await self._read()
            else:
                await self._heed(item)
        self._roused = False
        raise TransportRoused

    async def _share_turn(self) -> None:
        """Let others have their turn, once in a while."""
        self._taken += 1
        if self._taken > TURN_FRAMES:
            self._taken = 0
            await trio.lowlevel.checkpoint()

    async def _inflated(self) -> Incoming | None:
        """What was inflated, None where it is at fault; how much it is counts as it comes."""
        async with self._inflating:
            while isinstance(item := self._next(), Inflating):
                self._count_small()
                await self._share_turn()
        return item

    def rouse(self) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        self._roused = True
        self._stream.rouse()

    def _next(self) -> Incoming | None:
        """The next of what has come; None where there is no more of it."""
        try:
            return next(self._inbox, None)
        except TransportViolated as fault:
            self._fault = TransportViolated(fault.code, fault.reason)  # without the bytes that its context keeps
            return None

    def _prepare_to_read(self) -> None:
        """See that there may be more on the stream."""
        self._check()
        if self._fault is not None:
            raise self._fault
        if self._greeting:
            self._put(b"")  # nothing was said before anything was heard

    def offer(self, *payloads: bytes, text: bool = True) -> bool:
        """See :class:`~chatcore.transports.base.Transport`."""
        if self._closed or self._broken:
            self._check()
        if len(payloads) == 1:
            return self._put(self._frame(payloads[0], text=text))
        return self._put(b"".join([self._frame(payload, text=text) for payload in payloads]))

    async def flush(self) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        if self._closed:
            raise TransportClosed
        await self._flush()

    async def close(self, code: int, reason: str) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        await trio.lowlevel.checkpoint()
        if self._closed or self._broken:
            return
        self._closed = True
        with trio.move_on_after(LINGER_SECONDS), suppress(TransportBroken):
            await self._answer(close_frame(int(code), reason))
            await self._linger()

    def ask(self) -> bool:
        """See :class:`~.vigil.Peer`."""
        if self._busy or self._unsent:
            return False
        return self._put_aside(ping_frame(b""))

    def hang_up(self) -> None:
        """End the connection at once."""
        if not self._broken:
            self._broken = True
            self._stream.hang_up()

    def _check(self) -> None:
        if self._closed:
            raise TransportClosed
        if self._broken:
            raise TransportBroken

    async def _read(self) -> None:
        """Take what has come off the stream."""
        try:
            data = await self._stream.receive(RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data is None:
            return
        self.heard_at, self._taken = trio.current_time(), 0
        self._answered = self._fault is not None and is_close_frame(data)
        if data:
            self._inbox = self._reader.feed(data)
        else:
            self.hang_up()

    async def _heed(self, item: Pinged | Part | Inflating | Farewell) -> None:
        """Do what is no message's: it takes its share of what the peer may send, and a farewell is answered."""
        if isinstance(item, Farewell):
            await self._answer(close_frame(item.code, ""))
            return self.hang_up()
        self._count_small()
        if isinstance(item, Pinged):
            self._answer_ping(item.payload)
        return None

    def _count_small(self) -> None:
        """Take its share of what the peer may send."""
        if self._small.take(trio.current_time()) > 0:
            raise TransportOverrun

    def _answer_ping(self, payload: bytes) -> None:
        """At once; or the latest after what is being sent (RFC 6455, section 5.5.3): reading goes on meanwhile."""
        if self._busy:
            self._pong = payload
        else:
            self._put_aside(pong_frame(payload))

    def _put_aside(self, frame: bytes) -> bool:
        """Send a frame that nobody waits for; whether that took no waiting."""
        try:
            whole = self._put(frame)
        except TransportBroken:
            return True  # there is nothing left to wait for
        if not whole:
            self._spawn(self._send_aside)
        return whole

    async def _send_aside(self) -> None:
        with suppress(TransportError):
            await self._flush()

    async def _answer(self, frame: bytes) -> None:
        with suppress(TransportBroken):
            if not self._put(frame):
                await self._flush()

    @property
    def _busy(self) -> bool:
        """Whether something is being sent that had to wait."""
        return self._flushing is not None and self._flushing.locked()

    def _put(self, frame: bytes) -> bool:
        """Send a frame after what is still to be sent; whether that took no waiting."""
        if self._greeting:
            frame, self._greeting = self._greeting + frame, b""
        if self._unsent or (self._flushing is not None and self._busy):
            self._unsent += frame
            return False
        try:
            sent = self._stream.send_now(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.hang_up()
            raise TransportBroken from None
        self._unsent = frame[sent:]
        return not self._unsent

    async def _flush(self) -> None:
        """Send what had to wait. What was not finished is the last: half a frame cannot be taken back."""
        if self._flushing is None:
            self._flushing = trio.Lock()
        async with self._flushing:
            if self._broken:
                raise TransportBroken
            whole = False
            try:
                await self._send_rest()
                whole = True
            except Stalled:
                raise TransportStalled from None
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise TransportBroken from None
            finally:
                if not whole:
                    self.hang_up()

    async def _send_rest(self) -> None:
        while self._unsent or self._pong is not None:
            rest, self._unsent = self._unsent, b""
            if self._pong is not None:
                rest, self._pong = rest + pong_frame(self._pong), None
            await self._stream.send_all(rest)

    async def _linger(self) -> None:
        """Read on until the other side has closed too."""
        frames = LINGER_FRAMES
        while not self._broken:
            while frames > 0 and (item := self._next()) is not None:
                frames = 0 if isinstance(item, Inflating) else frames - 1
                if frames % TURN_FRAMES == 0:
                    await trio.lowlevel.checkpoint()
            if self._reader.left or self._answered:
                return
            seconds = LINGER_SECONDS if self._fault is None and frames > 0 else QUIET_SECONDS
            with trio.move_on_after(seconds) as quiet:
                await self._read()
            if quiet.cancelled_caught:
                return
