"""Everything that writes, each within a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final
from uuid import uuid4

import attrs
import msgspec

from chatcore.errors import ChatcoreError, ErrorCode, RequestRefused
from chatcore.protocol.messages import UserMessage
from chatcore.threads import statements as sql
from chatcore.threads.model import (
    ENDED_STATES,
    RESERVED_AHEAD,
    Accepted,
    EndState,
    InitializationRecord,
    RunEnded,
    RunIds,
    SequenceBroken,
    StoredEvent,
    Thread,
    title_of,
)
from chatcore.threads.signing import Signer
from chatcore.threads.sqlite import MARK_DELETED

PROBE: Final = bytes(4096)
"""What a probe writes: it needs a page of its own, as a message does."""


@attrs.frozen(eq=False)
class Commands:
    """What can be written. ``now`` is Unix seconds.

    Args:
        transaction: to write in.
        signer: signs what is written.
    """

    _transaction: sql.Transaction
    _signer: Signer

    def create_thread(self, user_id: str, title: str, now: float) -> Thread:
        """Open a thread without messages."""
        thread = Thread(
            thread_id=uuid4().hex, title=title, created_at=now, updated_at=now, epoch=uuid4().hex, last_seq=0
        )
        self._transaction.run(sql.ADD_THREAD, user_id=user_id, **attrs.asdict(thread))
        return thread

    def rename_thread(self, user_id: str, thread_id: str, title: str) -> None:
        """Give a thread another title; when it was last active stays as it is.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        if self._transaction.run(sql.RENAME_THREAD, thread_id=thread_id, user_id=user_id, to=title) == 0:
            raise RequestRefused(ErrorCode.THREAD_NOT_FOUND)

    def delete_thread(self, user_id: str, thread_id: str) -> None:
        """Delete a thread and all that belongs to it; the files are to be erased then, whatever ends this process.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        if self._transaction.run(sql.DELETE_THREAD, thread_id=thread_id, user_id=user_id) == 0:
            raise RequestRefused(ErrorCode.THREAD_NOT_FOUND)
        self._transaction.run(MARK_DELETED)

    def delete_inactive(self, thread_id: str, before: float) -> bool:
        """Delete a thread unless it was active since ``before`` or a run of it is under way; whether it was deleted."""
        deleted = self._transaction.run(sql.DELETE_INACTIVE, thread_id=thread_id, before=before) > 0
        if deleted:
            self._transaction.run(MARK_DELETED)
        return deleted

    def accept_message(self, user_id: str, message: UserMessage, agent: str, now: float) -> Accepted:
        """Keep a message and a run that waits; a message that is known already changes nothing.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        known = self._transaction.find(sql.FIND_MESSAGE, user_id=user_id, message_id=message.message_id)
        if known is not None:
            return _known(message.message_id, *known)
        thread_id, epoch = self._thread_for(user_id, message, now)
        accepted = Accepted(
            message_id=message.message_id,
            thread_id=thread_id,
            run_id=uuid4().hex,
            epoch=epoch,
            agent=agent,
            duplicate=False,
            ended=False,
        )
        self._add_run(user_id, accepted, now)
        self._add_message(user_id, accepted, "user", message.content, now, message_id=message.message_id)
        return accepted

    def start_run(self, run_id: str, generation: int, now: float) -> int:
        """Mark a run as running, for the first time or again; the ``seq`` of the thread's next event.

        Raises:
            RequestRefused: ``RUN_NOT_FOUND``.
            RunEnded: it is over.
        """
        thread_id, *_ = self._open_run(run_id)
        return self._start(thread_id, run_id, generation, now)

    def begin_run(self, run_id: str, generation: int, first: Callable[[int], StoredEvent], now: float) -> StoredEvent:
        """The same, with the run's first event, which ``first`` makes of its ``seq``; it may be tried again.

        Raises:
            RequestRefused, RunEnded: as :meth:`start_run`.
        """
        thread_id, _, state = self._open_run(run_id)
        begun = self._first_event(thread_id, run_id) if state == "running" else None
        if begun is not None:  # by an earlier try, of whose success nobody was told
            return begun
        event = first(self._start(thread_id, run_id, generation, now))
        self.append_events(thread_id, [event], now)
        return event

    def request_cancel(self, user_id: str, run_id: str) -> None:
        """Keep that the user of a run does not want it any more.

        Raises:
            RequestRefused: ``RUN_NOT_FOUND``.
        """
        if self._transaction.run(sql.REQUEST_CANCEL, run_id=run_id, user_id=user_id) == 0:
            raise RequestRefused(ErrorCode.RUN_NOT_FOUND)

    def append_events(self, thread_id: str, events: Sequence[StoredEvent], now: float) -> None:
        """Add events, contiguous among themselves, to their thread.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``, or ``RUN_NOT_FOUND``: the run is not one of this thread.
            SequenceBroken: they do not follow the thread's last event.
            RunEnded: their run is over.
        """
        for run_id, of_run in groupby(events, key=attrgetter("run_id")):
            self._append_events(thread_id, run_id, list(of_run), now)

    def end_run(
        self,
        run: RunIds,
        events: Sequence[StoredEvent],
        state: EndState,
        answer: bytes | None,
        text: str,
        error_code: str | None,
        now: float,
    ) -> None:
        """Add a run's last events and the agent's message, and mark the run as over.

        Raises:
            RequestRefused, SequenceBroken, RunEnded: as :meth:`append_events`.
        """
        thread_id, user_id, _ = self._open_run(run.run_id)
        if thread_id != run.thread_id:
            raise RequestRefused(ErrorCode.RUN_NOT_FOUND)
        self.append_events(thread_id, events, now)
        self._transaction.run(sql.END_RUN, run_id=run.run_id, to=state, why=error_code, now=now)
        self._add_message(user_id, run, "agent", text, now, answer=answer)

    def record_initialization(self, record: InitializationRecord) -> None:
        """Keep how an attempt to start the services went."""
        fields = attrs.asdict(record, recurse=False)
        services = fields.pop("services")
        (key,) = self._transaction.find(sql.ADD_INITIALIZATION, **fields)
        starts = [{"initialization_id": key, **attrs.asdict(start)} for start in services]
        self._transaction.run_each(sql.ADD_SERVICE_START, starts)

    def probe(self) -> None:
        """Write as much as a small message needs, and give back what the probe before took."""
        (newest,) = self._transaction.find(sql.ADD_PROBE, payload=PROBE)
        self._transaction.run(sql.CLEAR_PROBES, newest=newest)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _thread_for(self, user_id: str, message: UserMessage, now: float) -> tuple[str, str]:
        """The id and epoch of the thread that ``message`` goes to: a new one where it names none."""
        if message.thread_id is None:
            thread = self.create_thread(user_id, title_of(message.content), now)
            return thread.thread_id, thread.epoch
        found = self._transaction.find(sql.FIND_OWN_THREAD, thread_id=message.thread_id, user_id=user_id)
        if found is None:
            raise RequestRefused(ErrorCode.THREAD_NOT_FOUND)
        self._transaction.run(sql.TOUCH_THREAD, thread_id=message.thread_id, now=now)
        epoch, _ = found
        return message.thread_id, epoch

    def _open_run(self, run_id: str | None) -> tuple[str, str, str]:
        """The thread, the user and the state of a run that is not over."""
        found = self._transaction.find(sql.FIND_RUN, run_id=run_id)
        if found is None:
            raise RequestRefused(ErrorCode.RUN_NOT_FOUND)
        thread_id, user_id, state = found
        if state in ENDED_STATES:
            raise RunEnded(str(run_id), state)
        return thread_id, user_id, state

    def _start(self, thread_id: str, run_id: str, generation: int, now: float) -> int:
        self._transaction.run(sql.START_RUN, run_id=run_id, of=generation, now=now)
        _, last_seq = self._transaction.find(sql.FIND_THREAD, thread_id=thread_id)
        return int(last_seq) + 1

    def _first_event(self, thread_id: str, run_id: str) -> StoredEvent | None:
        found = self._transaction.find(sql.FIND_FIRST_EVENT, thread_id=thread_id, run_id=run_id)
        if found is None:
            return None
        seq, kind, frame = found
        return StoredEvent(seq=seq, first_seq=seq, run_id=run_id, type=kind, frame=frame)

    def _add_run(self, user_id: str, accepted: Accepted, now: float) -> None:
        self._transaction.run(
            sql.ADD_RUN,
            run_id=accepted.run_id,
            thread_id=accepted.thread_id,
            user_id=user_id,
            message_id=accepted.message_id,
            agent=accepted.agent,
            state="waiting",
            attempt=0,
            created_at=now,
        )

    def _add_message(
        self,
        user_id: str,
        run: RunIds,
        role: str,
        content: str,
        now: float,
        *,
        message_id: str | None = None,
        answer: bytes | None = None,
    ) -> None:
        row = {
            "message_id": message_id,
            "thread_id": run.thread_id,
            "user_id": user_id,
            "run_id": run.run_id,
            "role": role,
            "content": content,
            "answer": answer,
            "created_at": now,
        }
        self._transaction.run(sql.ADD_MESSAGE, **row, mac=self._signer.sign("message", *row.values()))

    def _append_events(self, thread_id: str, run_id: str, events: Sequence[StoredEvent], now: float) -> None:
        before, last = events[0].first_seq - 1, events[-1].seq
        found = self._transaction.find(sql.FIND_LAST_EVENT, thread_id=thread_id, before=before)
        if found is None:
            raise self._why_not_advanced(thread_id, run_id, before)
        mac, user_id, epoch = found
        rows = self._signed(mac, [_event_row(thread_id, event) for event in events])
        seal = self._signer.sign("thread", thread_id, user_id, epoch, last, rows[-1]["mac"])
        place = {"before": before, "last": last, "reserved": last + RESERVED_AHEAD, "seal": seal}
        if not self._transaction.run(sql.ADVANCE, thread_id=thread_id, run_id=run_id, now=now, **place):
            raise self._why_not_advanced(thread_id, run_id, before)
        self._transaction.run_each(sql.ADD_EVENT, rows)

    def _signed(self, previous: bytes | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each row of an event with its MAC, chained to ``previous``."""
        for row in rows:
            previous = row["mac"] = self._signer.sign("event", previous, *row.values())
        return rows

    def _why_not_advanced(self, thread_id: str, run_id: str, before: int) -> ChatcoreError:
        thread = self._transaction.find(sql.FIND_THREAD, thread_id=thread_id)
        if thread is None:
            return RequestRefused(ErrorCode.THREAD_NOT_FOUND)
        _, last_seq = thread
        if last_seq != before:
            return SequenceBroken(thread_id, last_seq + 1, before + 1)
        try:
            self._open_run(run_id)
        except ChatcoreError as error:
            return error
        return RequestRefused(ErrorCode.RUN_NOT_FOUND)  # it is another thread's


def _known(message_id: str, thread_id: str, run_id: str, epoch: str, agent: str, state: str) -> Accepted:
    return Accepted(
        message_id=message_id,
        thread_id=thread_id,
        run_id=run_id,
        epoch=epoch,
        agent=agent,
        duplicate=True,
        ended=state in ENDED_STATES,
    )


def _event_row(thread_id: str, event: StoredEvent) -> dict[str, Any]:
    return {
        "thread_id": thread_id,
        "seq": event.seq,
        "first_seq": event.first_seq,
        "run_id": event.run_id,
        "type": event.type,
        "frame": event.frame,
        "parts": msgspec.json.encode(event.parts) if event.parts else None,
    }
