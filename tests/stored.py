"""What these tests keep and look at: messages, events and runs as a server makes them, and the database file itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from chatcore.protocol import messages as m
from chatcore.threads.model import Accepted, StoredEvent
from chatcore.threads.service import ThreadService

TABLES = ("threads", "runs", "messages", "events", "initializations", "service_starts", "probes")


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def message(message_id: str = "m1", content: str = "How much?", thread_id: str | None = None) -> m.UserMessage:
    return m.UserMessage(message_id=message_id, content=content, thread_id=thread_id)


def event(
    run_id: str, seq: int, *, first_seq: int | None = None, kind: str = "agent_delta", **frame: Any
) -> StoredEvent:
    encoded = msgspec.json.encode({"type": kind, "seq": seq, **frame})
    if first_seq is not None:
        encoded = msgspec.json.encode(
            m.AgentDelta(
                timestamp=0.0,
                user_id="ann",
                thread_id="t",
                run_id=run_id,
                seq=seq,
                epoch="e",
                text="",
                offset=0,
                first_seq=first_seq,
            )
        )
    return StoredEvent(
        seq=seq, first_seq=seq if first_seq is None else first_seq, run_id=run_id, type=kind, frame=encoded
    )


async def started(threads: ThreadService, user_id: str, sent: m.UserMessage) -> Accepted:
    """A run of ``sent`` that is running."""
    accepted = await threads.accept_message(user_id, sent, "analyst")
    await threads.start_run(accepted.run_id, 1)
    return accepted


async def answered(threads: ThreadService, user_id: str, sent: m.UserMessage, text: str = "42") -> Accepted:
    """A run of ``sent`` that is over: two events, and a message of its agent."""
    accepted = await threads.accept_message(user_id, sent, "analyst")
    seq = await threads.start_run(accepted.run_id, 1)
    await threads.append_events(accepted.thread_id, [event(accepted.run_id, seq, kind="agent_started")])
    await threads.end_run(
        accepted,
        [event(accepted.run_id, seq + 1, kind="agent_completed", text=text)],
        state="completed",
        answer=msgspec.json.encode(m.Answer(text=text)),
        text=text,
        error_code=None,
    )
    return accepted


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query finds in the file, past everything that chatcore does."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def counts(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    return {table: rows(path, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


@contextmanager
def connections() -> Iterator[list[sqlite3.Connection]]:
    """Every connection that is opened within the block, the oldest first; storage opens that which writes first."""
    opened: list[sqlite3.Connection] = []

    def remember(connection: Any, _record: Any) -> None:
        opened.append(connection)

    sqlalchemy_event.listen(Engine, "connect", remember)
    try:
        yield opened
    finally:
        sqlalchemy_event.remove(Engine, "connect", remember)


@contextmanager
def counted(what: str) -> Iterator[list[Any]]:
    """One item for each ``commit`` or ``rollback`` of any engine within the block."""
    happened: list[Any] = []

    def remember(connection: Any) -> None:
        happened.append(connection)

    sqlalchemy_event.listen(Engine, what, remember)
    try:
        yield happened
    finally:
        sqlalchemy_event.remove(Engine, what, remember)
