"""The pure parts of the client: what was seen, what a close means, what is wanted, where a server is."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from client_peer import deltas, frame, snapshot_of
from hypothesis import given
from hypothesis import strategies as st

from chatcore.client import Address, ConnectionLost
from chatcore.client.cursor import Cursor
from chatcore.client.errors import Refused, own
from chatcore.client.inbox import Inbox
from chatcore.client.verdict import least_wait, may_return
from chatcore.client.wire import dialer
from chatcore.errors import CATALOGUE, CloseCode, ConfigurationError, ErrorCode
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentRestarted,
    AgentStarted,
    AgentThinking,
    AnyRunEvent,
    AnyServerFrame,
    Draining,
    Error,
    Resumed,
)

# --- the cursor -----------------------------------------------------------------------------------------------------


def test_each_event_is_let_through_once() -> None:
    cursor = Cursor()
    events: list[AnyRunEvent] = [frame(AgentStarted, seq=1), frame(AgentThinking, seq=2), *deltas("a", "b", seq=3)]
    assert [cursor.take(event) for event in events] == events
    assert [cursor.take(event) for event in events] == [None] * 4
    assert cursor.take(frame(AgentCompleted, seq=5)) is not None


def test_a_merged_delta_is_cut_where_it_was_seen() -> None:
    cursor = Cursor()
    seen: list[AnyRunEvent] = [frame(AgentStarted, seq=1), *deltas("Hello", seq=2)]
    for event in seen:
        cursor.take(event)
    merged = frame(AgentDelta, text="Hello, world", offset=0, first_seq=2, seq=5)
    assert cursor.take(merged) == frame(AgentDelta, text=", world", offset=5, first_seq=3, seq=5)
    assert cursor.take(merged) is None


def test_text_seen_is_not_said_again_under_new_numbers() -> None:
    """What a crash lost is said again from the `offset` that the server still knows."""
    cursor = Cursor()
    for event in deltas("Hello", seq=2):
        cursor.take(event)
    assert cursor.take(frame(AgentDelta, text="lo", offset=3, seq=64)) is None
    assert cursor.take(frame(AgentDelta, text="lo!", offset=3, seq=65)) == frame(
        AgentDelta, text="!", offset=5, first_seq=65, seq=65
    )


def test_words_that_a_crash_lost_are_void() -> None:
    """An application that puts each text at its `offset`, and lets go of what stands behind, shows what was kept."""
    cursor = Cursor()
    for event in deltas("Hello", ", world", seq=2):
        cursor.take(event)
    lost = frame(AgentDelta, text="", offset=5, first_seq=4, seq=67)
    assert cursor.take(lost) == lost
    on = frame(AgentDelta, text=", sun", offset=5, seq=68)
    assert cursor.take(on) == on
    merged = frame(AgentDelta, text="Hello", offset=0, first_seq=2, seq=90)
    assert cursor.take(merged) == frame(AgentDelta, text="", offset=5, first_seq=69, seq=90)
    empty = frame(AgentDelta, text="", offset=5, seq=91)
    assert cursor.take(empty) == empty


def test_a_restart_voids_the_text() -> None:
    cursor = Cursor()
    seen: list[AnyRunEvent] = [*deltas("Hello", seq=2), frame(AgentRestarted, seq=3)]
    for event in seen:
        cursor.take(event)
    again = frame(AgentDelta, text="Hel", offset=0, seq=4)
    assert cursor.take(again) == again


def test_texts_of_two_runs_are_apart() -> None:
    cursor = Cursor()
    cursor.take(frame(AgentDelta, text="aaaa", offset=0, seq=1))
    other = frame(AgentDelta, text="bb", offset=0, seq=2, run_id="r2")
    assert cursor.take(other) == other


def test_a_new_epoch_begins_anew() -> None:
    cursor = Cursor("e1", 50)
    cursor.take(frame(AgentDelta, text="aaaa", offset=0, seq=51))
    event = frame(AgentDelta, text="a", offset=0, seq=1, epoch="e2")
    assert cursor.take(event) == event
    assert (cursor.epoch, cursor.seq) == ("e2", 1)


def test_what_the_server_says_of_the_history_moves_the_cursor() -> None:
    cursor = Cursor(None, 5)
    cursor.resumed(frame(Resumed, epoch="e1"))
    assert (cursor.epoch, cursor.seq) == ("e1", 5)
    assert cursor.take(frame(AgentThinking, seq=5)) is None
    cursor.resumed(frame(Resumed, epoch="e9", complete=False))
    assert cursor.epoch == "e1"
    cursor.restored(snapshot_of("r1", "running", epoch="e9", seq=3))
    assert (cursor.epoch, cursor.seq) == ("e9", 3)


@given(
    parts=st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=8),
    seen=st.integers(0, 8),
    merges=st.lists(st.integers(1, 4), max_size=8),
)
def test_any_replay_after_any_position_spells_the_rest(parts: list[str], seen: int, merges: list[int]) -> None:
    cursor = Cursor()
    live = deltas(*parts, seq=1)
    shown = [cursor.take(event) for event in live[:seen]]
    offset, start, replay = 0, 0, []
    for size in [*merges, len(parts)]:
        part = parts[start : start + size]
        if part:
            replay.append(
                frame(AgentDelta, text="".join(part), offset=offset, first_seq=start + 1, seq=start + len(part))
            )
            offset, start = offset + len("".join(part)), start + len(part)
    shown += [cursor.take(event) for event in replay]
    said = [event for event in shown if isinstance(event, AgentDelta)]
    assert "".join(event.text for event in said) == "".join(parts)
    assert [event.offset for event in said] == [sum(len(e.text) for e in said[:n]) for n in range(len(said))]


# --- the inbox ------------------------------------------------------------------------------------------------------


async def test_an_unread_text_is_joined_when_it_is_read_and_not_at_each_delta() -> None:
    """Joined at each delta, a text is copied as often as it has parts: 45 s for 4 MB. Seen by what one delta takes."""
    inbox: Inbox[AgentDelta] = Inbox(2)
    long, *short = deltas("x" * 1_000_000, "ab", "", "cd", seq=1)
    inbox.put(long)
    tracemalloc.start()
    for delta in short:
        inbox.put(delta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    assert await inbox.get() == frame(AgentDelta, text="x" * 1_000_000 + "abcd", offset=0, first_seq=1, seq=4)


# --- what a close means ---------------------------------------------------------------------------------------------


def closing(code: str, **fields: Any) -> Error:
    return frame(Error, error_code=code, **fields)


@pytest.mark.parametrize(
    ("code", "returns"),
    [
        (None, True),
        (1000, False),
        (1001, True),
        (1002, False),
        (1005, True),
        (1006, True),
        (1007, False),
        (1008, False),
        (1009, False),
        (1011, True),
        (1012, True),
        (1013, True),
        (1014, True),
        (3000, False),
        (4000, False),
        (4401, False),
        (4413, True),
    ],
)
def test_close_codes(code: int | None, returns: bool) -> None:
    assert may_return(ConnectionLost("", code=code), None) is returns


@pytest.mark.parametrize("code", CloseCode)
def test_the_code_itself_says_whether_to_come_back(code: CloseCode) -> None:
    assert may_return(ConnectionLost("", code=code), None) is code.reconnect


@pytest.mark.parametrize("status", [401, 403, 400, 404, 200, 302])
def test_statuses_that_stay(status: int) -> None:
    assert not may_return(ConnectionLost("", status=status), None)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_pass(status: int) -> None:
    assert may_return(ConnectionLost("", status=status), None)


def test_an_error_that_cannot_pass_has_the_last_word() -> None:
    bad_configuration = closing("SERVICE_INIT_FAILED", retryable=False)
    assert not may_return(ConnectionLost("", code=1011), bad_configuration)
    assert not may_return(ConnectionLost("", code=None), bad_configuration)
    assert may_return(ConnectionLost("", code=1011), closing("SERVICE_INIT_FAILED"))


def test_an_error_that_passes_says_nothing_of_the_connection() -> None:
    invalid = closing("INVALID_MESSAGE", retryable=False)
    assert may_return(ConnectionLost("", code=1006), invalid)
    flood = closing("RATE_LIMITED", retry_after_seconds=2.0)
    assert not may_return(ConnectionLost("", code=1008), flood)


@pytest.mark.parametrize("code", [code for code in ErrorCode if CATALOGUE[code].close])
def test_the_catalogue_agrees_with_itself(code: ErrorCode) -> None:
    meaning = CATALOGUE[code]
    assert meaning.close is not None
    lost, error = ConnectionLost("", code=meaning.close), closing(code, retryable=meaning.retryable)
    assert may_return(lost, error) is meaning.retryable


@pytest.mark.parametrize(
    ("lost", "last", "seconds"),
    [
        (ConnectionLost(""), None, 0.0),
        (ConnectionLost("", code=1012), frame(Draining, reconnect_after_seconds=3.0), 3.0),
        (ConnectionLost("", code=1013), closing("SERVICES_UNAVAILABLE", retry_after_seconds=7.5), 7.5),
        (ConnectionLost("", code=1013), closing("SERVICES_UNAVAILABLE"), 0.0),
        (ConnectionLost("", code=1013), closing("SERVICES_UNAVAILABLE", retry_after_seconds=-1.0), 0.0),
        (ConnectionLost("", code=1006), closing("RATE_LIMITED", retry_after_seconds=9.0), 0.0),
        (ConnectionLost("", status=503, retry_after_seconds=5.0), None, 5.0),
    ],
)
def test_what_the_server_asked_for(lost: ConnectionLost, last: AnyServerFrame | None, seconds: float) -> None:
    assert least_wait(lost, last) == seconds


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "retryable", "read_as"),
    [
        ("RATE_LIMITED", True, ErrorCode.RATE_LIMITED),
        ("OF_A_NEWER_SERVER", True, ErrorCode.SERVICES_UNAVAILABLE),
        ("OF_A_NEWER_SERVER", False, ErrorCode.INVALID_MESSAGE),
    ],
)
def test_a_refusal_carries_the_frame(code: str, retryable: bool, read_as: ErrorCode) -> None:
    error = closing(code, retryable=retryable, retry_after_seconds=4.0)
    refused = Refused.by(error)
    assert (refused.error_code, refused.retry_after_seconds, refused.error) == (read_as, 4.0, error)
    assert str(refused) == "words"
    twin = own(refused)
    assert twin is not refused
    assert (twin.error_code, twin.error) == (read_as, error)


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port", "secure", "authority"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, False, "127.0.0.1:8000"),
        ("ws://127.0.0.1:8000/ws", "127.0.0.1", 8000, False, "127.0.0.1:8000"),
        ("ws://localhost:8000/", "localhost", 8000, False, "localhost:8000"),
        ("https://chat.example", "chat.example", 443, True, "chat.example"),
        ("wss://chat.example:8443/ws", "chat.example", 8443, True, "chat.example:8443"),
        ("http://[::1]:8000", "::1", 8000, False, "[::1]:8000"),
        ("http://chat.example:80", "chat.example", 80, False, "chat.example"),
    ],
)
def test_addresses(url: str, host: str, port: int, secure: bool, authority: str) -> None:
    address = Address.parse(url)
    assert address == Address(host, port, secure)
    assert address.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://h:0",
        "127.0.0.1:8000",
        "ftp://h:1",
        "http://",
        "http://h:0x1",
        "http://h:99999",
        "http://h/other",
        "ws://h/ws?token=x",
        "ws://h/ws#x",
        "ws://user:secret@h/ws",
        "http://[::1",
    ],
)
def test_what_is_no_address_of_a_server(url: str) -> None:
    with pytest.raises(ConfigurationError, match="url") as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "a b", "a,b", "a\r\nX-Evil: 1", "ä"])
def test_a_token_that_a_header_cannot_carry(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        dialer("http://h", None, token)
    assert token not in str(caught.value) or not token
