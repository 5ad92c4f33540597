"""Frames of HTTP/2: each is passed on as it came, and no faster than a client has reason to send them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.transports.http2_pace import FRAME_BYTES, FRAMES_AT_ONCE, FRAMES_IN_TURN, FRAMES_PER_SECOND, FramePace
from chatcore.transports.http_head import HTTP2_PREFACE, BadRequest

DATA, HEADERS, PRIORITY, SETTINGS, PING = 0, 1, 2, 4, 6


def frame(kind: int, payload: bytes = b"", stream: int = 0) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, 0, stream) + payload


def passed_in(pace: FramePace, data: bytes, seconds: float, step: float = 0.01) -> int:
    """How many bytes are passed on of these in so much time."""
    passed, now, end = 0, 0.0, seconds
    while now < end and passed < len(data):
        size, wait = pace.measure(data[passed:], now)
        passed += size
        now += max(wait, 0.0 if size else step)
    return passed


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=30), st.integers(1, 50))
def test_everything_is_passed_on_in_order_however_it_is_cut(frames: list[tuple[int, bytes]], size: int) -> None:
    data = HTTP2_PREFACE + b"".join(frame(kind, payload) for kind, payload in frames)
    pace, passed, held, now = FramePace(), b"", b"", 0.0
    for begin in range(0, len(data), size):
        held += data[begin : begin + size]
        while held:
            taken, wait = pace.measure(held, now)
            assert taken or wait > 0, "it goes on"
            passed, held, now = passed + held[:taken], held[taken:], now + wait
    assert passed == data


def test_a_client_within_reason_is_never_held_up() -> None:
    page = b"".join(frame(HEADERS, bytes(200), 2 * n + 1) + frame(8, bytes(4)) for n in range(40))
    upload = b"".join(frame(DATA, bytes(FRAME_BYTES), 1) for _ in range(64))
    pace = FramePace()
    for data in (HTTP2_PREFACE + frame(SETTINGS) + page, upload):
        assert passed_in(pace, data, 0.001) == len(data)


@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_a_flood_is_passed_on_at_the_pace_that_is_set(seconds: float) -> None:
    flood = HTTP2_PREFACE + frame(SETTINGS) * 20_000
    frames = (passed_in(FramePace(), flood, seconds) - len(HTTP2_PREFACE)) / 9
    assert frames == pytest.approx(FRAMES_AT_ONCE + seconds * FRAMES_PER_SECOND, rel=0.05)


def test_what_costs_more_counts_as_more() -> None:
    requests = passed_in(FramePace(), HTTP2_PREFACE + frame(HEADERS, b"", 1) * 1000, 0.001) - len(HTTP2_PREFACE)
    priorities = passed_in(FramePace(), HTTP2_PREFACE + frame(PRIORITY, bytes(5)) * 1000, 0.001) - len(HTTP2_PREFACE)
    assert requests // 9 == FRAMES_AT_ONCE // 2 + 1
    assert priorities // 14 == FRAMES_AT_ONCE // 20 + 1


def test_others_have_their_turn_among_many_frames() -> None:
    pace = FramePace()
    size, wait = pace.measure(HTTP2_PREFACE + frame(PING, bytes(8)) * 1000, 0.0)
    assert (size, wait) == (len(HTTP2_PREFACE) + 17 * FRAMES_IN_TURN, 0.0)


def test_a_frame_that_is_too_long_is_refused_by_its_head() -> None:
    longest = FRAME_BYTES.to_bytes(3) + bytes([DATA, 0, 0, 0, 0, 1])
    too_long = (FRAME_BYTES + 1).to_bytes(3) + bytes([DATA, 0, 0, 0, 0, 1])
    assert FramePace().measure(HTTP2_PREFACE + longest, 0.0) == (len(HTTP2_PREFACE + longest), 0.0)
    pace = FramePace()
    assert pace.measure(HTTP2_PREFACE + too_long[:2], 0.0)[1] == 0.0
    with pytest.raises(BadRequest):
        pace.measure(too_long[2:], 0.0)
