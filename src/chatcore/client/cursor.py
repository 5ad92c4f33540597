"""What of a thread has been seen: each event is let through once, in order, whatever the server replays."""

from __future__ import annotations

import attrs
import msgspec

from chatcore.protocol.messages import AgentDelta, AgentRestarted, AnyRunEvent, Resumed, ThreadSnapshot
from chatcore.protocol.run import ENDS, first_seq


@attrs.define
class Cursor:
    """A position in the events of one thread.

    A later event always moves it, even over a gap: what a crash of the server lost never comes, and the end of a run
    has the whole answer.

    Args:
        epoch: the epoch that ``seq`` belongs to, None before the first event.
        seq: the last event seen.
    """

    epoch: str | None = None
    seq: int = 0
    _spelled: dict[str, int] = attrs.field(factory=dict, init=False)
    """Characters of the answer seen, by run; of running ones only."""

    def take(self, event: AnyRunEvent) -> AnyRunEvent | None:
        """``event``, or what is new of it; None where all of it has been seen."""
        if event.epoch != self.epoch:
            self.move(event.epoch, first_seq(event) - 1)
        if event.seq <= self.seq:
            return None
        seen, self.seq = self.seq, event.seq
        if isinstance(event, AgentDelta):
            return self._cut(event, seen)
        if isinstance(event, (AgentRestarted, *ENDS)):
            self._spelled.pop(event.run_id, None)
        return event

    def move(self, epoch: str | None, seq: int) -> None:
        """Go on after ``seq`` of ``epoch``, with no text seen."""
        self.epoch, self.seq = epoch, seq
        self._spelled.clear()

    def resumed(self, frame: Resumed) -> None:
        """The server has named the epoch that it resumes."""
        if frame.complete:
            self.epoch = frame.epoch

    def restored(self, frame: ThreadSnapshot) -> None:
        """The server has told the state of the thread instead of its events."""
        self.move(frame.epoch, frame.seq)

    def _cut(self, event: AgentDelta, seen: int) -> AgentDelta | None:
        """A delta that was merged on replay may begin with what was seen; its ``offset`` says how much.

        One that ends before what was seen does stands for words that a crash lost: what is told then is an empty text,
        at the place where the words that were kept end.
        """
        spelled, end = self._spelled.get(event.run_id, 0), event.offset + len(event.text)
        self._spelled[event.run_id] = end
        if end == spelled and event.text:
            return None
        kept = min(max(spelled, event.offset), end)
        if kept == event.offset:
            return event
        first = max(first_seq(event), seen + 1)
        return msgspec.structs.replace(event, text=event.text[kept - event.offset :], offset=kept, first_seq=first)
