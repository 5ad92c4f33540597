"""Deltas in storage: many become one row, which is cut where a reader knows its beginning (protocol.md, 1.3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Final

import msgspec
from msgspec.structs import replace

from chatcore.protocol.codec import encode_utf8
from chatcore.protocol.messages import AgentDelta
from chatcore.threads.model import StoredEvent

DELTA: Final = "agent_delta"


def merged(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """The same events, with deltas that follow one another as one: a row costs more than the text in it.

    Args:
        events: of one run, contiguous, as they were sent.
    """
    kept: list[StoredEvent] = []
    for is_delta, group in groupby(events, lambda event: event.type == DELTA and event.seq == event.first_seq):
        run_of = list(group)
        kept += [_merge(run_of)] if is_delta and len(run_of) > 1 else run_of
    return kept


def _merge(deltas: Sequence[StoredEvent]) -> StoredEvent:
    parts = [_decoded(delta) for delta in deltas]
    whole = replace(
        parts[-1], text="".join(part.text for part in parts), offset=parts[0].offset, first_seq=deltas[0].seq
    )
    return StoredEvent(
        seq=deltas[-1].seq,
        first_seq=deltas[0].seq,
        run_id=deltas[0].run_id,
        type=DELTA,
        frame=encode_utf8(whole),
        parts=tuple(len(part.text) for part in parts),
    )


def cut(event: StoredEvent, after_seq: int) -> StoredEvent:
    """What of an event a reader does not have that has everything up to ``after_seq``."""
    if not event.first_seq <= after_seq < event.seq:
        return event
    known = after_seq + 1 - event.first_seq
    characters = (0, *accumulate(event.parts))[min(known, len(event.parts))]  # no parts: numbers without any text
    whole = _decoded(event)
    rest = replace(whole, text=whole.text[characters:], offset=whole.offset + characters, first_seq=after_seq + 1)
    return replace(event, first_seq=after_seq + 1, parts=event.parts[known:], frame=encode_utf8(rest), event=None)


_DELTA: Final = msgspec.json.Decoder(AgentDelta)


def _decoded(stored: StoredEvent) -> AgentDelta:
    return stored.event if isinstance(stored.event, AgentDelta) else _DELTA.decode(stored.frame)
