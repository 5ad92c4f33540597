"""The listener, from outside: handshakes, faults and floods each end in their stated way, and nobody else notices."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from websockets.frames import Frame, Opcode

from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.testing.echo import echo
from chatcore.transports import listener as module
from chatcore.transports import stream
from chatcore.transports.listener import http_served
from chatcore.transports.stream import open_listeners

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@asynccontextmanager
async def echoing(**changed: object) -> AsyncIterator[int]:
    """An echo server; its port."""
    settings = Settings(bind="127.0.0.1:0", **changed)  # type: ignore[arg-type]
    listeners = await open_listeners(settings)
    with trio.fail_after(60):
        async with http_served(echo, listeners, settings, Recorder()):
            yield listeners[0].port


async def read_all(peer: trio.SocketStream) -> bytes:
    data = b""
    try:
        while part := await peer.receive_some():
            data += bytes(part)
    except trio.BrokenResourceError:
        pass
    return data


async def told(port: int, data: bytes, *, end: bool = False) -> bytes:
    """What comes back until the server hangs up."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as peer:
        await peer.send_all(data)
        if end:
            await peer.send_eof()
        return await read_all(peer)


def masked(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def close_code(answer: bytes) -> int:
    """Of the close frame at the end of what came."""
    frames = answer.partition(b"\r\n\r\n")[2]
    at = frames.rindex(b"\x88")
    return int(struct.unpack("!H", frames[at + 2 : at + 4])[0])


async def test_a_handshake_is_answered_and_messages_come_back() -> None:
    bye = masked(Opcode.CLOSE, struct.pack("!H", 1000))
    async with echoing() as port:
        answer = await told(port, HANDSHAKE + masked(Opcode.TEXT, b"hello") + masked(Opcode.BINARY, b"\0") + bye)
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"\x81\x05hello\x82\x01\0\x88" in answer
    assert close_code(answer) == 1000


FAULTS = [
    (masked(Opcode.TEXT, b"\xff"), 1007),
    (b"\xc1\x80\0\0\0\0", 1002),
    (b"\x81\x05hello", 1002),
    (b"\x82\xff" + struct.pack("!Q", 1 << 40), 1009),
    (masked(Opcode.TEXT, b"x", fin=False) + masked(Opcode.TEXT), 1002),
]


@pytest.mark.parametrize(("data", "code"), FAULTS, ids=range(len(FAULTS)))  # frames have random masks
async def test_each_fault_closes_with_its_code(data: bytes, code: int) -> None:
    async with echoing() as port:
        assert close_code(await told(port, HANDSHAKE + data + b"\0" * 100_000, end=True)) == code


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HANDSHAKE.replace(b"13", b"12"), 426),
        (HANDSHAKE.replace(b"dGhl", b"!!!!"), 400),
        (HANDSHAKE.replace(b"\r\n", b"\n"), 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_answered_so(data: bytes, status: int) -> None:
    async with echoing() as port:
        answer = await told(port, data)
    assert b"HTTP/1.1 %d " % status in answer


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", HANDSHAKE[:-2]])
async def test_a_slow_handshake_is_closed_in_time(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.2)
    async with echoing() as port:
        began_at = trio.current_time()
        answer = await told(port, sent)
        assert trio.current_time() - began_at < 2
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_h2c_is_never_taken_and_other_requests_are_hypercorns() -> None:
    lines = [b"GET / HTTP/1.1", b"Host: x", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"]
    offer = b"\r\n".join([*lines, b"HTTP2-Settings: AAMA"]) + b"\r\n\r\n"
    async with echoing() as port, await trio.open_tcp_stream("127.0.0.1", port) as peer:
        await peer.send_all(offer + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await read_all(peer)
    assert b" 101 " not in answer
    assert answer.count(b"HTTP/1.1 426 ") == 2


async def test_a_flood_of_pings_is_an_overrun_and_others_go_on() -> None:
    async with echoing(max_frames_per_second=10) as port:
        await told(port, HANDSHAKE + masked(Opcode.PING) * 1000)
        bye = masked(Opcode.CLOSE, struct.pack("!H", 1000))
        assert b"\x81\x02hi" in await told(port, HANDSHAKE + masked(Opcode.TEXT, b"hi") + bye)


OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
OFFERING = HANDSHAKE[:-2] + OFFER
BYE = masked(Opcode.CLOSE, struct.pack("!H", 1000))


def squeezed(data: bytes) -> bytes:
    """A compressed message of a client."""
    compressor = zlib.compressobj(wbits=-12)
    whole = bytearray(masked(Opcode.BINARY, (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]))
    whole[0] |= 0x40
    return bytes(whole)


async def test_messages_are_compressed_where_that_was_configured_and_offered() -> None:
    async with echoing(compression=True) as port:
        taken = await told(port, OFFERING + squeezed(b"x" * 5000) + masked(Opcode.TEXT, b"hi") + BYE)
        assert b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover" in taken
        assert b"\xc2" in taken
        assert b"\x81\x02hi" in taken, "too short to be compressed"
        assert len(taken) < 500
        plain = await told(port, HANDSHAKE + masked(Opcode.BINARY, b"x" * 5000) + BYE)
        assert b"Extensions" not in plain
        assert b"x" * 5000 in plain
        assert close_code(await told(port, HANDSHAKE + squeezed(b"x"))) == 1002
        malformed = HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: =\r\n\r\n"
        assert (await told(port, malformed)).startswith(b"HTTP/1.1 400 ")


async def test_nothing_is_compressed_unless_configured() -> None:
    async with echoing() as port:
        answer = await told(port, OFFERING + masked(Opcode.BINARY, b"x" * 5000) + BYE)
        assert b"Extensions" not in answer
        assert b"x" * 5000 in answer
        assert close_code(await told(port, OFFERING + squeezed(b"x"))) == 1002


async def test_a_flood_of_small_frames_that_are_large_is_an_overrun() -> None:
    async with echoing(compression=True, max_frames_per_second=10) as port:
        large = squeezed(bytes(250_000))  # the echo counts one for each half a megabyte
        assert len(large) < 500
        answer = await told(port, OFFERING + large * 400)
        assert 10 < answer.count(b"\xc2\x7e") < 200, "forty times half a megabyte at once are all that is taken"
        assert b"\x81\x02hi" in await told(port, HANDSHAKE + masked(Opcode.TEXT, b"hi") + BYE)


async def test_a_client_that_does_not_read_is_cut_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WRITE_SECONDS", 0.3)
    large = masked(Opcode.BINARY, b"x" * 4_000_000)
    async with echoing() as port, trio.open_nursery() as nursery:
        stalled = await trio.open_tcp_stream("127.0.0.1", port)

        async def flood() -> None:
            await stalled.send_all(HANDSHAKE)
            while True:
                await stalled.send_all(large)

        async def be_cut() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await flood()

        nursery.start_soon(be_cut)
        await trio.sleep(0.1)
        bye = masked(Opcode.CLOSE, struct.pack("!H", 1000))
        assert b"\x81\x02hi" in await told(port, HANDSHAKE + masked(Opcode.TEXT, b"hi") + bye)
    await stalled.aclose()
