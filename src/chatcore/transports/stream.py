"""A socket whose writes end in time, and the listeners that accept it.

The sockets are plain ones that do not block: what can be sent at once is sent by one call, without a deadline.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

import attrs
import trio

from chatcore.errors import ConfigurationError
from chatcore.settings import Settings
from chatcore.transports.base import Stalled
from chatcore.transports.readiness import Readiness, Watched

BACKLOG: Final = 4096
"""Connections that the kernel holds while the loop is busy. Past it the kernel drops a client's first packet, and the
client tries again after one second, then two, then four: Hypercorn's 100 makes a stampede a matter of minutes."""

WRITE_SECONDS: Final = 10.0
"""What one slice of a write may take. A peer that has not taken a single one in this time does not read."""

SLICE_BYTES: Final = 65_536
"""Large frames go out in slices, so that a peer that reads slowly is told from one that does not read."""

RECEIVE_BYTES: Final = 65_536
"""Read at once unless it is said how much."""

ACCEPTED_AT_ONCE: Final = 8
"""Connections that are accepted before others have their turn: with their handshakes and tokens, five milliseconds."""

FULL_SECONDS: Final = 0.1
"""How soon the next connection is accepted when one could not be: there may be no file descriptor left."""

Address: TypeAlias = tuple[Any, ...]
"""Of a socket: host, port, and for IPv6 two more."""

_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})
"""What says that the listener itself is no good. All else that accept(2) reports is of one connection, of the network
or of what is left of something, and passes."""

_UNSENT_BYTES: Final = 16_384
"""The kernel calls a socket writable with less than this not yet sent: more would only grow stale in there."""


@attrs.define(eq=False)
class BoundedStream(trio.abc.HalfCloseableStream):
    """A socket as a stream. Hypercorn asks for ``socket``.

    Args:
        socket: connected; it does not block.
        peer: the address of the other side.
        local: the address on which it came in.
    """

    socket: socket.socket
    peer: Address = ()
    local: Address = ()
    _ended: trio.Event | None = None
    _watched: Watched | None = None
    _reading: trio.CancelScope | None = None
    _roused: bool = False

    def send_now(self, data: bytes | memoryview) -> int:
        """Send what can be sent without waiting; how many bytes that was.

        Raises:
            trio.BrokenResourceError: the peer is gone.
            trio.ClosedResourceError: it was hung up on, here and below.
        """
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            raise self._lost() from None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything. A peer that does not take it in time is hung up on: Hypercorn would go on reading from it.

        Raises:
            Stalled: the peer did not take it in time.
            trio.BrokenResourceError: the peer is gone.
        """
        await trio.lowlevel.checkpoint()
        whole = memoryview(data)
        for begin in range(0, len(whole), SLICE_BYTES):
            with trio.move_on_after(WRITE_SECONDS) as limit:
                await self._send_slice(whole[begin : begin + SLICE_BYTES])
            if limit.cancelled_caught:
                self.hang_up()
                raise Stalled

    async def _send_slice(self, rest: memoryview) -> None:
        while rest := rest[self.send_now(rest) :]:
            await self.wait_send_all_might_not_block()

    async def wait_send_all_might_not_block(self) -> None:
        """See :class:`trio.abc.SendStream`."""
        try:
            await trio.lowlevel.wait_writable(self.socket)
        except (OSError, ValueError):
            raise self._lost() from None

    def receive_now(self, max_bytes: int) -> bytes:
        """What has come already, nothing where nothing has; what there is to be told of the connection comes later."""
        try:
            return self.socket.recv(max_bytes)
        except OSError:
            return b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come; nothing at the end.

        Raises:
            trio.BrokenResourceError: the connection was lost.
        """
        data: bytes | None = b""
        try:
            while (data := await self.receive(max_bytes or RECEIVE_BYTES)) is None:
                pass
        finally:
            if not data and self._ended is not None:
                self._ended.set()
        return data

    async def receive(self, max_bytes: int, flags: int = 0) -> bytes | None:
        """The same, of at most so many bytes; None where it was roused."""
        while True:
            try:
                await (self._watched or self).readable()
                data = self.socket.recv(max_bytes, flags)
            except BlockingIOError:
                data = None
            except (OSError, ValueError):
                raise self._lost() from None
            if self._watched is not None and (data is None or len(data) < max_bytes):
                self._watched.emptied()
            if data is not None or self._roused:
                self._roused = False
                return data

    async def readable(self) -> None:
        """Return when there may be something to be read, or the end, or it was roused; a checkpoint."""
        with trio.CancelScope() as self._reading:
            await trio.lowlevel.wait_readable(self.socket)

    def rouse(self) -> None:
        """Have whoever receives return, now or the next time."""
        self._roused = True
        if self._watched is not None:
            self._watched.tell(ended=False)
        elif self._reading is not None:
            self._reading.cancel()

    def be_watched(self, readiness: Readiness) -> None:
        """Wait for what comes together with others, from now on."""
        if self.socket.fileno() >= 0:
            self._watched = readiness.watch(self.socket)

    def _lost(self) -> Exception:
        """What has become of a socket that cannot be used: it was closed by this side, or is lost."""
        return trio.ClosedResourceError() if self.socket.fileno() < 0 else trio.BrokenResourceError()

    async def sleep(self, seconds: float) -> None:
        """Sleep, no longer than the peer is there."""
        if self._ended is None:
            self._ended = trio.Event()
        with trio.move_on_after(seconds):
            await self._ended.wait()

    async def gone(self) -> None:
        """Return when the peer has left. One that has sent something meanwhile is taken to be there."""
        try:
            while (there := await self.receive(1, socket.MSG_PEEK)) is None:
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if there:
            await trio.sleep_forever()

    async def send_eof(self) -> None:
        """See :class:`trio.abc.HalfCloseableStream`."""
        await trio.lowlevel.checkpoint()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            raise self._lost() from None

    async def aclose(self) -> None:
        """See :class:`trio.abc.AsyncResource`."""
        self.hang_up()
        await trio.lowlevel.checkpoint()

    def hang_up(self) -> None:
        """Close the socket under whoever uses it."""
        if self.socket.fileno() >= 0:
            if self._watched is not None:
                self._watched.close()
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()


@attrs.frozen(eq=False)
class BoundedListener:
    """A listener whose streams are bounded. Made by :func:`open_listeners`.

    Args:
        socket: listens; it does not block.
    """

    socket: socket.socket
    _local: Address = attrs.field(init=False)
    """Its address; of one that listens on all of them, none: each connection came in on one of its own."""

    @_local.default
    def _one_address(self) -> Address:
        address: Address = self.socket.getsockname()
        return () if ip_address(str(address[0])).is_unspecified else address

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self.socket.getsockname()[1]
        return port

    async def serve(self, handle: Callable[[BoundedStream], object]) -> None:
        """Accept connections, as many at once as there are, and hand each over; until it is cancelled."""
        with self.socket:
            while True:
                await trio.lowlevel.wait_readable(self.socket)
                try:
                    for number, stream in enumerate(self._waiting(), 1):
                        handle(stream)
                        if number % ACCEPTED_AT_ONCE == 0:
                            await trio.lowlevel.checkpoint()
                except OSError as error:
                    if error.errno in _BROKEN:
                        raise
                    await trio.sleep(FULL_SECONDS)
                await trio.lowlevel.checkpoint()

    def _waiting(self) -> Iterator[BoundedStream]:
        while True:
            try:
                accepted, peer = self.socket.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # it has gone again
                continue
            accepted.setblocking(False)
            yield BoundedStream(accepted, peer, self._local or accepted.getsockname())


async def open_listeners(settings: Settings) -> list[BoundedListener]:
    """Listen on the address of the settings.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    try:
        listeners = await trio.open_tcp_listeners(settings.port, host=settings.host, backlog=BACKLOG)
    except OSError as error:
        problem = f"cannot listen on {settings.bind} ({error.strerror or 'no such address'})"
        raise ConfigurationError("bind", problem, "choose an address of this machine and a free port") from None
    return [_listener(listener.socket) for listener in listeners]


def _listener(listening: trio.socket.SocketType) -> BoundedListener:
    """What is accepted takes over these options, so that they cost nothing a connection."""
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    plain = socket.socket(listening.family, listening.type, listening.proto, listening.detach())
    plain.setblocking(False)
    return BoundedListener(plain)
