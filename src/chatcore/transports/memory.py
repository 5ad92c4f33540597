"""A transport in memory: the server's end of a connection without a network, for tests of sessions and of apps."""

from __future__ import annotations

import math
from typing import cast

import attrs
import trio

from chatcore.errors import TransportBroken, TransportClosed, TransportRoused, TransportStalled


@attrs.frozen
class Closed:
    """How the server closed the connection."""

    code: int
    reason: str


@attrs.define(eq=False)
class MemoryTransport:
    """The server's end. Made by :func:`memory_pair`."""

    _incoming: trio.MemoryReceiveChannel[str | bytes]
    _outgoing: trio.MemorySendChannel[str | bytes]
    send_seconds: float = 10.0
    closed: Closed | None = None
    _unsent: list[str | bytes] = attrs.field(factory=list)
    _broken: bool = False
    _roused: bool = False
    _receiving: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def receive(self) -> str | bytes:
        """See :class:`~chatcore.transports.base.Transport`."""
        if self.closed is not None:
            raise TransportClosed
        with trio.CancelScope() as self._receiving:
            if self._roused:
                self._receiving.cancel()
            try:
                return await self._incoming.receive()
            except (trio.EndOfChannel, trio.ClosedResourceError):
                raise TransportBroken from None
        self._roused = False
        raise TransportRoused

    def rouse(self) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        self._roused = True
        self._receiving.cancel()

    def offer(self, *payloads: bytes, text: bool = True) -> bool:
        """See :class:`~chatcore.transports.base.Transport`."""
        self._check()
        self._unsent += [payload.decode() if text else payload for payload in payloads]
        try:
            while self._unsent:
                self._outgoing.send_nowait(self._unsent[0])
                del self._unsent[0]
        except trio.BrokenResourceError:
            raise TransportBroken from None
        except trio.WouldBlock:
            return False
        return True

    async def flush(self) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        await trio.lowlevel.checkpoint()
        self._check()
        while self._unsent:
            await self._send(self._unsent.pop(0))

    async def close(self, code: int, reason: str) -> None:
        """See :class:`~chatcore.transports.base.Transport`."""
        if self.closed is None:
            self.closed = Closed(int(code), reason)
            self._outgoing.close()
        await trio.lowlevel.checkpoint()

    def _check(self) -> None:
        if self.closed is not None:
            raise TransportClosed
        if self._broken:
            raise TransportBroken

    async def _send(self, message: str | bytes) -> None:
        """Send a frame that has to wait. One that was not sent is the last: nothing may follow where it is missing."""
        self._broken = True
        try:
            with trio.move_on_after(self.send_seconds) as limit:
                await self._outgoing.send(message)
                self._broken = False
        except trio.BrokenResourceError:
            raise TransportBroken from None
        if limit.cancelled_caught:
            raise TransportStalled


@attrs.define(eq=False)
class MemoryClient:
    """The client's end: what a test sends and what it gets.

    Args:
        transport: the server's end, for its close code.
    """

    transport: MemoryTransport
    _outgoing: trio.MemorySendChannel[str | bytes]
    _incoming: trio.MemoryReceiveChannel[str | bytes]

    async def send(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        await self._outgoing.send(frame)

    async def receive(self) -> str:
        """The next frame from the server.

        Raises:
            trio.EndOfChannel: the server closed; ``transport.closed`` says how.
        """
        return cast("str", await self._incoming.receive())  # a session says nothing else

    def drop(self) -> None:
        """Be gone without a word, as a client does whose network is lost."""
        self._outgoing.close()
        self._incoming.close()


def memory_pair(*, unread: int | float = math.inf) -> tuple[MemoryTransport, MemoryClient]:
    """Both ends of a connection.

    Args:
        unread: frames the client may leave unread before the server's sends wait; a stalled client is a small number.
    """
    to_server, from_client = trio.open_memory_channel[str | bytes](math.inf)
    to_client, from_server = trio.open_memory_channel[str | bytes](unread)
    transport = MemoryTransport(from_client, to_client)
    return transport, MemoryClient(transport, to_server, from_server)
