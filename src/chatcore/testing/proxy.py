"""A network that misbehaves: a TCP proxy on the loopback that delays, stalls, resets and closes by halves.

::

    async with proxying("127.0.0.1", server_port) as network, connect(f"ws://127.0.0.1:{network.port}") as chat:
        network.to_client.stalled = True        # the client hears nothing more, and nothing is lost
        network.to_client.stalled = False
        network.reset()                         # every connection is gone, without a close
"""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from chatcore.testing.groups import lone_exceptions

CHUNK_BYTES = 65_536
CHUNKS_UNDER_WAY = 16
"""What a lane holds while it is delayed or stalled: a megabyte; past it the sender's writes wait, as they would."""

LINGER_NOT = struct.pack("ii", 1, 0)
"""``SO_LINGER`` with no time: closing the socket sends a reset instead of an end."""


@attrs.define(eq=False)
class Direction:
    """What happens to bytes on their way to one side, of all connections.

    Args:
        delay_seconds: how long each byte is under way; it takes nothing off the throughput.
    """

    delay_seconds: float = 0.0
    _flowing: trio.Event = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._flowing = trio.Event()
        self._flowing.set()

    @property
    def stalled(self) -> bool:
        """Whether nothing arrives. What is sent meanwhile waits, and arrives when it is set to false again."""
        return not self._flowing.is_set()

    @stalled.setter
    def stalled(self, stalled: bool) -> None:
        if not stalled:
            self._flowing.set()
        elif self._flowing.is_set():
            self._flowing = trio.Event()

    async def arrival(self, sent_at: float) -> None:
        """Return when what was sent at ``sent_at`` arrives."""
        await trio.sleep_until(sent_at + self.delay_seconds)
        while self.stalled:
            await self._flowing.wait()


@attrs.define(eq=False)
class Lane:
    """One connection's way in one direction."""

    _source: trio.SocketStream
    _target: trio.SocketStream
    _direction: Direction
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def end(self) -> None:
        """Have the receiver read an end after what is under way, as if the sender had nothing more to say.

        What the sender says from now on is not read any more; the other lane goes on.
        """
        self._reading.cancel()

    async def carry(self) -> None:
        """Carry what is sent until its end. What was read is under way for a while, during which more is read."""
        departures, arrivals = trio.open_memory_channel[tuple[float, bytes | bytearray]](CHUNKS_UNDER_WAY)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, arrivals)
            async with departures:
                with self._reading:
                    while data := await self._source.receive_some(CHUNK_BYTES):
                        await departures.send((trio.current_time(), data))

    async def _deliver(self, arrivals: trio.MemoryReceiveChannel[tuple[float, bytes | bytearray]]) -> None:
        async for sent_at, data in arrivals:
            await self._direction.arrival(sent_at)
            await self._target.send_all(data)
        await self._direction.arrival(trio.current_time())
        await self._target.send_eof()


@attrs.define(eq=False)
class ProxiedConnection:
    """One connection through the proxy.

    Args:
        to_client: the lane from the server to who connected.
        to_server: the other one.
    """

    to_client: Lane
    to_server: Lane
    _streams: tuple[trio.SocketStream, ...]

    def reset(self) -> None:
        """Both sides get a reset."""
        for stream in self._streams:
            _reset(stream)

    async def carry(self) -> None:
        """Carry both ways until both have ended, or either side is gone."""
        try:
            async with trio.open_nursery() as both:
                both.start_soon(self.to_client.carry)
                both.start_soon(self.to_server.carry)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self.reset()  # one side is gone; the other is to hear it


@attrs.define(eq=False)
class LoopbackProxy:
    """Made by :func:`proxying`.

    Args:
        port: where it listens, on 127.0.0.1.
        to_client: what happens to what servers send.
        to_server: what happens to what clients send.
        connections: those that are open, in the order they came.
        refusing: whether new connections are reset at once.
    """

    port: int
    _host: str
    _server_port: int
    to_client: Direction = attrs.field(factory=Direction)
    to_server: Direction = attrs.field(factory=Direction)
    connections: list[ProxiedConnection] = attrs.field(factory=list)
    refusing: bool = False

    def reset(self) -> None:
        """Reset every connection."""
        for connection in tuple(self.connections):
            connection.reset()

    async def serve(self, client: trio.SocketStream) -> None:
        """Serve one connection. Where the server does not take it, the client is reset."""
        try:
            if self.refusing:
                raise ConnectionRefusedError
            server = await trio.open_tcp_stream(self._host, self._server_port)
        except OSError:
            return _reset(client)
        async with client, server:
            to_client = Lane(server, client, self.to_client)
            connection = ProxiedConnection(to_client, Lane(client, server, self.to_server), (client, server))
            self.connections.append(connection)
            try:
                await connection.carry()
            finally:
                self.connections.remove(connection)


def _reset(stream: trio.SocketStream) -> None:
    if stream.socket.fileno() != -1:
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        stream.socket.close()


@asynccontextmanager
async def proxying(host: str, port: int) -> AsyncIterator[LoopbackProxy]:
    """A proxy to ``host:port`` on a free port of the loopback; at the end of the block every connection is reset.

    Args:
        host: where it leads.
        port: where it leads.
    """
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy = LoopbackProxy(listener.socket.getsockname()[1], host, port)
    with lone_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
            try:
                yield proxy
            finally:
                proxy.reset()
                nursery.cancel_scope.cancel()
