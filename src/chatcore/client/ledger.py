"""What a client has asked for and what it has seen, beyond any one connection; pure, without Trio and clock.

What has to be written is not kept in a queue but worked out from what is still wanted: a new connection forgets what
was written on the last one, and :meth:`Ledger.outgoing` says it all again.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from chatcore.client.cursor import Cursor
from chatcore.errors import ErrorCode
from chatcore.protocol.connection import OPENED, Conversation, State, What, kind_of
from chatcore.protocol.messages import (
    AnyClientFrame,
    AnyRunEvent,
    AnyServerFrame,
    CancelRun,
    Error,
    MessageAccepted,
    Resume,
    Resumed,
    RunEvent,
    ThreadSnapshot,
    UserMessage,
)
from chatcore.protocol.run import ENDS

RESUMES_ASKED: Final = 16
"""Resumes that wait for their answers at a time: enough that a round trip is not felt, far below the 128 frames that a
server queues. What it refuses past those has no name, so that all would be asked for again, on a new connection."""


def running(frame: ThreadSnapshot) -> frozenset[str]:
    """The runs that have not ended in the state that ``frame`` shows."""
    ongoing = (message for message in frame.messages if message.status in ("running", "waiting"))
    return frozenset(message.run_id for message in ongoing if message.run_id is not None)


@attrs.define
class Watch:
    """One thread that was seen or asked for. It is kept as long as the chat: two numbers and two short texts.

    Args:
        cursor: what of it has been seen.
        runs: the runs of it whose end is awaited.
        pinned: whether :meth:`Ledger.resume` asked for it.
        needed: whether it has to be resumed on this connection.
        back_to: from where the next resume has to replay, where that lies before what was seen.
        unanswered: how many times it was asked for on this connection without an answer yet.
    """

    cursor: Cursor = attrs.field(factory=Cursor)
    runs: set[str] = attrs.field(factory=set)
    pinned: bool = False
    needed: bool = False
    back_to: int | None = None
    unanswered: int = 0

    @property
    def live(self) -> bool:
        """Whether its events arrive without a gap. Before, they are passed over: the replay brings them."""
        return not self.needed and not self.unanswered


@attrs.define
class Ledger:
    """Everything a client needs to go on after a lost connection."""

    conversation: Conversation = attrs.field(default=OPENED, init=False)
    watches: dict[str, Watch] = attrs.field(factory=dict, init=False)
    _unacknowledged: dict[str, UserMessage] = attrs.field(factory=dict, init=False)
    _begins_after: dict[str, int] = attrs.field(factory=dict, init=False)
    """For each of these, a position in its thread that all events of its run come after."""
    _cancels: dict[str, CancelRun] = attrs.field(factory=dict, init=False)
    _written: set[str] = attrs.field(factory=set, init=False)
    """The messages and cancellations that this connection has carried, by id."""
    _asked: deque[str] = attrs.field(factory=deque, init=False)
    """The threads asked for on this connection and not answered, in order: the server answers in that order."""

    # --- what is wanted ---------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """A new connection: nothing has been written on it."""
        self.conversation = OPENED
        self._written.clear()
        self._asked.clear()
        awaited = set[str]().union(*(watch.runs for watch in self.watches.values()))
        self._cancels = {run: frame for run, frame in self._cancels.items() if run in awaited}
        for watch in self.watches.values():
            watch.needed, watch.unanswered = watch.pinned or bool(watch.runs), 0

    def send(self, message: UserMessage, *, fresh: bool) -> None:
        """``message`` is to be written, on every connection until it is acknowledged or refused.

        Args:
            message: what to send.
            fresh: whether its id was made for it, so that its run lies after all that was seen of the thread.
        """
        known = self.watches.get(message.thread_id or "") if fresh else None
        self._unacknowledged[message.message_id] = message
        self._begins_after[message.message_id] = known.cursor.seq if known else 0

    def forget(self, message_id: str) -> None:
        """Nobody waits for this acknowledgement any more."""
        self._unacknowledged.pop(message_id, None)
        self._begins_after.pop(message_id, None)
        self._written.discard(message_id)

    def cancel(self, run_id: str) -> None:
        """``run_id`` is to be cancelled; asked again after a lost connection while its end is awaited."""
        self._cancels[run_id] = CancelRun(run_id=run_id)
        self._written.discard(run_id)

    def resume(self, thread_id: str, after_seq: int) -> None:
        """The events of a thread after ``after_seq`` are wanted, again where they were seen already."""
        watch = self._watch(thread_id)
        watch.pinned = watch.needed = True
        if watch.cursor.epoch is None or after_seq < watch.cursor.seq:
            watch.cursor.move(watch.cursor.epoch, after_seq)
            watch.back_to = None if watch.back_to is None else min(watch.back_to, after_seq)

    def outgoing(self) -> AnyClientFrame | None:
        """What to write next on this connection, taken as written; None when there is nothing now."""
        for wanted in (self._unacknowledged, self._cancels):
            for key, frame in wanted.items():
                if key not in self._written:
                    self._written.add(key)
                    return frame
        if self.conversation.state in (State.READY, State.RECOVERING):  # no replay can come before `ready`
            return self._next_resume()
        return None

    def _next_resume(self) -> Resume | None:
        if len(self._asked) >= RESUMES_ASKED:
            return None
        for thread_id, watch in self.watches.items():
            if watch.needed:
                watch.needed = False
                watch.unanswered += 1
                self._asked.append(thread_id)
                after_seq = watch.cursor.seq if watch.back_to is None else watch.back_to
                return Resume(thread_id=thread_id, after_seq=after_seq, epoch=watch.cursor.epoch)
        return None

    # --- what arrives -----------------------------------------------------------------------------------------------

    def receive(self, frame: AnyServerFrame) -> AnyServerFrame | None:
        """``frame``, or what is new of it; None where it has been seen or will come again.

        Raises:
            IllegalFrame: when the connection's table does not allow it now.
        """
        self.conversation = self.conversation.advance(frame)
        if isinstance(frame, RunEvent):
            return self._receive_event(frame)
        if isinstance(frame, MessageAccepted):
            self._accepted(frame)
        elif isinstance(frame, Resumed):
            self._answered(frame.thread_id).cursor.resumed(frame)
        elif isinstance(frame, ThreadSnapshot):
            self._restored(frame)
        elif isinstance(frame, Error) and frame.message_id is not None:
            self.forget(frame.message_id)
        return frame

    def is_live(self, thread_id: str) -> bool:
        """Whether the events of a thread arrive without a gap."""
        return thread_id not in self.watches or self.watches[thread_id].live

    def refused_thread(self, error: Error) -> str | None:
        """The thread that ``error`` says there is not, given up from now on; None where it says something else.

        The server answers in order, so that an error without a ``message_id`` is of the oldest question.
        """
        if error.message_id is not None or error.error_code != ErrorCode.THREAD_NOT_FOUND or not self._asked:
            return None
        thread_id = self._asked[0]
        self._answered(thread_id)
        del self.watches[thread_id]
        return thread_id

    def left_waiting(self, error: Error) -> bool:
        """Whether ``error`` may have refused a resume without saying which, so that only a new start can help."""
        unnamed = error.message_id is None and error.retryable and kind_of(error) is What.PASSING_ERROR
        return unnamed and bool(self._asked)

    def _receive_event(self, event: AnyRunEvent) -> AnyServerFrame | None:
        watch = self._watch(event.thread_id)
        if not watch.live:
            return None
        if isinstance(event, ENDS):
            self._ended(watch, event.run_id)
        return watch.cursor.take(event)

    def _accepted(self, frame: MessageAccepted) -> None:
        if frame.message_id not in self._unacknowledged:
            return
        watch = self._watch(frame.thread_id)
        watch.runs.add(frame.run_id)
        if frame.duplicate:  # an earlier connection carried it: what the run has said since went past this one
            after_seq = self._begins_after[frame.message_id]
            watch.needed, watch.back_to = (
                True,
                min(after_seq, watch.cursor.seq if watch.back_to is None else watch.back_to),
            )
        self.forget(frame.message_id)

    def _restored(self, frame: ThreadSnapshot) -> None:
        watch = self._watch(frame.thread_id)
        watch.cursor.restored(frame)
        for run_id in watch.runs.difference(running(frame)):
            self._ended(watch, run_id)

    def _ended(self, watch: Watch, run_id: str) -> None:
        watch.runs.discard(run_id)
        self._cancels.pop(run_id, None)
        self._written.discard(run_id)

    def _answered(self, thread_id: str) -> Watch:
        watch = self._watch(thread_id)
        if thread_id in self._asked:
            self._asked.remove(thread_id)
            watch.unanswered -= 1
            watch.back_to = watch.back_to if watch.needed else None
        return watch

    def _watch(self, thread_id: str) -> Watch:
        return self.watches.setdefault(thread_id, Watch())
