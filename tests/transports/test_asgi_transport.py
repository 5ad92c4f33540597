"""The ASGI transport over a scripted ASGI server: always receiving, and honest about what it cannot do any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from chatcore.errors import TransportBroken, TransportClosed, TransportOverrun
from chatcore.transports.asgi import INBOX_FRAMES, LINGER_SECONDS, AsgiTransport, accept_websocket
from chatcore.transports.base import send


@attrs.define(eq=False)
class Peer:
    """An ASGI server and the client behind it."""

    sent: list[dict[str, Any]] = attrs.field(factory=list)
    received: int = 0
    _channel: Any = attrs.field(factory=lambda: trio.open_memory_channel[Any](100_000))

    def says(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._channel[0].send_nowait(message)

    def text(self, text: str) -> None:
        self.says({"type": "websocket.receive", "text": text, "bytes": None})

    def binary(self, data: bytes | None) -> None:
        self.says({"type": "websocket.receive", "text": None, "bytes": data})

    def leaves(self) -> None:
        self.says({"type": "websocket.disconnect", "code": 1006})

    async def receive(self) -> Any:
        message = await self._channel[1].receive()
        self.received += 1
        return message

    async def send(self, message: Any) -> None:
        self.sent.append(message)


@asynccontextmanager
async def accepted(peer: Peer, *, max_message_bytes: int = 1000) -> AsyncIterator[AsgiTransport]:
    with trio.fail_after(60):
        async with accept_websocket(
            peer.receive, peer.send, subprotocol="chatcore.v1", max_message_bytes=max_message_bytes
        ) as transport:
            yield transport


async def test_it_accepts_with_the_subprotocol() -> None:
    peer = Peer()
    async with accepted(peer):
        pass
    assert peer.sent == [{"type": "websocket.accept", "subprotocol": "chatcore.v1", "headers": []}]


async def test_frames_come_in_order_and_an_empty_binary_frame_is_one() -> None:
    peer = Peer()
    async with accepted(peer) as transport:
        peer.text("one")
        peer.text("")
        peer.binary(b"two")
        peer.binary(b"")
        peer.binary(None)
        assert [await transport.receive() for _ in range(5)] == ["one", "", b"two", b"", b""]


async def test_it_receives_although_nobody_asks() -> None:
    peer = Peer()
    async with accepted(peer) as transport:
        for number in range(INBOX_FRAMES):
            peer.text(str(number))
        peer.leaves()
        await wait_all_tasks_blocked()
        assert peer.received == INBOX_FRAMES + 1, "so a disconnect behind them is seen"
        with pytest.raises(TransportBroken):
            await send(transport, "x")
        assert [await transport.receive() for _ in range(INBOX_FRAMES)] == list(map(str, range(INBOX_FRAMES)))
        with pytest.raises(TransportBroken):
            await transport.receive()


@pytest.mark.parametrize("size", [1, 1500])
async def test_who_sends_too_fast_is_told_apart_from_who_is_gone(size: int) -> None:
    """The inbox holds a number of frames, and four of the largest messages."""
    peer = Peer()
    async with accepted(peer) as transport:
        for _ in range(INBOX_FRAMES + 5):
            peer.text("x" * size)
        await wait_all_tasks_blocked()
        kept = INBOX_FRAMES if size == 1 else 4000 // size
        for _ in range(kept):
            await transport.receive()
        with pytest.raises(TransportOverrun):
            await transport.receive()
        await send(transport, "you are too fast")
        assert peer.sent[-1] == {"type": "websocket.send", "text": "you are too fast"}
        peer.leaves()
        await wait_all_tasks_blocked()
        with pytest.raises(TransportBroken):
            await transport.receive()


async def test_a_waiting_receiver_sees_the_disconnect_at_once() -> None:
    peer = Peer()
    async with accepted(peer) as transport, trio.open_nursery() as nursery:
        nursery.start_soon(_expect_broken, transport)
        await wait_all_tasks_blocked()
        peer.leaves()


async def _expect_broken(transport: AsgiTransport) -> None:
    with pytest.raises(TransportBroken):
        await transport.receive()


async def test_a_send_to_a_dead_connection_raises_and_is_a_checkpoint() -> None:
    """A loop of them must not freeze the process (guarantees.md, 31)."""
    peer, sends = Peer(), 0
    async with accepted(peer) as transport:
        peer.leaves()
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.05):
            while True:
                with pytest.raises(TransportBroken):
                    await send(transport, "x")
                sends += 1
    assert sends > 0
    assert len(peer.sent) == 1, "none of them reached the server"


async def test_a_send_during_which_the_peer_leaves_is_told() -> None:
    class Leaving(Peer):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if message["type"] == "websocket.send":
                self.leaves()
                await wait_all_tasks_blocked()

    peer = Leaving()
    async with accepted(peer) as transport:
        with pytest.raises(TransportBroken):
            await send(transport, "x")


async def test_a_send_that_was_cancelled_is_the_last() -> None:
    """Hypercorn lets go of a frame that waits behind another one; the next would be heard as if it were not missing."""

    class Slow(Peer):
        async def send(self, message: Any) -> None:
            if message.get("text") == "under way":
                await trio.sleep_forever()
            await super().send(message)
            if message["type"] == "websocket.close":
                self.leaves()

    peer = Slow()
    async with accepted(peer) as transport:
        await send(transport, "heard")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, transport, "under way")
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        for call in (transport.flush, partial(send, transport, "a last word")):
            with pytest.raises(TransportBroken):
                await call()
        await transport.close(1012, "Draining")
    assert [message.get("text", message.get("code")) for message in peer.sent[1:]] == ["heard", 1012]


async def test_what_was_taken_and_not_begun_is_sent_by_the_next_flush() -> None:
    peer = Peer()
    async with accepted(peer) as transport:
        assert not transport.offer(b"waits")
        with trio.CancelScope() as cancelled:
            cancelled.cancel()
            await transport.flush()
        assert len(peer.sent) == 1
        await transport.flush()
    assert peer.sent[1] == {"type": "websocket.send", "text": "waits"}


async def test_closing_waits_for_the_other_sides_close() -> None:
    peer = Peer()
    async with accepted(peer) as transport, trio.open_nursery() as nursery:
        nursery.start_soon(transport.close, 1012, "Draining")
        await wait_all_tasks_blocked()
        peer.text("still talking")
        peer.leaves()
    assert peer.sent[-1] == {"type": "websocket.close", "code": 1012, "reason": "Draining"}


async def test_closing_waits_no_longer_than_a_moment(autojump_clock: MockClock) -> None:
    peer = Peer()
    async with accepted(peer) as transport:
        began_at = trio.current_time()
        await transport.close(1000, "")
        assert trio.current_time() - began_at == pytest.approx(LINGER_SECONDS)
        await transport.close(1011, "again")
        with pytest.raises(TransportClosed):
            await send(transport, "x")
        with pytest.raises(TransportClosed):
            await transport.receive()
    assert [message["type"] for message in peer.sent] == ["websocket.accept", "websocket.close"]


async def test_closing_a_dead_connection_does_nothing() -> None:
    peer = Peer()
    async with accepted(peer) as transport:
        peer.leaves()
        await wait_all_tasks_blocked()
        await transport.close(1012, "")
    assert len(peer.sent) == 1
