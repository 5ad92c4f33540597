"""``chatcore.threads.model``: cursors, contiguity and titles, for any input."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.errors import ErrorCode, InvalidMessage
from chatcore.protocol.codec import MAX_SAFE_INTEGER
from chatcore.threads.model import (
    TITLE_CHARACTERS,
    SequenceBroken,
    StoredEvent,
    check_contiguous,
    decode_cursor,
    encode_cursor,
    messages_of,
    threads_by,
    title_of,
)

THREADS = threads_by("created", "")
POSITIONS = st.integers(1, MAX_SAFE_INTEGER)
LISTINGS = st.one_of(st.just(THREADS), st.text(max_size=40).map(messages_of))


def stored(first_seq: int, seq: int) -> StoredEvent:
    return StoredEvent(seq=seq, first_seq=first_seq, run_id="r", type="agent_delta", frame=b"{}")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40).map(messages_of), POSITIONS)
def test_a_cursor_gives_back_its_position(listing: str, position: int) -> None:
    assert decode_cursor(listing, encode_cursor(listing, position)) == position


@given(POSITIONS)
def test_a_cursor_is_safe_in_a_url(position: int) -> None:
    cursor = encode_cursor(THREADS, position)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()


@given(POSITIONS)
def test_a_cursor_of_another_list_is_refused(position: int) -> None:
    with pytest.raises(InvalidMessage):
        decode_cursor(messages_of("a"), encode_cursor(messages_of("b"), position))
    with pytest.raises(InvalidMessage):
        decode_cursor(messages_of("a"), encode_cursor(THREADS, position))


def spelled(inside: str) -> str:
    return base64.urlsafe_b64encode(inside.encode()).decode().rstrip("=")


def unspelled(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        return ""


@given(st.text() | st.from_regex(rf"{THREADS}:[0-9]{{1,18}}", fullmatch=True).map(spelled))
def test_any_text_is_a_cursor_that_was_given_or_is_refused(text: str) -> None:
    given = re.fullmatch(rf"{THREADS}:([1-9][0-9]{{0,15}})", unspelled(text), re.ASCII)
    if given and spelled(given[0]) == text and int(given[1]) <= MAX_SAFE_INTEGER:
        assert decode_cursor(THREADS, text) == int(given[1])
    else:
        with pytest.raises(InvalidMessage) as refused:
            decode_cursor(THREADS, text)
        assert refused.value.field == "cursor"
        assert refused.value.error_code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("inside", [f"{THREADS}:{position}" for position in ("0", "-1", "01", " 1", "1e3", "٣", 2**53)])
def test_a_cursor_that_no_page_gave_is_refused(inside: str) -> None:
    with pytest.raises(InvalidMessage):
        decode_cursor(THREADS, spelled(inside))


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(1, 1000))
def test_events_without_a_gap_are_contiguous(widths: list[int], first: int) -> None:
    events = []
    for width in widths:
        events.append(stored(first, first + width - 1))
        first += width
    check_contiguous("t", events)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=2, max_size=6))
def test_events_are_refused_exactly_where_a_gap_an_overlap_or_a_backward_range_is(
    ranges: list[tuple[int, int]],
) -> None:
    events = [stored(first, last) for first, last in ranges]
    covered = [seq for first, last in ranges for seq in range(first, last + 1)]
    whole = all(first <= last for first, last in ranges)
    if whole and covered == list(range(covered[0], covered[0] + len(covered))):
        check_contiguous("t", events)
    else:
        with pytest.raises(SequenceBroken):
            check_contiguous("t", events)


def test_a_broken_sequence_names_what_was_expected() -> None:
    with pytest.raises(SequenceBroken) as refused:
        check_contiguous("t", [stored(3, 4), stored(6, 6)])
    assert (refused.value.thread_id, refused.value.expected, refused.value.found) == ("t", 5, 6)


@given(st.text())
def test_a_title_is_one_short_line_of_the_message(content: str) -> None:
    title = title_of(content)
    assert len(title) <= TITLE_CHARACTERS
    assert title.splitlines() in ([], [title])
    assert " ".join(content.split()).startswith(title.removesuffix("…")) or title == " ".join(content.split())


def test_a_long_title_says_that_it_goes_on() -> None:
    assert title_of("word " * 40) == "word " * 11 + "word…"
    assert title_of("  two\n lines ") == "two lines"
