"""The sockets of ``chatcore serve``: requests are judged by their heads, WebSockets are our own, HTTP is Hypercorn's.

Every head of HTTP/1.1 passes :mod:`.http_head` first. Hypercorn shields its writes from cancellation, so one client
that stops reading would hold its connection, and at shutdown the whole process, for as long as it likes. Here each
write has a deadline of its own, and at the end everyone is hung up on (architecture.md, section 2).
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

import attrs
import trio

from chatcore.errors import ConfigurationError
from chatcore.observability import Recorder, describe_error
from chatcore.settings import Settings
from chatcore.transports.asgi import LINGER_SECONDS
from chatcore.transports.http_head import BadRequest, RequestFilter
from chatcore.transports.upgrade import plain_answer, serve_websocket
from chatcore.transports.websocket import Stalled

BACKLOG = 4096
"""Connections that the kernel holds while the loop is busy. Past it the kernel drops a client's first packet, and the
client tries again after one second, then two, then four: Hypercorn's 100 makes a stampede a matter of minutes."""

WRITE_SECONDS = 10.0
"""What one slice of a write may take. A peer that has not taken a single one in this time does not read."""

HEAD_SECONDS = 5.0
"""How long a client may take to say what it wants, once it is connected."""

RECEIVE_BYTES = 16_384
"""Half of the longest head."""

NO_REQUEST = b"\0\r\n\r\n"
"""What no server takes for a request."""

SLICE_BYTES = 65_536
"""Large frames go out in slices, so that a peer that reads slowly is told from one that does not read."""


@attrs.define(eq=False, slots=False)
class BoundedStream(trio.abc.HalfCloseableStream):
    """A socket stream whose writes end in time. Hypercorn asks for ``socket``."""

    _stream: trio.SocketStream
    _ended: trio.Event = attrs.field(factory=trio.Event)

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket underneath."""
        return self._stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything. A peer that does not take it in time is hung up on: Hypercorn would go on reading from it.

        Raises:
            Stalled: the peer did not take it in time.
            trio.BrokenResourceError: the peer is gone.
        """
        whole = memoryview(data)
        for begin in range(0, len(whole), SLICE_BYTES):
            with trio.move_on_after(WRITE_SECONDS) as limit:
                await self._stream.send_all(whole[begin : begin + SLICE_BYTES])
            if limit.cancelled_caught:
                self.hang_up()
                raise Stalled

    async def wait_send_all_might_not_block(self) -> None:
        """See :class:`trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See :class:`trio.abc.ReceiveStream`."""
        data: bytes | bytearray = b""
        try:
            data = await self._stream.receive_some(max_bytes)
        finally:
            if not data:
                self._ended.set()
        return data

    async def sleep(self, seconds: float) -> None:
        """Sleep, no longer than the peer is there."""
        with trio.move_on_after(seconds):
            await self._ended.wait()

    async def gone(self) -> None:
        """Return when the peer has left. One that has sent something meanwhile is taken to be there."""
        with suppress(OSError):
            if await self._stream.socket.recv(1, socket.MSG_PEEK):
                await trio.sleep_forever()

    async def send_eof(self) -> None:
        """See :class:`trio.abc.HalfCloseableStream`."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """See :class:`trio.abc.AsyncResource`."""
        await self._stream.aclose()

    def hang_up(self) -> None:
        """Close the socket under whoever uses it."""
        self._stream.socket.close()


@attrs.define(eq=False, slots=False)
class BoundedListener(trio.abc.Listener[BoundedStream]):
    """A listener whose streams are bounded."""

    _listener: trio.SocketListener

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._listener.socket.getsockname()[1]
        return port

    async def accept(self) -> BoundedStream:
        """The next connection."""
        return BoundedStream(await self._listener.accept())

    async def aclose(self) -> None:
        """Take no more connections."""
        await self._listener.aclose()


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
    return [BoundedListener(listener) for listener in listeners]


@attrs.define(eq=False, slots=False)
class JudgedStream(trio.abc.HalfCloseableStream):
    """What Hypercorn gets of a connection: the bytes that passed. Hypercorn asks for ``socket``."""

    _stream: BoundedStream
    _filter: RequestFilter
    _passed: bytes

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket underneath."""
        return self._stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come and passed; nothing at the end."""
        while not self._passed:
            data = await self._stream.receive_some(max_bytes)
            if not data:
                return b""
            try:
                self._passed = self._filter.feed(bytes(data))
            except BadRequest:
                return NO_REQUEST  # Hypercorn answers 400 in its turn, after what it has still to answer
        passed, self._passed = self._passed, b""
        return passed

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See :class:`BoundedStream`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See :class:`trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See :class:`trio.abc.HalfCloseableStream`."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """See :class:`trio.abc.AsyncResource`."""
        await self._stream.aclose()


ServeHttp: TypeAlias = Callable[[BoundedStream, JudgedStream], Awaitable[None]]


@asynccontextmanager
async def http_served(
    app: Any, listeners: list[BoundedListener], settings: Settings, recorder: Recorder
) -> AsyncIterator[None]:
    """Serve an ASGI application within the block; at its end every connection is hung up.

    What Hypercorn cannot digest of a peer's bytes ends that peer's connection only.

    Args:
        app: the ASGI application.
        listeners: where; they are closed at the end.
        settings: its limits.
        recorder: hears of connections that failed.
    """
    serve_http = _hypercorn(app)
    open_streams: set[BoundedStream] = set()

    async def handle(stream: BoundedStream) -> None:
        open_streams.add(stream)
        try:
            await _serve(stream, app, serve_http, settings)
        except Exception as error:
            recorder.log("connection_failed", **describe_error(error))
        finally:
            open_streams.discard(stream)
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, handle, listeners, handler_nursery=nursery))
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
            for stream in open_streams:
                stream.hang_up()


async def _serve(stream: BoundedStream, app: Any, serve_http: ServeHttp, settings: Settings) -> None:
    """Serve one connection, by what its first request asks for."""
    judge, passed = RequestFilter(), b""
    try:
        with trio.fail_after(HEAD_SECONDS):
            while not judge.decided:
                data = await stream.receive_some(RECEIVE_BYTES)
                if not data:
                    return None
                passed += judge.feed(bytes(data))
        if judge.upgrade is not None:
            return await serve_websocket(stream, judge.upgrade, judge.rest, app, settings)
    except trio.TooSlowError:
        return await _refuse(stream, BadRequest(408, "The request took too long to come"))
    except BadRequest as bad:
        return await _refuse(stream, bad)
    await serve_http(stream, JudgedStream(stream, judge, passed))


async def _refuse(stream: BoundedStream, bad: BadRequest) -> None:
    """Answer what is no request, and hang up; what else is on its way is read, else the kernel would take it back."""
    with trio.move_on_after(LINGER_SECONDS):
        await stream.send_all(plain_answer(bad.status, bad.detail))
        await stream.send_eof()
        while await stream.receive_some(RECEIVE_BYTES):
            pass


def _hypercorn(app: Any) -> ServeHttp:
    """Hypercorn's protocol server for one stream. Imported here: its import takes as long as the rest of a start."""
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.trio.tcp_server import TCPServer
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import ConnectionState

    wrapped, config = ASGIWrapper(app), _hypercorn_config()

    async def serve_http(stream: BoundedStream, judged: JudgedStream) -> None:
        context = WorkerContext(None)
        context.sleep = stream.sleep  # type: ignore[method-assign, assignment]  # between pings; else the dead are held
        await TCPServer(wrapped, config, context, ConnectionState({}), judged)  # type: ignore[arg-type]

    return serve_http


def _hypercorn_config() -> Any:
    """What Hypercorn is told. It writes no log: its access log costs time on every request, and its error log an
    exception's own words.
    """
    from hypercorn.config import Config

    config = Config()
    config.errorlog = config.accesslog = None
    config.include_server_header = False
    return config
