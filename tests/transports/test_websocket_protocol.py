"""From bytes to messages: what RFC 6455 allows, within limits, cut anywhere, and each fault with its code."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from chatcore.errors import TransportViolated
from chatcore.transports.http_head import BadRequest, Head, parse_head
from chatcore.transports.websocket_protocol import (
    Farewell,
    Incoming,
    MessageReader,
    Part,
    Pinged,
    accept_key,
    close_frame,
    message_frame,
    switching_protocols,
)

LIMIT = 1000


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame of a client."""
    return Frame(opcode, data, fin).serialize(mask=True)


def raw(first: int, second: int, rest: bytes = b"") -> bytes:
    return bytes([first, second]) + rest


def read(data: bytes, size: int = 0) -> list[Incoming]:
    """What a reader makes of it, in pieces of this size."""
    reader, found = MessageReader(LIMIT), []
    for begin in range(0, len(data), size or len(data) or 1):
        found += list(reader.feed(data[begin : begin + (size or len(data))]))
    return found


def feed_to(reader: MessageReader, data: bytes, size: int, found: list[Incoming]) -> None:
    for begin in range(0, len(data), size or len(data)):
        found += list(reader.feed(data[begin : begin + (size or len(data))]))


TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
def test_messages_come_whole_however_they_are_cut_and_split(size: int) -> None:
    data = b"".join(
        [
            frame(TEXT, "Zoë 🦉".encode()),
            frame(TEXT, b"Zo", fin=False),
            frame(PING, b"?"),
            frame(CONT, "ë 🦉".encode()[:3], fin=False),
            frame(PONG),
            frame(CONT, "ë 🦉".encode()[3:]),
            frame(BINARY),
            frame(BINARY, b"a", fin=False),
            frame(CONT, b"b"),
            frame(TEXT),
            frame(CLOSE, Close(1000, "bye").serialize()),
        ]
    )
    found = [item for item in read(data, size) if item != Part()]
    assert found == ["Zoë 🦉", Pinged(b"?"), "Zoë 🦉", b"", b"ab", "", Farewell(1000)]


FAULTS = [
    (frame(TEXT, b"\xff"), 1007),
    (frame(TEXT, b"\xc3"), 1007),
    (frame(TEXT, b"ok", fin=False) + frame(CONT, b"\xc0\x80", fin=False), 1007),
    (frame(TEXT, b"\xed\xa0\x80"), 1007),
    (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    (frame(CLOSE, b"\x03"), 1002),
    (frame(CLOSE, struct.pack("!H", 999)), 1002),
    (frame(CLOSE, struct.pack("!H", 1005)), 1002),
    (frame(CONT, b"x"), 1002),
    (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    (raw(0xC1, 0x80, b"\0\0\0\0"), 1002),
    (raw(0x91, 0x80, b"\0\0\0\0"), 1002),
    (raw(0x83, 0x80, b"\0\0\0\0"), 1002),
    (raw(0x8B, 0x80, b"\0\0\0\0"), 1002),
    (raw(0x81, 0x01, b"x"), 1002),
    (raw(0x09, 0x80, b"\0\0\0\0"), 1002),
    (raw(0x89, 0xFE, b"\0\x7e" + b"\0" * 4 + b"x" * 126), 1002),
    (frame(BINARY, b"x" * (LIMIT + 1)), 1009),
    (frame(BINARY, b"x" * LIMIT, fin=False) + frame(CONT, b"x"), 1009),
    (frame(TEXT, b"x" * 600, fin=False) + frame(CONT, b"x" * 600), 1009),
    (raw(0x82, 0xFF, struct.pack("!Q", 1 << 40)), 1009),
    (raw(0x82, 0xFF, struct.pack("!Q", (1 << 63) + 1)), 1009),
]


@pytest.mark.parametrize(("data", "code"), FAULTS, ids=range(len(FAULTS)))  # frames have random masks
def test_each_fault_has_its_code_and_nothing_follows(data: bytes, code: int) -> None:
    for size in (0, 1, 3):
        reader, found = MessageReader(LIMIT), list[Incoming]()
        with pytest.raises(TransportViolated) as fault:
            feed_to(reader, data, size, found)
        assert fault.value.code == code
        assert str(code) in str(fault.value)
        assert list(reader.feed(frame(TEXT, b"more"))) == []
        assert all(isinstance(item, Part) for item in found)


def test_a_size_is_refused_before_anything_of_it_is_taken() -> None:
    reader = MessageReader(LIMIT)
    with pytest.raises(TransportViolated):
        list(reader.feed(raw(0x82, 0xFF, struct.pack("!Q", 1 << 40))))


def test_fragments_without_end_are_limited_and_empty_ones_take_no_room() -> None:
    reader = MessageReader(LIMIT)
    list(reader.feed(frame(TEXT, b"x", fin=False)))
    for _ in range(10 * LIMIT):
        assert list(reader.feed(frame(CONT, b"", fin=False))) == [Part()]
    with pytest.raises(TransportViolated):
        list(reader.feed(frame(CONT, b"x" * LIMIT)))


def test_a_message_in_as_many_frames_as_bytes_takes_no_more_room_than_in_one() -> None:
    reader, one = MessageReader(1_000_000), frame(CONT, b"x", fin=False)
    nothing = frame(CONT, b"", fin=False)
    list(reader.feed(frame(TEXT, b"x", fin=False)))
    tracemalloc.start()
    try:
        for _ in range(100):
            assert len(list(reader.feed((one + nothing) * 100))) == 200
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()
    assert list(reader.feed(frame(CONT, b"x"))) == ["x" * 10_002]


def test_after_a_farewell_nothing_is_read() -> None:
    assert read(frame(CLOSE) + frame(TEXT, b"more")) == [Farewell(1000)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40))
@example(b"\x81\xfe", 1)
def test_noise_is_a_fault_or_waited_for_and_reads_the_same_however_it_is_cut(noise: bytes, size: int) -> None:
    def told(pieces: int) -> tuple[list[Incoming], int | None]:
        reader, found = MessageReader(LIMIT), []
        try:
            for begin in range(0, len(noise), pieces):
                for item in reader.feed(noise[begin : begin + pieces]):
                    found.append(item)
        except TransportViolated as fault:
            return found, int(fault.code)
        return found, None

    assert told(size) == told(max(1, len(noise)))


@given(st.text(max_size=300))
def test_what_is_sent_can_be_read(text: str) -> None:
    sent = message_frame(text.encode(), text=True)
    header = 2 if len(text.encode()) < 126 else 4
    assert sent[0] == 0x81
    assert sent[header:].decode() == text


def test_a_reason_that_is_too_long_is_cut_between_characters() -> None:
    sent = close_frame(1008, "é" * 100)
    assert len(sent) <= 2 + 125
    assert sent[4:].decode() == "é" * 61


def handshake(**changed: bytes | None) -> Head:
    headers: dict[str, bytes | None] = {
        "host": b"x",
        "upgrade": b"websocket",
        "connection": b"Upgrade",
        "sec-websocket-version": b"13",
        "sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [b"%s: %s" % (name.encode(), value) for name, value in headers.items() if value is not None]
    return parse_head(b"\r\n".join([b"GET /ws HTTP/1.1", *lines]))


def test_the_key_of_the_rfc_is_proven() -> None:
    proof = accept_key(handshake())
    assert proof == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    answer = switching_protocols(proof, "chatcore.v1")
    assert b"Sec-WebSocket-Protocol: chatcore.v1\r\n" in answer
    assert b"Protocol: chatcore" not in switching_protocols(proof, None)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec_websocket_version": b"12"}, 426),
        ({"sec_websocket_version": None}, 426),
        ({"sec_websocket_key": None}, 400),
        ({"sec_websocket_key": b"c2hvcnQ="}, 400),
        ({"sec_websocket_key": b"no base64 !!"}, 400),
        ({"connection": b"keep-alive"}, 400),
        ({"content_length": b"3"}, 400),
    ],
)
def test_a_handshake_that_is_none_is_refused(changed: dict[str, bytes | None], status: int) -> None:
    with pytest.raises(BadRequest) as bad:
        accept_key(handshake(**changed))
    assert bad.value.status == status
