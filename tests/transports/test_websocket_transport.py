"""The transport of ``/ws``: bounded sends, a peer that is noticed to be gone, and closes that arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from zlib import Z_SYNC_FLUSH, compressobj

import attrs
import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair, wait_all_tasks_blocked
from websockets.frames import Close, Frame, Opcode

from chatcore.errors import TransportBroken, TransportClosed, TransportOverrun, TransportStalled, TransportViolated
from chatcore.limits import TokenBucket
from chatcore.testing import in_virtual_time
from chatcore.transports.asgi import LINGER_SECONDS
from chatcore.transports.base import Stalled, send
from chatcore.transports.deflate import Inflater
from chatcore.transports.vigil import Vigil
from chatcore.transports.websocket import WebSocketTransport
from chatcore.transports.websocket_protocol import COMPRESSED, MessageReader

PING, PONG = 20.0, 5.0


@attrs.define(eq=False)
class Wire:
    """The server's end of a wire without a network; its sends take ``seconds``, for ever where the peer is stuck."""

    stream: trio.StapledStream[MemorySendStream, MemoryReceiveStream]
    seconds: float = 0.0
    room: float = float("inf")
    sent: bytes = b""
    hung_up_at: float | None = None
    receiving: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def send_now(self, data: bytes) -> int:
        if self.hung_up_at is not None:
            raise trio.ClosedResourceError
        took = min(len(data), 0 if self.seconds else int(min(self.room, len(data))))
        self.room -= took
        self.sent += data[:took]
        return took

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(10) as limit:
            await trio.sleep(self.seconds)
            self.sent += data
        if limit.cancelled_caught:
            raise Stalled

    async def receive(self, max_bytes: int) -> bytes | None:
        with trio.CancelScope() as self.receiving:
            return bytes(await self.stream.receive_some(max_bytes))
        return None

    def rouse(self) -> None:
        self.receiving.cancel()

    def hang_up(self) -> None:
        self.hung_up_at = trio.current_time()
        self.stream.send_stream.close()
        self.stream.receive_stream.close()


@attrs.define(eq=False)
class Peer:
    """The client's end, frame by frame."""

    stream: trio.StapledStream[MemorySendStream, MemoryReceiveStream]
    wire: Wire

    async def send(self, opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> None:
        await self.stream.send_all(Frame(opcode, data, fin).serialize(mask=True))

    async def frames(self) -> list[tuple[Opcode, bytes]]:
        """What has come."""
        await wait_all_tasks_blocked()
        data, found = self.wire.sent, []
        self.wire.sent = b""
        while data:
            size = data[1] if data[1] < 126 else int.from_bytes(data[2:4], "big")
            begin = 2 if data[1] < 126 else 4
            found.append((Opcode(data[0] & 0x0F), data[begin : begin + size]))
            data = data[begin + size :]
        return found


@asynccontextmanager
async def talk(
    rest: bytes = b"",
    *,
    per_second: float = 0.0,
    ping_seconds: float = PING,
    reader: MessageReader | None = None,
    inflating: trio.Semaphore | None = None,
) -> AsyncIterator[tuple[WebSocketTransport, Peer]]:
    ours, theirs = memory_stream_pair()
    wire, vigil = Wire(ours), Vigil(ping_seconds, PONG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vigil.keep)
        small = TokenBucket(per_second, 10)
        transport = WebSocketTransport(wire, reader or MessageReader(1000), small, vigil.spawn)
        transport._inflating = inflating or transport._inflating
        transport.begin(b"", rest)
        with vigil.watch(transport):
            yield transport, Peer(theirs, wire)
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_messages_go_both_ways_beginning_with_what_came_at_once() -> None:
    async with talk(Frame(Opcode.TEXT, b"first").serialize(mask=True)) as (transport, peer):
        await peer.send(Opcode.TEXT, b"second")
        await peer.send(Opcode.BINARY)
        assert [await transport.receive() for _ in range(3)] == ["first", "second", b""]
        await send(transport, "Zoë")
        assert await peer.frames() == [(Opcode.TEXT, "Zoë".encode())]


@in_virtual_time
async def test_pings_are_answered_without_being_seen() -> None:
    async with talk() as (transport, peer):
        await peer.send(Opcode.PING, b"one")
        await peer.send(Opcode.TEXT, b"x")
        assert await transport.receive() == "x"
        assert await peer.frames() == [(Opcode.PONG, b"one")]


@in_virtual_time
async def test_a_ping_during_a_slow_send_is_answered_after_it_and_reading_goes_on() -> None:
    async with talk() as (transport, peer), trio.open_nursery() as nursery:
        peer.wire.seconds = 2
        nursery.start_soon(send, transport, "slow")
        await wait_all_tasks_blocked()
        for payload in (b"one", b"two"):
            await peer.send(Opcode.PING, payload)
        await peer.send(Opcode.TEXT, b"x")
        assert await transport.receive() == "x"
        assert trio.current_time() < 1, "the reader did not wait for the writer"
        await trio.sleep(5)
        assert await peer.frames() == [(Opcode.TEXT, b"slow"), (Opcode.PONG, b"two")]


@in_virtual_time
async def test_a_peer_that_vanished_is_hung_up_on_within_interval_and_timeout() -> None:
    async with talk() as (transport, peer):
        await peer.send(Opcode.TEXT, b"x")
        await trio.sleep(7)
        assert await transport.receive() == "x"
        with pytest.raises(TransportBroken):
            await transport.receive()
        assert trio.current_time() == pytest.approx(7 + PING + PONG)
        with pytest.raises(TransportBroken):
            await send(transport, "x")


@in_virtual_time
async def test_a_peer_that_only_reads_slowly_is_asked_between_frames_and_stays() -> None:
    async with talk() as (transport, peer), trio.open_nursery() as nursery:
        peer.wire.seconds = 3

        async def answer() -> None:
            while True:
                if any(opcode is Opcode.PING for opcode, _ in await peer.frames()):
                    await peer.send(Opcode.PONG)
                await trio.sleep(0.5)

        async def listen() -> None:
            await transport.receive()

        nursery.start_soon(answer)
        nursery.start_soon(listen)
        while trio.current_time() < 10 * PING:
            await send(transport, "more")
        assert peer.wire.hung_up_at is None
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_quiet_peer_that_answers_pings_stays() -> None:
    async with talk() as (transport, peer), trio.open_nursery() as nursery:

        async def answer() -> None:
            while True:
                await trio.sleep(PING + 1)
                if (Opcode.PING, b"") in await peer.frames():
                    await peer.send(Opcode.PONG)

        nursery.start_soon(answer)
        with trio.move_on_after(10 * PING) as long_silence:
            await transport.receive()
        assert long_silence.cancelled_caught
        assert peer.wire.hung_up_at is None
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_peer_that_leaves_is_seen_and_its_farewell_answered() -> None:
    async with talk() as (transport, peer):
        await peer.send(Opcode.CLOSE, Close(1001, "bye").serialize())
        with pytest.raises(TransportBroken):
            await transport.receive()
        assert await peer.frames() == [(Opcode.CLOSE, Close(1001, "").serialize())]
    async with talk() as (transport, peer):
        await peer.stream.aclose()
        with pytest.raises(TransportBroken):
            await transport.receive()
        with pytest.raises(TransportBroken):
            await send(transport, "x")


@in_virtual_time
async def test_a_close_carries_code_and_reason_and_waits_for_the_answer() -> None:
    async with talk() as (transport, peer), trio.open_nursery() as nursery:
        nursery.start_soon(transport.close, 1012, "Draining")
        assert await peer.frames() == [(Opcode.CLOSE, Close(1012, "Draining").serialize())]
        await peer.send(Opcode.TEXT, b"on its way")
        await peer.send(Opcode.CLOSE, Close(1012, "").serialize())
        await wait_all_tasks_blocked()
        assert not nursery.child_tasks
        for call in (transport.receive(), send(transport, "x")):
            with pytest.raises(TransportClosed):
                await call
        await transport.close(1000, "again")
        assert await peer.frames() == []


@in_virtual_time
async def test_a_close_that_is_not_answered_ends_in_time() -> None:
    async with talk() as (transport, _):
        await transport.close(1012, "Draining")
        assert trio.current_time() == LINGER_SECONDS


@in_virtual_time
async def test_a_peer_that_does_not_read_breaks_the_send_in_time() -> None:
    async with talk() as (transport, peer):
        peer.wire.seconds = float("inf")
        with pytest.raises(TransportStalled):
            await send(transport, "x")
        assert trio.current_time() == 10
        await transport.close(1000, "")
        assert trio.current_time() == 10


@in_virtual_time
async def test_a_send_that_was_cancelled_is_the_last() -> None:
    async with talk() as (transport, peer):
        peer.wire.seconds = 2
        with trio.move_on_after(1):
            await send(transport, "half")
        with pytest.raises(TransportBroken):
            await send(transport, "x")
        assert peer.wire.hung_up_at == 1


@in_virtual_time
async def test_a_fault_comes_after_what_was_right_and_can_be_answered_with_its_code() -> None:
    async with talk() as (transport, peer), trio.open_nursery() as nursery:
        await peer.send(Opcode.TEXT, b"right")
        await peer.send(Opcode.TEXT, b"\xff")
        assert await transport.receive() == "right"
        for _ in range(2):
            with pytest.raises(TransportViolated) as fault:
                await transport.receive()
        nursery.start_soon(transport.close, fault.value.code, fault.value.reason)
        assert (await peer.frames())[0] == (Opcode.CLOSE, Close(1007, "Text must be UTF-8").serialize())
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CONT])
@in_virtual_time
async def test_a_flood_of_what_is_no_message_is_an_overrun(opcode: Opcode) -> None:
    async with talk(per_second=1) as (transport, peer):
        if opcode is Opcode.CONT:
            await peer.send(Opcode.TEXT, fin=False)
        for _ in range(12):
            await peer.send(opcode, fin=opcode is not Opcode.CONT)
        with pytest.raises(TransportOverrun):
            await transport.receive()


@in_virtual_time
async def test_a_pong_that_does_not_fit_is_sent_by_itself_and_reading_goes_on() -> None:
    async with talk() as (transport, peer):
        peer.wire.room = 1
        await peer.send(Opcode.PING, b"one")
        await peer.send(Opcode.TEXT, b"x")
        assert await transport.receive() == "x"
        assert trio.current_time() == 0
        assert await peer.frames() == [(Opcode.PONG, b"one")]


@in_virtual_time
async def test_a_ping_that_does_not_fit_is_sent_by_itself_and_its_answer_waited_for() -> None:
    async with talk() as (transport, peer), trio.open_nursery() as nursery:
        nursery.start_soon(transport.receive)
        await trio.sleep(1)
        peer.wire.room = 1
        await trio.sleep(PING - 0.5)
        assert await peer.frames() == [(Opcode.PING, b"")]
        peer.wire.room = float("inf")
        await peer.send(Opcode.PONG)
        await trio.sleep(PONG + 1)
        assert peer.wire.hung_up_at is None
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_every_call_is_a_checkpoint() -> None:
    async with talk() as (transport, peer):
        await peer.send(Opcode.TEXT, b"x")
        for call in (transport.receive, partial(send, transport, "x"), transport.flush):
            with trio.CancelScope() as cancelled:
                cancelled.cancel()
                await call()
            assert cancelled.cancelled_caught


@in_virtual_time
async def test_after_a_fault_the_answer_to_the_close_ends_it_at_once() -> None:
    async with talk() as (transport, peer):
        await peer.stream.send_all(b"\x81\x05hello")  # without a mask
        with pytest.raises(TransportViolated):
            await transport.receive()
        began_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.close, 1002, "")
            await wait_all_tasks_blocked()
            await peer.send(Opcode.CLOSE, b"\x03\xea")
        assert trio.current_time() == began_at


SQUEEZED_BYTES = 32_768


def squeezed(size: int, beginning: int = 0) -> bytes:
    """A message that holds so many bytes; where it has a beginning of so many bytes compressed, in two frames."""
    compressor = compressobj(wbits=-15)
    data = (compressor.compress(bytes(size)) + compressor.flush(Z_SYNC_FLUSH))[:-4]
    plain = Frame(Opcode.BINARY, data[:beginning] or data, fin=not beginning).serialize(mask=True)
    rest = Frame(Opcode.CONT, data[beginning:]).serialize(mask=True) if beginning else b""
    return bytes([plain[0] | COMPRESSED]) + plain[1:] + rest


def roomy() -> MessageReader:
    """One that inflates, and takes messages of several pieces."""
    return MessageReader(SQUEEZED_BYTES, Inflater(15))


@pytest.mark.parametrize("beginning", [0, 2], ids=["one frame", "two frames"])
@in_virtual_time
async def test_few_inflate_at_once_and_the_others_wait_for_them(beginning: int) -> None:
    inflating = trio.Semaphore(0)
    async with talk(reader=roomy(), inflating=inflating) as (transport, peer):
        await peer.stream.send_all(squeezed(SQUEEZED_BYTES, beginning))
        with trio.move_on_after(1) as waiting:
            await transport.receive()
        assert waiting.cancelled_caught
    async with talk(reader=roomy(), inflating=inflating) as (transport, peer):
        await peer.stream.send_all(squeezed(SQUEEZED_BYTES, beginning))
        inflating.release()
        assert await transport.receive() == bytes(SQUEEZED_BYTES)
    assert inflating.value == 1


@in_virtual_time
async def test_what_is_inflated_at_once_waits_for_nobody() -> None:
    async with talk(reader=roomy(), inflating=trio.Semaphore(0)) as (transport, peer):
        await peer.stream.send_all(squeezed(1_000))
        with trio.fail_after(1):
            assert await transport.receive() == bytes(1_000)


@pytest.mark.parametrize(("size", "fault"), [(100 * SQUEEZED_BYTES, TransportViolated), (20_000, TransportOverrun)])
@in_virtual_time
async def test_whoever_is_cut_while_inflating_leaves_room_for_others(size: int, fault: type[Exception]) -> None:
    inflating = trio.Semaphore(1)
    async with talk(reader=roomy(), per_second=1.0, inflating=inflating) as (transport, peer):
        for _ in range(20):
            await peer.stream.send_all(squeezed(size))
        with pytest.raises(fault):
            await take_all(transport)
    assert inflating.value == 1


async def take_all(transport: WebSocketTransport) -> None:
    while True:
        await transport.receive()
