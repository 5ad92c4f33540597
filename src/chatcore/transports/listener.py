"""The sockets of ``chatcore serve``: requests are judged by their heads, WebSockets are our own, HTTP is Hypercorn's.

Every head of HTTP/1.1 passes :mod:`.http_head` first. Hypercorn shields its writes from cancellation, so one client
that stops reading would hold its connection, and at shutdown the whole process, for as long as it likes. Here each
write has a deadline of its own, and at the end everyone is hung up on (architecture.md, section 2).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from socket import socket
from typing import Any, TypeAlias

import attrs
import trio

from chatcore.observability import Recorder, describe_error
from chatcore.settings import Settings
from chatcore.transports.asgi import LINGER_SECONDS, Message, Receive, Send
from chatcore.transports.http2_pace import FramePace
from chatcore.transports.http_head import BadRequest, RequestFilter
from chatcore.transports.readiness import readiness_kept
from chatcore.transports.stream import BoundedListener, BoundedStream
from chatcore.transports.turnstile import Turnstile
from chatcore.transports.upgrade import Shared, Upgrade, plain_answer, upgraded
from chatcore.transports.vigil import Vigil

HEAD_SECONDS = 5.0
"""How long a client may take to say what it wants, once it is connected."""

HEAD_BYTES = 16_384
"""Half of the longest head."""

ANSWER_SECONDS = 20.0
"""What a part of an answer over HTTP/2 may take: the longest is one of a megabyte."""

NO_REQUEST = b"\0\r\n\r\n"
"""What no server takes for a request."""


@attrs.define(eq=False)
class JudgedStream(trio.abc.HalfCloseableStream):
    """What Hypercorn gets of a connection: the bytes that passed. Hypercorn asks for ``socket``."""

    _stream: BoundedStream
    _filter: RequestFilter
    _passed: bytes
    _pace: FramePace | None = None

    def __attrs_post_init__(self) -> None:
        if self._filter.http2:
            self._pace = FramePace()

    @property
    def socket(self) -> socket:
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
        if self._pace is not None:
            return await self._paced(self._pace)
        passed, self._passed = self._passed, b""
        return passed

    async def _paced(self, pace: FramePace) -> bytes:
        """What may be passed on of frames of HTTP/2, when it may. One that is too long is the end."""
        await trio.lowlevel.checkpoint()
        try:
            size, wait = pace.measure(self._passed, trio.current_time())
            while wait > 0:
                await trio.sleep(wait)
                size, wait = pace.measure(self._passed, trio.current_time())
        except BadRequest:
            self._stream.hang_up()
            return b""
        passed, self._passed = self._passed[:size], self._passed[size:]
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
    shared = Shared(Vigil(settings.ping_seconds, settings.pong_timeout_seconds))
    serve_http = _hypercorn(app, shared.turnstile)
    open_streams: set[BoundedStream] = set()

    async def handle(stream: BoundedStream) -> None:
        open_streams.add(stream)
        try:
            upgrade = await _first_request(stream, app, serve_http, settings, shared)
            if upgrade is not None:
                if readiness is not None:
                    stream.be_watched(readiness)
                transport, conversation = upgrade.begin()
                del upgrade  # nothing of the handshake is held while it lasts: there may be thousands
                with shared.vigil.watch(transport):
                    await conversation
        except Exception as error:
            recorder.log("connection_failed", **describe_error(error))
        finally:
            open_streams.discard(stream)
            stream.hang_up()

    async with readiness_kept() as readiness, trio.open_nursery() as nursery:
        nursery.start_soon(shared.vigil.keep)
        nursery.start_soon(shared.turnstile.keep)
        for listener in listeners:
            nursery.start_soon(listener.serve, lambda stream: nursery.start_soon(handle, stream, name="connection"))
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
            for stream in open_streams:
                stream.hang_up()


async def _first_request(
    stream: BoundedStream, app: Any, serve_http: ServeHttp, settings: Settings, shared: Shared
) -> Upgrade | None:
    """Do what a connection's first request asks for; what is still to be served, if that is a WebSocket."""
    judge = RequestFilter()
    try:
        passed = judge.feed(stream.receive_now(HEAD_BYTES))  # in a stampede it has come
        if not judge.decided:
            passed += await _judged(stream, judge, shared.turnstile)
        if not judge.decided:
            return None
        if judge.upgrade is not None:
            return await upgraded(stream, judge.upgrade, judge.rest, app, settings, shared)
    except trio.TooSlowError:
        await shared.turnstile.go_through()  # those who came together are late together
        await _refuse(stream, BadRequest(408, "The request took too long to come"))
    except BadRequest as bad:
        await _refuse(stream, bad)
    except trio.BrokenResourceError:  # it has left, as whoever only looks whether somebody listens does
        return None
    else:
        await serve_http(stream, JudgedStream(stream, judge, passed))
    return None


async def _judged(stream: BoundedStream, judge: RequestFilter, turnstile: Turnstile) -> bytes:
    """Have the first head judged; what passed of it. Where the client leaves, it never will be.

    Raises:
        trio.TooSlowError: the client takes too long; that others have their turn first is not held against it.
    """
    passed, until = b"", trio.current_time() + HEAD_SECONDS
    while not judge.decided:
        with trio.fail_at(until):
            data = await stream.receive_some(HEAD_BYTES)
        if not data:
            break
        arrived_at = trio.current_time()
        await turnstile.go_through()
        until += trio.current_time() - arrived_at
        passed += judge.feed(data)
    return passed


async def _refuse(stream: BoundedStream, bad: BadRequest) -> None:
    """Answer what is no request, and hang up; what else is on its way is read, else the kernel would take it back."""
    with trio.move_on_after(LINGER_SECONDS), suppress(trio.BrokenResourceError):
        await stream.send_all(plain_answer(bad.status, bad.detail))
        await stream.send_eof()
        while await stream.receive_some(HEAD_BYTES):
            pass


def _hypercorn(app: Any, turnstile: Turnstile) -> ServeHttp:
    """Hypercorn's protocol server for one stream. Imported here: its import takes as long as the rest of a start."""
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.trio.tcp_server import TCPServer
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import ConnectionState

    config = _hypercorn_config()

    async def serve_http(stream: BoundedStream, judged: JudgedStream) -> None:
        wrapped = ASGIWrapper(_answered_in_time(app, stream, turnstile))
        context = WorkerContext(None)
        context.sleep = stream.sleep  # type: ignore[method-assign, assignment]  # between pings; else the dead are held
        await TCPServer(wrapped, config, context, ConnectionState({}), judged)  # type: ignore[arg-type]

    return serve_http


def _answered_in_time(app: Any, stream: BoundedStream, turnstile: Turnstile) -> Any:
    """The application, in its turn: a hundred requests may come in one read. And with a deadline for each part of an
    answer over HTTP/2: a client that opens no window for it keeps it from the socket, and so from the deadline that is
    there.
    """

    async def answered(scope: Message, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            with trio.move_on_after(ANSWER_SECONDS) as limit:
                await send(message)
            if limit.cancelled_caught:
                stream.hang_up()

        await turnstile.go_through()
        await app(scope, receive, send_in_time if scope.get("http_version") == "2" else send)

    return answered


def _hypercorn_config() -> Any:
    """What Hypercorn is told. It writes no log: its access log costs time on every request, and its error log an
    exception's own words.
    """
    from hypercorn.config import Config

    config = Config()
    config.errorlog = config.accesslog = None
    config.include_server_header = False
    return config
