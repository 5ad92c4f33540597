"""HTTP/2 on the listener: spoken with who begins with it, and bounded."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
import trio

from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.transports import listener as module
from chatcore.transports.asgi import Message, Receive, Send
from chatcore.transports.listener import http_served
from chatcore.transports.stream import open_listeners

HEAD = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "localhost")]
ANSWER = b"x" * 100_000


async def answering(scope: Message, receive: Receive, send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-host", dict(scope["headers"])[b"host"])]}
    )
    await send({"type": "http.response.body", "body": ANSWER})


@attrs.define
class Client:
    """A client of HTTP/2."""

    stream: trio.SocketStream
    h2: h2.connection.H2Connection
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list)

    async def flush(self) -> None:
        await self.stream.send_all(self.h2.data_to_send())

    async def read(self) -> bool:
        """Take what comes; whether anything did."""
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            return False
        for event in self.h2.receive_data(bytes(data)):
            if isinstance(event, h2.events.ResponseReceived):
                self.headers += event.headers or []
            if isinstance(event, h2.events.DataReceived):
                self.body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        await self.flush()
        return bool(data)


@asynccontextmanager
async def client(*, window: int = 65_535) -> AsyncIterator[Client]:
    settings = Settings(bind="127.0.0.1:0")
    listeners = await open_listeners(settings)
    with trio.fail_after(60):
        async with (
            http_served(answering, listeners, settings, Recorder()),
            await trio.open_tcp_stream("127.0.0.1", listeners[0].port) as stream,
        ):
            connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
            initial = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            connection.local_settings = h2.settings.Settings(client=True, initial_values=initial)
            connection.initiate_connection()
            found = Client(stream, connection)
            await found.flush()
            yield found


async def test_a_request_is_answered() -> None:
    async with client() as peer:
        peer.h2.send_headers(1, HEAD, end_stream=True)
        await peer.flush()
        while len(peer.body) < len(ANSWER):
            assert await peer.read()
        assert (b":status", b"200") in peer.headers
        assert (b"x-host", b"localhost") in peer.headers


async def test_a_frame_of_sixteen_megabytes_ends_it_by_its_head() -> None:
    async with client() as peer:
        await peer.stream.send_all(b"\xff\xff\xff" + struct.pack("!BBI", 0, 0, 1))
        while await peer.read():
            pass


async def test_an_answer_for_which_no_window_is_opened_ends_it_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    async with client(window=0) as peer:
        peer.h2.send_headers(1, HEAD, end_stream=True)
        await peer.flush()
        while await peer.read():
            pass
        assert peer.body == b""


async def test_who_floods_is_read_more_slowly_and_answered_all_the_same() -> None:
    async with client() as peer:
        for _ in range(500):
            peer.h2.ping(b"12345678")
        peer.h2.send_headers(1, HEAD, end_stream=True)
        began_at = trio.current_time()
        await peer.flush()
        while len(peer.body) < len(ANSWER):
            assert await peer.read()
        assert trio.current_time() - began_at > 0.2
