"""The listener: writes that end in time, and a peer whose bytes cannot be digested costs itself alone."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import pytest
import trio

from chatcore.errors import ConfigurationError
from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.testing import in_virtual_time
from chatcore.transports import stream as module
from chatcore.transports.http_head import RequestFilter
from chatcore.transports.listener import HEAD_SECONDS, _judged, http_served
from chatcore.transports.stream import SLICE_BYTES, BoundedStream, open_listeners
from chatcore.transports.turnstile import Turnstile

LOTS = b"x" * 8_000_000
"""More than two sockets hold between them."""


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[BoundedStream, trio.SocketStream]]:
    """A bounded stream and its peer, over the loopback."""
    (listener,) = await open_listeners(Settings(bind="127.0.0.1:0"))
    give, accepted = trio.open_memory_channel[BoundedStream](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.serve, give.send_nowait)
        peer = await trio.open_tcp_stream("127.0.0.1", listener.port)
        async with peer, await accepted.receive() as stream:
            yield stream, peer
        nursery.cancel_scope.cancel()


async def test_a_peer_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.2)
    async with connected() as (stream, _):
        began_at = trio.current_time()
        with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
            await stream.send_all(LOTS)
        assert trio.current_time() - began_at >= 0.2


async def test_a_peer_that_was_given_up_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it reads again, it finds what was on its way, and the end: not silence."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.2)
    async with connected() as (stream, peer):
        with trio.fail_after(30):
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(LOTS)
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()
            got = 0
            while data := await peer.receive_some():
                got += len(data)
        assert 0 < got < len(LOTS)


async def test_a_peer_that_reads_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice has its own time, so a long frame may take longer than one."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 2.0)
    async with connected() as (stream, peer):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SLICE_BYTES)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLICE_BYTES)
        got = 0

        async def read() -> None:
            nonlocal got
            while got < len(LOTS):
                got += len(await peer.receive_some(400_000))
                await trio.sleep(0.02)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await stream.send_all(LOTS)
        assert got == len(LOTS)


async def test_it_sleeps_no_longer_than_the_peer_is_there() -> None:
    async with connected() as (stream, peer):
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.sleep, 3600)
                await peer.aclose()
                assert await stream.receive_some() == b""


async def test_hanging_up_ends_a_write_that_waits() -> None:
    async with connected() as (stream, _):
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_expect_closed, stream)
                await trio.testing.wait_all_tasks_blocked(0.01)
                stream.hang_up()


async def _expect_closed(stream: BoundedStream) -> None:
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(LOTS)


@pytest.mark.parametrize("bind", ["127.0.0.1:{taken}", "192.0.2.1:0", "nowhere.invalid:0"])
async def test_an_address_that_cannot_be_had_is_named(bind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(bind=bind.format(taken=taken.getsockname()[1]))
        with pytest.raises(ConfigurationError, match="bind: cannot listen on"):
            await open_listeners(settings)


@attrs.define
class Log(Recorder):
    """What was logged."""

    events: list[str] = attrs.field(factory=list)

    def log(self, event: str, **fields: Any) -> None:
        assert "secret" not in str(fields)
        self.events.append(event)


async def crash_or_answer(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application; ``/crash`` is answered so that Hypercorn cannot go on."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        return
    if scope["path"] == "/crash":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"secret, and too long"})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
BAD = {
    "crash": b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n",
    "both lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    "noise": bytes(range(128, 256)) * 4,
    "frames before the handshake is over": HANDSHAKE + bytes(range(256)),
    "nothing": b"",
    "half": b"GET / HTT",
    "no version": b"GET /\r\n\r\n",
    "upgrade without key": b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "websocket over 1.0": b"GET / HTTP/1.0\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "http/2 noise": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)),
}


async def test_bytes_that_cannot_be_digested_end_their_own_connection_only() -> None:
    log, settings = Log(), Settings(bind="127.0.0.1:0")
    listeners = await open_listeners(settings)
    with trio.fail_after(30):
        async with http_served(crash_or_answer, listeners, settings, log):
            for name, data in BAD.items():
                async with await trio.open_tcp_stream("127.0.0.1", listeners[0].port) as peer:
                    await peer.send_all(data)
                    await peer.send_eof()
                    answer = b""
                    with trio.move_on_after(0.5):
                        while part := await _receive(peer):
                            answer += part
                assert b"secret" not in answer or name == "crash"
                assert await _ask(listeners[0].port) == b"ok", name
    assert set(log.events) <= {"connection_failed"}


@pytest.mark.parametrize("data", [BAD["both lengths"], BAD["half"], b""], ids=["a bad head", "half a head", "nothing"])
async def test_whoever_resets_before_a_request_leaves_no_line_in_the_log(data: bytes) -> None:
    log, settings = Log(), Settings(bind="127.0.0.1:0")
    listeners = await open_listeners(settings)
    with trio.fail_after(30):
        async with http_served(crash_or_answer, listeners, settings, log):
            for _ in range(10):
                peer = await trio.open_tcp_stream("127.0.0.1", listeners[0].port)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await peer.send_all(data)
                await trio.sleep(0.01)
                await peer.aclose()
            assert await _ask(listeners[0].port) == b"ok"
    assert log.events == []


@attrs.define
class Slow(Turnstile):
    """One at which others go first for long."""

    seconds: float = 0.0

    async def go_through(self) -> None:
        await trio.sleep(self.seconds)


@attrs.define(eq=False)
class Drip:
    """A client whose head comes in three parts, each after so many seconds."""

    seconds: float
    parts: list[bytes] = attrs.field(factory=lambda: [b"GET / HT", b"TP/1.1\r\nHo", b"st: x\r\n\r\n"])

    async def receive_some(self, _: int) -> bytes:
        await trio.sleep(self.seconds)
        return self.parts.pop(0)


@in_virtual_time
async def test_the_turns_of_others_are_not_held_against_a_client() -> None:
    assert await _judged(cast("BoundedStream", Drip(1.0)), RequestFilter(), Slow(seconds=HEAD_SECONDS))
    with pytest.raises(trio.TooSlowError):
        await _judged(cast("BoundedStream", Drip(HEAD_SECONDS / 2)), RequestFilter(), Slow())


async def _receive(peer: trio.SocketStream) -> bytes:
    try:
        return bytes(await peer.receive_some(65536))
    except trio.BrokenResourceError:
        return b""


async def _ask(port: int) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as peer:
        await peer.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := await peer.receive_some(65536):
            answer += part
    return answer.rpartition(b"\r\n\r\n")[2]


async def test_at_the_end_everyone_is_hung_up_on() -> None:
    settings = Settings(bind="127.0.0.1:0")
    listeners = await open_listeners(settings)
    port = listeners[0].port
    with trio.fail_after(30):
        async with http_served(crash_or_answer, listeners, settings, Log()):
            silent = await trio.open_tcp_stream("127.0.0.1", port)
            assert await _ask(port) == b"ok"
        assert await _receive(silent) == b""
        await silent.aclose()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
