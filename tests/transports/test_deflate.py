"""permessage-deflate: what is agreed upon, what comes whole, and what is cut while it is inflated."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from chatcore.errors import TransportViolated
from chatcore.transports.deflate import EMPTY_BLOCK, INFLATED_BYTES, LONGEST, SHORTEST, Inflater, agreed
from chatcore.transports.http_head import BadRequest, parse_head
from chatcore.transports.websocket_protocol import (
    Farewell,
    Incoming,
    Inflating,
    MessageReader,
    Part,
    Pinged,
    deflated_frame,
    message_frame,
)

LIMIT = 100_000
MEBIBYTE = 1 << 20

TEXT, BINARY, CONT, PING = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING


def answer_to(*offers: str) -> str | None:
    lines = [b"GET /ws HTTP/1.1", b"Host: x", *(b"Sec-WebSocket-Extensions: " + offer.encode() for offer in offers)]
    agreement = agreed(parse_head(b"\r\n".join(lines)))
    return agreement.answer.decode() if agreement is not None else None


ALWAYS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", f"{ALWAYS}; server_max_window_bits=12"),
        (
            "permessage-deflate; client_max_window_bits",
            f"{ALWAYS}; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            "permessage-deflate; client_max_window_bits=9",
            f"{ALWAYS}; server_max_window_bits=12; client_max_window_bits=9",
        ),
        ("permessage-deflate; server_max_window_bits=9", f"{ALWAYS}; server_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=15", f"{ALWAYS}; server_max_window_bits=12"),
        ('permessage-deflate; server_max_window_bits="10"', f"{ALWAYS}; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=8", None),  # zlib has no such window
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("permessage-deflate; shared_secrets", None),
        ("permessage-bzip2, x-webkit-deflate-frame", None),
        ("foo; bar=1, permessage-deflate; unknown, permessage-deflate", f"{ALWAYS}; server_max_window_bits=12"),
    ],
)
def test_the_first_offer_that_can_be_taken_is_bounded_and_taken(offer: str, answer: str | None) -> None:
    assert answer_to(offer) == answer
    assert answer_to("foo", offer) == answer


def test_no_offer_is_no_agreement_and_a_malformed_one_no_handshake() -> None:
    assert answer_to() is None
    for offer in ("permessage-deflate;", "=", ";", "permessage-deflate; a=", 'permessage-deflate; a="', "a b"):
        with pytest.raises(BadRequest) as bad:
            answer_to(offer)
        assert bad.value.status == 400


def squeezed(data: bytes, *, final_block: bool = False) -> bytes:
    """A message as a client compresses it."""
    compressor = zlib.compressobj(9, wbits=-15)
    if final_block:
        return compressor.compress(data) + compressor.flush() + b"\0"
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True, extensions=[]) if not rsv1 else _compressed(opcode, data, fin)


def _compressed(opcode: Opcode, data: bytes, fin: bool) -> bytes:
    whole = bytearray(Frame(opcode, data, fin).serialize(mask=True))
    whole[0] |= 0x40
    return bytes(whole)


def split(data: bytes, parts: int, opcode: Opcode = TEXT) -> bytes:
    """A compressed message in so many frames."""
    size = len(data) // parts + 1
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    return b"".join(
        frame(opcode if number == 0 else CONT, piece, fin=number == len(pieces) - 1, rsv1=number == 0)
        for number, piece in enumerate(pieces)
    )


def reader(limit: int = LIMIT) -> MessageReader:
    return MessageReader(limit, Inflater(15))


def read(data: bytes, size: int = 0, limit: int = LIMIT) -> list[Incoming]:
    """What is made of it, in pieces of this size, without the parts."""
    whole, found = reader(limit), list[Incoming]()
    for begin in range(0, len(data), size or len(data) or 1):
        items = whole.feed(data[begin : begin + (size or len(data))])
        found += [item for item in items if not isinstance(item, Part | Inflating)]
    return found


@pytest.mark.parametrize("size", [0, 1, 7])
def test_compressed_messages_come_whole_among_others_however_they_are_cut_and_split(size: int) -> None:
    long = "Zoë 🦉 " * 200
    data = b"".join(
        [
            frame(TEXT, squeezed(b""), rsv1=True),
            frame(TEXT, b"plain"),
            split(squeezed(long.encode()), 5),
            frame(TEXT, squeezed(b"Hel"), fin=False, rsv1=True),
            frame(PING, b"?"),
            frame(CONT, b"", fin=False),
            frame(CONT),
            frame(TEXT, b"pl", fin=False),
            frame(CONT, b"ain"),
            frame(BINARY, squeezed(b"\xff", final_block=True), rsv1=True),
            frame(TEXT, b"\0", rsv1=True),  # how an empty message may be compressed (RFC 7692, 7.2.3.6)
            frame(Opcode.CLOSE),
        ]
    )
    assert read(data, size) == ["", "plain", long, Pinged(b"?"), "Hel", "plain", b"\xff", "", Farewell(1000)]


def test_what_the_rfc_gives_as_examples_is_understood() -> None:
    hello = bytes.fromhex("f248cdc9c90700")
    assert read(frame(TEXT, hello, rsv1=True)) == ["Hello"]
    assert read(split(hello, 2)) == ["Hello"]
    stored = bytes.fromhex("000500faff48656c6c6f00")
    assert read(frame(TEXT, stored, rsv1=True)) == ["Hello"]
    last = bytes.fromhex("f348cdc9c9070000")
    assert read(frame(TEXT, last, rsv1=True)) == ["Hello"]
    two_blocks = bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))
    assert read(frame(TEXT, two_blocks, rsv1=True)) == ["Hello"]


BOMB = squeezed(bytes(8 * MEBIBYTE))

FAULTS = {
    "no compression": (frame(TEXT, b"no compression", rsv1=True), 1002),
    "a bit on a continuation": (frame(TEXT, squeezed(b"x"), fin=False, rsv1=True) + frame(CONT, rsv1=True), 1002),
    "a bit on the continuation of what is plain": (frame(TEXT, b"x", fin=False) + frame(CONT, b"x", rsv1=True), 1002),
    "a bit on a ping": (frame(PING, squeezed(b"x"), rsv1=True), 1002),
    "another bit": (b"\xa1\x80\0\0\0\0", 1002),
    "a message within a message": (frame(TEXT, b"\0", fin=False, rsv1=True) + frame(TEXT, b"\0", rsv1=True), 1002),
    "more after the last block": (frame(BINARY, squeezed(b"x", final_block=True) + b"more", rsv1=True), 1002),
    "frames after the last block": (
        frame(BINARY, squeezed(b"x", final_block=True), fin=False, rsv1=True) + frame(CONT, bytes(50_000), fin=False),
        1002,
    ),
    "bad UTF-8": (frame(TEXT, squeezed(b"\xff"), rsv1=True), 1007),
    "bad UTF-8 that is not over": (frame(TEXT, squeezed(b"\xc0\x80") + EMPTY_BLOCK, fin=False, rsv1=True), 1007),
    "one byte too much": (frame(BINARY, squeezed(bytes(LIMIT + 1)), rsv1=True), 1009),
    "a bomb": (frame(BINARY, BOMB, rsv1=True), 1009),
    "a bomb in parts": (split(BOMB, 50), 1009),
    "too much together": (
        frame(BINARY, squeezed(bytes(LIMIT)) + EMPTY_BLOCK, fin=False, rsv1=True) + frame(CONT, squeezed(bytes(200))),
        1009,
    ),
    "too much before it is inflated": (frame(BINARY, bytes(LIMIT + 1), rsv1=True), 1009),
}


@pytest.mark.parametrize(("data", "code"), FAULTS.values(), ids=FAULTS)
def test_each_fault_has_its_code(data: bytes, code: int) -> None:
    for size in (0, 1000, 7):
        with pytest.raises(TransportViolated) as fault:
            read(data, size)
        assert fault.value.code == code


def test_without_an_agreement_nothing_compressed_is_taken() -> None:
    with pytest.raises(TransportViolated) as fault:
        list(MessageReader(LIMIT).feed(frame(TEXT, squeezed(b"x"), rsv1=True)))
    assert fault.value.code == 1002


def test_a_message_as_large_as_any_may_be_is_taken() -> None:
    assert read(frame(BINARY, squeezed(bytes(LIMIT)), rsv1=True)) == [bytes(LIMIT)]
    assert read(split(squeezed(bytes(LIMIT)), 7, BINARY)) == [bytes(LIMIT)]


def test_a_bomb_is_cut_while_it_is_inflated() -> None:
    bomb = frame(BINARY, squeezed(bytes(64 * MEBIBYTE)), rsv1=True)
    whole = reader(MEBIBYTE)
    tracemalloc.start()
    try:
        with pytest.raises(TransportViolated):
            list(whole.feed(bomb))
        assert tracemalloc.get_traced_memory()[1] < 4 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_a_connection_at_rest_holds_no_window() -> None:
    def held(make: type[MessageReader] | None) -> int:
        tracemalloc.start()
        try:
            readers = [reader() for _ in range(100)] if make is None else [make(LIMIT) for _ in range(100)]
            for each in readers:
                payload = squeezed(b"x" * 10_000) if make is None else b"x" * 10_000
                assert list(each.feed(frame(TEXT, payload, rsv1=make is None)))[-1] == "x" * 10_000
            return tracemalloc.get_traced_memory()[0] // 100
        finally:
            tracemalloc.stop()

    assert held(None) - held(MessageReader) < 1000


def test_what_is_inflated_counts_as_frames_and_the_largest_message_as_no_more_than_may_come_at_once() -> None:
    def parts(size: int, limit: int) -> int:
        items = list(reader(limit).feed(frame(BINARY, squeezed(bytes(size)), rsv1=True)))
        assert items.pop() == bytes(size)
        assert set(items) <= {Inflating()}
        return len(items)

    assert parts(10_000, MEBIBYTE) == 0
    assert parts(200_000, MEBIBYTE) == 12
    assert parts(MEBIBYTE, MEBIBYTE) == 64
    assert parts(8 * MEBIBYTE, 8 * MEBIBYTE) == 64
    many = reader(MEBIBYTE)
    small = [item for _ in range(100) for item in many.feed(frame(BINARY, squeezed(bytes(10_000)), rsv1=True))]
    assert small.count(Inflating()) == 1_000_000 // 16_384, "small ones add up"


def client(window_bits: int) -> PerMessageDeflate:
    """The other side, by someone else."""
    return PerMessageDeflate(True, True, window_bits, 15)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000) | st.text(min_size=100).map(lambda text: 5 * text.encode()), st.integers(9, 12))
def test_what_is_sent_can_be_read_by_others_and_is_never_longer(payload: bytes, window_bits: int) -> None:
    sent = deflated_frame(payload, text=False, window_bits=window_bits)
    assert len(sent) <= len(message_frame(payload, text=False))
    begin = 2 if sent[1] < 126 else 4
    back = client(window_bits).decode(Frame(BINARY, sent[begin:], rsv1=bool(sent[0] & 0x40)), max_size=None)
    assert bytes(back.data) == payload


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 5))
def test_what_others_send_can_be_read(payload: bytes, parts: int) -> None:
    sent = client(15).encode(Frame(BINARY, payload))
    assert read(split(bytes(sent.data), parts, BINARY)) == [payload]


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.integers(1, 20))
def test_noise_is_inflated_within_its_limit_or_refused_and_the_same_however_it_is_cut(noise: bytes, size: int) -> None:
    def told(pieces: int) -> list[Incoming] | int:
        try:
            return read(frame(BINARY, noise, rsv1=True), pieces, limit=1000)
        except TransportViolated as fault:
            return int(fault.code)

    assert told(size) == told(0)


def test_short_and_very_long_messages_go_as_they_are() -> None:
    for size in (0, SHORTEST - 1, LONGEST + 1):
        assert deflated_frame(b"x" * size, text=True, window_bits=12) == message_frame(b"x" * size, text=True)
    for size in (SHORTEST, LONGEST):
        assert len(deflated_frame(b"x" * size, text=True, window_bits=12)) < size / 5


def test_a_message_is_inflated_piece_by_piece_as_it_is_taken() -> None:
    incoming = MessageReader(10 * INFLATED_BYTES, Inflater(15)).feed(
        frame(BINARY, squeezed(bytes(100 * INFLATED_BYTES)), rsv1=True)
    )
    taken = [next(incoming) for _ in range(10)]
    assert taken == [Inflating()] * 10, "others may have their turn after each"
    with pytest.raises(TransportViolated) as violated:
        next(incoming)
    assert violated.value.code == 1009


def test_what_is_read_and_comes_to_nothing_counts_too_and_others_have_their_turn() -> None:
    """Blocks of which nothing comes take zlib longer than any others: a megabyte of them is never read at once."""
    nothing = zlib.compressobj(9, wbits=-15)
    block = nothing.flush(zlib.Z_SYNC_FLUSH)
    data = block * (MEBIBYTE // len(block))
    items = list(MessageReader(MEBIBYTE, Inflater(15)).feed(frame(BINARY, data[:-4], rsv1=True)))
    assert items.pop() == b""
    assert items == [Inflating()] * len(items)
    assert len(items) >= 512
