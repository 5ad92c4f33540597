"""A handshake that has to wait notices when its client gives up."""

from __future__ import annotations

import trio

from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.transports.asgi import Message, Receive, Send
from chatcore.transports.listener import http_served
from chatcore.transports.stream import open_listeners

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_client_that_leaves_before_it_was_accepted_is_noticed() -> None:
    told: list[str] = []
    left = trio.Event()

    async def wait(scope: Message, receive: Receive, send: Send) -> None:
        for _ in range(2):
            told.append((await receive())["type"])
        left.set()

    settings = Settings(bind="127.0.0.1:0")
    listeners = await open_listeners(settings)
    with trio.fail_after(10):
        async with http_served(wait, listeners, settings, Recorder()):
            async with await trio.open_tcp_stream("127.0.0.1", listeners[0].port) as peer:
                await peer.send_all(HANDSHAKE)
                await trio.sleep(0.1)
                assert told == ["websocket.connect"]
            await left.wait()
    assert told == ["websocket.connect", "websocket.disconnect"]
