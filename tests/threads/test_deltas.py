"""Deltas in storage: merged they spell the same, and cut anywhere they give the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame, encode_utf8
from chatcore.threads.deltas import cut, merged
from chatcore.threads.model import StoredEvent, check_contiguous

TEXTS = st.lists(st.text(min_size=0, max_size=5), min_size=1, max_size=12)


def stored(event: m.AgentDelta | m.AgentThinking, first_seq: int | None = None) -> StoredEvent:
    return StoredEvent(
        seq=event.seq,
        first_seq=first_seq or event.seq,
        run_id=event.run_id,
        type=str(event.__struct_config__.tag),
        frame=encode_utf8(event),
    )


def fields(seq: int) -> dict[str, object]:
    return {"timestamp": float(seq), "user_id": "u", "thread_id": "t", "run_id": "r", "seq": seq, "epoch": "e"}


def deltas(texts: list[str], first: int = 1) -> list[StoredEvent]:
    made, offset = [], 0
    for seq, text in enumerate(texts, first):
        made.append(stored(m.AgentDelta(text=text, offset=offset, **fields(seq))))  # type: ignore[arg-type]
        offset += len(text)
    return made


def told(event: StoredEvent) -> m.AgentDelta:
    frame = decode_server_frame(event.frame)
    assert isinstance(frame, m.AgentDelta)
    return frame


@given(TEXTS)
def test_many_become_one_that_spells_the_same(texts: list[str]) -> None:
    (one,) = merged(deltas(texts))
    assert told(one).text == "".join(texts)
    assert (told(one).offset, told(one).seq) == (0, len(texts))
    assert (one.first_seq, one.seq) == (1, len(texts))
    assert told(one).timestamp == len(texts), "the last part's"


@given(TEXTS, st.data())
def test_cut_anywhere_it_gives_the_rest(texts: list[str], data: st.DataObject) -> None:
    (one,) = merged(deltas(texts))
    after = data.draw(st.integers(0, len(texts) - 1))
    rest = cut(one, after)
    assert told(rest).text == "".join(texts[after:])
    assert told(rest).offset == len("".join(texts[:after]))
    assert (rest.first_seq, rest.seq) == (after + 1, len(texts))
    again = data.draw(st.integers(after, len(texts) - 1))
    assert told(cut(rest, again)).text == "".join(texts[again:])


@given(TEXTS, TEXTS)
def test_only_neighbours_are_merged(before: list[str], after: list[str]) -> None:
    thought = stored(m.AgentThinking(text="hm", **fields(len(before) + 1)))  # type: ignore[arg-type]
    events = [*deltas(before), thought, *deltas(after, len(before) + 2)]
    kept = merged(events)
    assert [event.type for event in kept] == ["agent_delta", "agent_thinking", "agent_delta"]
    check_contiguous("t", kept)


def test_numbers_without_text_stay_by_themselves_and_can_be_cut() -> None:
    lost = m.AgentDelta(text="", offset=3, first_seq=4, **fields(9))  # type: ignore[arg-type]
    kept = merged([*deltas(["abc"], 3), stored(lost, first_seq=4)])
    assert [(event.first_seq, event.seq) for event in kept] == [(3, 3), (4, 9)]
    rest = told(cut(kept[1], 6))
    assert (rest.text, rest.first_seq, rest.seq, rest.offset) == ("", 7, 9, 3)


def test_what_a_reader_does_not_have_at_all_or_wholly_is_not_cut() -> None:
    (one,) = merged(deltas(["a", "b"], 5))
    assert cut(one, 4) is one
    assert cut(one, 6) is one
