"""Everything that reads, each within a transaction that the caller opened.

What belongs to a user is only ever asked for together with the user.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
from msgspec import UNSET
from sqlalchemy import Column, ColumnElement, Connection, Row, Select, bindparam, exists, func, select

from chatcore.errors import ErrorCode, RequestRefused
from chatcore.protocol.messages import Answer, ThreadMessage
from chatcore.threads.chain import LogReport, check_log
from chatcore.threads.deltas import cut
from chatcore.threads.log_rows import read_log
from chatcore.threads.model import (
    OPEN_STATES,
    Page,
    RecordTable,
    RunRecord,
    StoredEvent,
    Thread,
    ThreadOrder,
    encode_cursor,
    messages_of,
    threads_by,
)
from chatcore.threads.records import read_records
from chatcore.threads.schema import events, inactive, messages, runs, service_starts, threads
from chatcore.threads.signing import Signer

MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
"""What a page may hold in memory, unless a single item is larger: answers with evidence are long, and many read."""

MESSAGES_FROM: Final = 2**52
"""Where the positions of threads with messages begin in the order of activity: threads without one come after them."""

DURATIONS_KEPT: Final = 10
"""Starts that tell how long a service takes: enough for a median, few enough to follow a change."""

_THREADS = select(threads).where(threads.c.user_id == bindparam("user"))
_THREAD = _THREADS.where(threads.c.thread_id == bindparam("thread"))
_NEWEST_MESSAGE = select(func.max(messages.c.id)).where(messages.c.thread_id == threads.c.thread_id).scalar_subquery()
_POSITIONS: Final[Mapping[ThreadOrder, ColumnElement[int]]] = {
    "created": threads.c.id,
    "active": func.coalesce(MESSAGES_FROM + _NEWEST_MESSAGE, threads.c.id),
}


def _threads_by(position: ColumnElement[int], *conditions: ColumnElement[bool]) -> Select[Any]:
    return (
        _THREADS.add_columns(position.label("position"))
        .where(position < bindparam("before"), *conditions)
        .order_by(position.desc())
        .limit(bindparam("most"))
    )


def _has_words(text: Column[str]) -> ColumnElement[bool]:
    return func.lower(text).like(func.lower(bindparam("pattern")), escape="\\")


_FOUND = _has_words(threads.c.title) | exists().where(
    messages.c.thread_id == threads.c.thread_id, _has_words(messages.c.content)
)
_INACTIVE = (
    select(threads.c.id, threads.c.thread_id)
    .where(threads.c.id > bindparam("after"), inactive(bindparam("before")))
    .order_by(threads.c.id)
    .limit(bindparam("most"))
)
_THREADS_BY = {order: _threads_by(position) for order, position in _POSITIONS.items()}
_THREADS_FOUND_BY = {order: _threads_by(position, _FOUND) for order, position in _POSITIONS.items()}
_RUNS = select(runs, messages.c.content).join_from(
    runs, messages, (messages.c.run_id == runs.c.run_id) & (messages.c.role == "user")
)
_RUN = _RUNS.where(runs.c.user_id == bindparam("user"), runs.c.run_id == bindparam("run"))
_UNFINISHED_RUNS = _RUNS.where(runs.c.state.in_(OPEN_STATES)).order_by(runs.c.id)
_MESSAGES = (
    select(messages, runs.c.state)
    .join_from(messages, runs, messages.c.run_id == runs.c.run_id)
    .where(messages.c.thread_id == bindparam("thread"), messages.c.id > bindparam("after"))
    .order_by(messages.c.id)
    .limit(bindparam("most"))
)
_ALL_MESSAGES = _MESSAGES.limit(None)
_EVENTS = (
    select(events)
    .where(events.c.thread_id == bindparam("thread"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)
_STARTS = select(
    service_starts.c.service,
    service_starts.c.duration_seconds,
    func.row_number().over(partition_by=service_starts.c.service, order_by=service_starts.c.id.desc()).label("age"),
).subquery()
_LAST_STARTS = select(_STARTS.c.service, _STARTS.c.duration_seconds).where(_STARTS.c.age <= DURATIONS_KEPT)
_ANSWER = msgspec.json.Decoder(Answer)
_PARTS = msgspec.json.Decoder(tuple[int, ...])


@attrs.frozen(eq=False)
class Queries:
    """What can be read. A page has at most ``limit`` items, and fewer where they are large.

    Args:
        connection: in a transaction, so that all that one query reads is of one moment.
        signer: knows what was signed.
    """

    _connection: Connection
    _signer: Signer

    def thread(self, user_id: str, thread_id: str) -> Thread:
        """One thread of the user.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        row = self._connection.execute(_THREAD, {"user": user_id, "thread": thread_id}).one_or_none()
        if row is None:
            raise RequestRefused(ErrorCode.THREAD_NOT_FOUND)
        return _thread(row)

    def threads(self, user_id: str, *, query: str, order: ThreadOrder, before: int, limit: int) -> Page[Thread]:
        """The user's threads in an order, from before the position ``before``; where ``query``, those that hold it."""
        statement = (_THREADS_FOUND_BY if query else _THREADS_BY)[order]
        given = {"user": user_id, "before": before, "most": limit + 1} | ({"pattern": _pattern(query)} if query else {})
        taken, more = _fill(self._connection.execute(statement, given), limit, lambda row: len(row.title))
        last = encode_cursor(threads_by(order, query), taken[-1].position) if more else None
        return Page(items=tuple(map(_thread, taken)), next=last)

    def inactive_threads(self, before: float, *, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """Threads of every user in which nothing has happened since ``before`` and no run is under way.

        Args:
            before: Unix seconds.
            after: the position that they begin after.
            limit: how many at most.

        Returns:
            position and id of each, in the order of their positions.
        """
        rows = self._connection.execute(_INACTIVE, {"before": before, "after": after, "most": limit})
        return [(row.id, row.thread_id) for row in rows]

    def has_message(self, user_id: str, message_id: str) -> bool:
        """Whether a message was accepted of this user."""
        query = select(messages.c.id).where(messages.c.user_id == user_id, messages.c.message_id == message_id)
        return self._connection.execute(query).first() is not None

    def messages(self, user_id: str, thread_id: str, *, after: int, limit: int) -> Page[ThreadMessage]:
        """The messages of the user's thread, the oldest first, from after the position ``after``.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        self.thread(user_id, thread_id)
        rows = self._connection.execute(_MESSAGES, {"thread": thread_id, "after": after, "most": limit + 1})
        taken, more = _fill(rows, limit, lambda row: len(row.content) + len(row.answer or b""))
        last = encode_cursor(messages_of(thread_id), taken[-1].id) if more else None
        return Page(items=tuple(map(_message, taken)), next=last)

    def snapshot(self, user_id: str, thread_id: str) -> tuple[Thread, Sequence[ThreadMessage]]:
        """The user's thread with all its messages, the oldest first.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        thread = self.thread(user_id, thread_id)
        rows = self._connection.execute(_ALL_MESSAGES, {"thread": thread_id, "after": 0})
        return thread, [_message(row) for row in rows]

    def events(
        self, user_id: str, thread_id: str, *, after: int, limit: int, run_id: str | None = None
    ) -> Page[StoredEvent]:
        """The events of the user's thread in order, from after the ``seq`` ``after``; of one run where it is given.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        self.thread(user_id, thread_id)
        query = _EVENTS if run_id is None else _EVENTS.where(events.c.run_id == run_id)
        rows = self._connection.execute(query, {"thread": thread_id, "after": after, "most": limit + 1})
        taken, more = _fill(rows, limit, lambda row: len(row.frame))
        items = tuple(cut(_event(row), after) for row in taken)
        return Page(items=items, next=str(taken[-1].seq) if more else None)

    def run(self, user_id: str, run_id: str) -> RunRecord:
        """One run of the user.

        Raises:
            RequestRefused: ``RUN_NOT_FOUND``.
        """
        row = self._connection.execute(_RUN, {"user": user_id, "run": run_id}).one_or_none()
        if row is None:
            raise RequestRefused(ErrorCode.RUN_NOT_FOUND)
        return _run(row)

    def unfinished_runs(self) -> tuple[RunRecord, ...]:
        """The runs of every user that have no end yet, the oldest first."""
        return tuple(map(_run, self._connection.execute(_UNFINISHED_RUNS)))

    def audit(self, user_id: str, thread_id: str) -> LogReport:
        """Whether the log of the user's thread is as it was signed.

        Raises:
            RequestRefused: ``THREAD_NOT_FOUND``.
        """
        log = read_log(self._connection, thread_id)
        if log is None or log.user_id != user_id:
            raise RequestRefused(ErrorCode.THREAD_NOT_FOUND)
        return check_log(log, self._signer)

    def learned_durations(self) -> Mapping[str, float]:
        """How long each service takes to start, in seconds: the median of its last few starts."""
        durations = defaultdict(list)
        for service, duration_seconds in self._connection.execute(_LAST_STARTS):
            durations[service].append(duration_seconds)
        return {service: statistics.median(latest) for service, latest in durations.items()}

    def records(self, user_id: str | None) -> tuple[RecordTable, ...]:
        """The server's own record; of runs and tool calls, the user's alone where one is given."""
        return read_records(self._connection, user_id)


def _fill(rows: Iterable[Row[Any]], limit: int, size: Callable[[Row[Any]], int]) -> tuple[list[Row[Any]], bool]:
    """The rows of one page, the first whatever its size in bytes, and whether more follow."""
    taken: list[Row[Any]] = []
    room = MAX_PAGE_BYTES
    for row in rows:
        room -= size(row)
        if len(taken) == limit or (taken and room < 0):
            return taken, True
        taken.append(row)
    return taken, False


def _pattern(query: str) -> str:
    """The ``LIKE`` pattern of a text that holds ``query``, none of whose characters stands for another."""
    return "%" + "".join("\\" + one if one in "\\%_" else one for one in query) + "%"


def _thread(row: Row[Any]) -> Thread:
    return Thread(
        thread_id=row.thread_id,
        title=row.title,
        created_at=row.created_at,
        updated_at=row.updated_at,
        epoch=row.epoch,
        last_seq=row.last_seq,
        reserved_seq=row.reserved_seq,
    )


def _run(row: Row[Any]) -> RunRecord:
    return RunRecord(
        run_id=row.run_id,
        thread_id=row.thread_id,
        user_id=row.user_id,
        agent=row.agent,
        message_id=row.message_id,
        content=row.content,
        state=row.state,
        attempt=row.attempt,
        generation=row.generation,
        cancel_requested=bool(row.cancel_requested),
        created_at=row.created_at,
    )


def _message(row: Row[Any]) -> ThreadMessage:
    """A message; its status is that of its run."""
    return ThreadMessage(
        message_id=row.message_id,
        role=row.role,
        content=row.content,
        run_id=row.run_id,
        created_at=row.created_at,
        status=row.state,
        answer=UNSET if row.answer is None else _ANSWER.decode(row.answer),
    )


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(
        seq=row.seq,
        first_seq=row.first_seq,
        run_id=row.run_id,
        type=row.type,
        frame=row.frame,
        parts=() if row.parts is None else _PARTS.decode(row.parts),
    )
