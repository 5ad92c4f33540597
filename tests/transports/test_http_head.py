"""Heads of requests: what could be read in two ways goes nowhere, the rest goes through byte for byte or rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.transports.http_head import HEAD_BYTES, HTTP2_PREFACE, BadRequest, RequestFilter, parse_head

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
UPGRADE = (
    b"GET /ws?user_id=ann HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def feed(data: bytes, cuts: Sequence[int] = ()) -> tuple[bytes, RequestFilter]:
    """What passes of ``data`` when it comes in pieces."""
    judge, passed, begin = RequestFilter(), b"", 0
    for end in [*sorted(cuts), len(data)]:
        passed += judge.feed(data[begin:end])
        begin = max(begin, end)
    return passed, judge


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\n\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nName : value\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: value\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nName\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * HEAD_BYTES, 431),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes, status: int) -> None:
    for before in (b"", GET, POST):  # the first request of a connection, and later ones
        with pytest.raises(BadRequest) as bad:
            feed(before + raw)
        assert bad.value.status == status
        assert str(status) in str(bad.value)


@given(st.lists(st.sampled_from([GET, POST]), min_size=1, max_size=5), st.data())
def test_requests_pass_whole_however_they_are_cut(requests: list[bytes], data: st.DataObject) -> None:
    raw = b"\r\n" * data.draw(st.integers(0, 2)) + b"".join(requests)
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
    passed, judge = feed(raw, cuts)
    assert passed.lower() == b"".join(requests).lower()
    assert judge.decided
    assert judge.upgrade is None


def test_nothing_passes_before_its_head_is_whole() -> None:
    judge = RequestFilter()
    assert judge.feed(GET[:-1]) == b""
    assert not judge.decided
    assert judge.feed(GET[-1:] + b"GE").lower() == GET.lower()
    assert judge.feed(b"T /x") == b""


def test_an_upgrade_to_a_websocket_is_kept_back_with_what_follows() -> None:
    passed, judge = feed(UPGRADE + b"frames", cuts=[30])
    assert passed == b""
    assert judge.upgrade is not None
    assert judge.upgrade.target == b"/ws?user_id=ann"
    assert judge.upgrade.tokens(b"connection") == [b"keep-alive", b"upgrade"]
    assert judge.rest == b"frames"


def test_an_upgrade_to_h2c_is_never_taken() -> None:
    lines = [b"GET / HTTP/1.1", b"Host: x", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"]
    offer = b"\r\n".join([*lines, b"HTTP2-Settings: AAMAA"]) + b"\r\n\r\n"
    for before in (b"", GET):
        passed, judge = feed(before + offer)
        assert b"h2c" not in passed
        assert b"settings" not in passed.lower()
        assert judge.upgrade is None


def test_a_later_websocket_is_a_plain_request() -> None:
    passed, judge = feed(GET + UPGRADE)
    assert judge.upgrade is None
    assert b"upgrade" not in passed.lower().replace(b"sec-websocket", b"")


def test_after_a_chunked_body_the_connection_ends() -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    passed, _ = feed(chunked)
    assert b"connection: close" in passed
    assert passed.endswith(b"5\r\nhello\r\n0\r\n\r\n")


def test_a_client_that_wants_to_end_is_let() -> None:
    passed, _ = feed(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n")
    assert b"connection: close" in passed


@pytest.mark.parametrize("before", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize("cut", range(len(HTTP2_PREFACE)))
def test_http2_by_prior_knowledge_passes_untouched(cut: int, before: bytes) -> None:
    raw = HTTP2_PREFACE + bytes(range(256))
    passed, judge = feed(before + raw, cuts=[cut])
    assert passed == raw
    assert judge.decided


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_noise_is_refused_or_waited_for_and_never_crashes(noise: bytes, cuts: list[int]) -> None:
    passed = b""
    with suppress(BadRequest):
        passed, _ = feed(noise, [cut for cut in cuts if cut <= len(noise)])
    assert passed == b"" or noise.lstrip(b"\r\n").startswith(HTTP2_PREFACE)  # Hypothesis tries constants of the source


def test_a_head_is_read_as_it_came() -> None:
    head = parse_head(b"GET /x HTTP/1.0\r\nX-A:  b \r\nx-a: c")
    assert (head.method, head.target, head.version) == (b"GET", b"/x", "1.0")
    assert head.all(b"x-a") == [b"b", b"c"]
    assert not head.wants_websocket
