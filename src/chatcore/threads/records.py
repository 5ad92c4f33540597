"""The server's own record as tables, for the built-in analyst when no data is attached.

It counts and times; it quotes nobody. Of what users and agents wrote, and of the arguments of tools, it holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, Table, select

from chatcore.threads.model import RecordTable
from chatcore.threads.schema import TOOL_EVENTS, events, initializations, runs, service_starts

MAX_RECORDS: Final = 10_000
"""The newest rows that each table is read from: weeks of an ordinary server, and little memory."""

_RUN_COLUMNS = (
    "run_id", "thread_id", "agent", "state", "attempt", "generation", "error_code",
    "created_at", "started_at", "ended_at", "duration_seconds",
)  # fmt: skip
_TOOL_CALL_COLUMNS = ("tool_call_id", "run_id", "tool", "status", "started_at", "duration_seconds")
_INITIALIZATION_COLUMNS = (
    "initialization_id", "instance_id", "attempt", "outcome", "generation", "error_code", "failed_service",
    "started_at", "duration_seconds",
)  # fmt: skip
_SERVICE_START_COLUMNS = ("initialization_id", "service", "duration_seconds")


class _ToolFrame(msgspec.Struct):
    """As much of ``tool_executing`` and ``tool_completed`` as is counted."""

    tool_call_id: str
    tool: str
    timestamp: float
    status: str | None = None
    duration_seconds: float | None = None


_TOOL_FRAME = msgspec.json.Decoder(_ToolFrame)


def read_records(connection: Connection, user_id: str | None) -> tuple[RecordTable, ...]:
    """Every table, the oldest row first. Times are ISO 8601 in UTC; what has not happened is None.

    Args:
        connection: in a transaction.
        user_id: whose runs and tool calls; everyone's where None.
    """
    return (
        RecordTable(name="runs", columns=_RUN_COLUMNS, rows=_run_rows(connection, user_id)),
        RecordTable(name="tool_calls", columns=_TOOL_CALL_COLUMNS, rows=_tool_call_rows(connection, user_id)),
        RecordTable(name="initializations", columns=_INITIALIZATION_COLUMNS, rows=_initialization_rows(connection)),
        RecordTable(name="service_starts", columns=_SERVICE_START_COLUMNS, rows=_service_start_rows(connection)),
    )


def _run_rows(connection: Connection, user_id: str | None) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (
            row.run_id, row.thread_id, row.agent, row.state, row.attempt, row.generation, row.error_code,
            _iso(row.created_at), _iso(row.started_at), _iso(row.ended_at), _between(row.started_at, row.ended_at),
        )
        for row in _oldest_first(connection, _of_user(_newest(runs), user_id))
    )  # fmt: skip


def _tool_call_rows(connection: Connection, user_id: str | None) -> tuple[tuple[Any, ...], ...]:
    """One row a call, from the events of its start and of its end; one that never ended has no status."""
    newest = _of_user(_newest(runs), user_id).subquery()
    frames = (
        select(events.c.run_id, events.c.frame)
        .join_from(newest, events, events.c.run_id == newest.c.run_id)
        .where(TOOL_EVENTS)
        .order_by(newest.c.id, events.c.seq)
    )
    started_at: dict[tuple[str, str], float] = {}
    rows: dict[tuple[str, str], tuple[Any, ...]] = {}
    for run_id, encoded in connection.execute(frames):
        frame = _TOOL_FRAME.decode(encoded)
        call = (run_id, frame.tool_call_id)
        started = _iso(started_at.setdefault(call, frame.timestamp))
        rows[call] = (frame.tool_call_id, run_id, frame.tool, frame.status, started, frame.duration_seconds)
    return tuple(rows.values())


def _initialization_rows(connection: Connection) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (
            row.id, row.instance_id, row.attempt, row.outcome, row.generation, row.error_code, row.failed_service,
            _iso(row.started_at), row.duration_seconds,
        )
        for row in _oldest_first(connection, _newest(initializations))
    )  # fmt: skip


def _service_start_rows(connection: Connection) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (row.initialization_id, row.service, row.duration_seconds)
        for row in _oldest_first(connection, _newest(service_starts))
    )


def _newest(table: Table) -> Select[Any]:
    return select(table).order_by(table.c.id.desc()).limit(MAX_RECORDS)


def _of_user(rows: Select[Any], user_id: str | None) -> Select[Any]:
    return rows if user_id is None else rows.where(runs.c.user_id == user_id)


def _oldest_first(connection: Connection, newest_first: Select[Any]) -> Iterable[Any]:
    return reversed(connection.execute(newest_first).all())


def _iso(seconds: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC, to the millisecond."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
