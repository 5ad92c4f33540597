"""The events of one run: numbered, legal, and stored before anyone sees them.

Deltas alone go out at once and are stored with the next event, or when enough of them wait. An event that could not be
stored has its number all the same: it waits, with whatever comes after it, for the next try.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import attrs
import trio

from chatcore.context import UserExecutionContext, require_context
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.codec import decode_server_frame, encode_utf8
from chatcore.protocol.run import RunGrammar
from chatcore.threads.deltas import merged
from chatcore.threads.model import RESERVED_AHEAD, StoredEvent
from chatcore.threads.service import ThreadService

UNSTORED_BYTES = 65_536
"""Of events that may wait for storage; the number of deltas among them is bounded by what is reserved."""


def first_event(context: UserExecutionContext, epoch: str, agent: str, message_id: str, seq: int) -> StoredEvent:
    """The first event of a run, for the number that it is given."""
    return _event(m.AgentStarted, seq, _common(context, epoch), {"agent": agent, "message_id": message_id})


def _common(context: UserExecutionContext, epoch: str) -> Mapping[str, Any]:
    """The fields that all events of a run have alike."""
    ids = {"thread_id": str(context.thread_id), "run_id": str(context.run_id)}
    return {"user_id": context.user_id, **ids, "epoch": epoch}


def _event(kind: type[m.RunEvent], seq: int, common: Mapping[str, Any], fields: Mapping[str, Any]) -> StoredEvent:
    event: Any = kind(timestamp=time.time(), seq=seq, **common, **fields)
    tag, frame, first = str(kind.__struct_config__.tag), encode_utf8(event), fields.get("first_seq", seq)
    return StoredEvent(seq=seq, first_seq=first, run_id=event.run_id, type=tag, frame=frame, event=event)


@attrs.define(eq=False, kw_only=True, on_setattr=attrs.setters.NO_OP)
class RunLog:
    """The events of one run, on their way to storage and to whoever watches.

    Args:
        context: whose run it is; thread and run are set.
        epoch: of the thread.
        next_seq: of the thread.
        store: where events are kept.
        bridge: who sees them.
        recorder: hears of them.
    """

    context: UserExecutionContext
    epoch: str
    next_seq: int
    store: ThreadService
    bridge: AgentWebSocketBridge
    recorder: Recorder
    grammar: RunGrammar = attrs.field(factory=RunGrammar)
    _common: Mapping[str, Any] = attrs.field(init=False)
    """The fields that all its events have alike."""
    _first_seq: int = attrs.field(init=False)
    _seen_seq: int = attrs.field(init=False)
    _reserved_seq: int = attrs.field(init=False)
    began_at: float = attrs.field(factory=trio.current_time, init=False)
    _unstored: list[StoredEvent] = attrs.field(factory=list, init=False)
    _unstored_bytes: int = attrs.field(default=0, init=False)

    @_common.default
    def _make_common(self) -> Mapping[str, Any]:
        return _common(require_context(self.context, type(self).__name__), self.epoch)

    def __attrs_post_init__(self) -> None:
        self._first_seq = self.next_seq
        self._seen_seq = self._reserved_seq = self.next_seq - 1

    @property
    def thread_id(self) -> str:
        """The thread whose events these are."""
        return str(self.context.thread_id)

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return trio.current_time() - self.began_at

    def has_room(self, deltas: int, characters: int) -> bool:
        """Whether so many more deltas may go out before they are stored."""
        return self.next_seq + deltas <= self._reserved_seq and self.may_wait(characters)

    def may_wait(self, characters: int) -> bool:
        """Whether so much more may wait for storage."""
        return self._unstored_bytes + characters <= UNSTORED_BYTES

    def add(self, kind: type[m.RunEvent], **fields: Any) -> StoredEvent:
        """Give the next event its number; where it is not legal, or nothing that can be sent, it has not happened."""
        stored = _event(kind, self.next_seq, self._common, fields)
        self._take(stored)
        return stored

    def begin(self, first: StoredEvent) -> None:
        """Go on from the first event, which is stored already."""
        self._take(first)
        self._stored(1)

    def _take(self, stored: StoredEvent) -> None:
        event: Any = stored.event or decode_server_frame(stored.frame)
        self.grammar.advance(event)
        self.next_seq = stored.seq + 1
        self._unstored.append(stored)
        self._unstored_bytes += len(stored.frame)

    def send(self, deltas: Sequence[StoredEvent]) -> None:
        """Let watchers see these, the newest there are, before they are stored; those beyond what is reserved wait."""
        if self._seen_seq == deltas[0].seq - 1:
            self._publish([delta for delta in deltas if delta.seq <= self._reserved_seq])

    async def keep(self) -> None:
        """Store what waits, but for the end: only :meth:`keep_end` stores that, with the state of the run."""
        waiting = self._unstored[:-1] if self.grammar.ended else self._unstored
        if waiting:
            await self.store.append_events(self.thread_id, merged(waiting))
            self._stored(len(waiting))

    async def keep_end(self, **how: Any) -> None:
        """Store what waits with the end of the run, in one step; see :meth:`ThreadService.end_run`."""
        await self.store.end_run(self.context, merged(self._unstored), **how)
        self._stored(len(self._unstored))

    def _stored(self, count: int) -> None:
        """So many of those that waited are durable: who watches may see what was not out yet."""
        stored, self._unstored = self._unstored[:count], self._unstored[count:]
        self._unstored_bytes = sum(len(event.frame) for event in self._unstored)
        self._reserved_seq = stored[-1].seq + RESERVED_AHEAD
        self._publish([event for event in stored if event.seq > self._seen_seq])

    def _publish(self, events: Sequence[StoredEvent]) -> None:
        if not events:
            return
        if events[0].seq == self._first_seq:
            self.recorder.first_event(self.seconds)
        self._seen_seq = events[-1].seq
        for kind, alike in groupby(event.type for event in events):
            self.recorder.run_events(kind, sum(1 for _ in alike))
        self.bridge.publish(self.thread_id, *events)
