"""The tables. Imported only while storage is opened, because SQLAlchemy takes long to import.

Every list is ordered by ``id``, the order of insertion, not by a time: a jump of the clock reorders nothing. What
belongs to a thread goes with it (``ON DELETE CASCADE``). ``migrations/`` makes the same tables; a test compares them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    BindParameter,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    exists,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column that is an ``INTEGER PRIMARY KEY``."""

TOOL_EVENTS = text("type IN ('tool_executing', 'tool_completed')")
"""As SQL with literals: SQLite uses a partial index only where a query repeats its condition."""

threads = Table(
    "threads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("thread_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("reserved_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("seal", LargeBinary),
    UniqueConstraint("thread_id"),
    Index("ix_threads_user", "user_id", "id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("thread_id", ForeignKey(threads.c.thread_id, ondelete="CASCADE"), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("message_id", Text),
    Column("agent", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("generation", BigInteger),
    Column("error_code", Text),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("lease_owner", Text),
    Column("lease_expires_at", Double),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("cancel_requested", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("run_id"),
    CheckConstraint("state IN ('waiting', 'running', 'completed', 'failed', 'cancelled')", name="state"),
    CheckConstraint("(ended_at IS NULL) = (state IN ('waiting', 'running'))", name="ended"),
    Index("ix_runs_thread", "thread_id"),
    Index("ix_runs_user", "user_id", "id"),
    Index("ix_runs_state", "state", "id"),
)


def inactive(before: BindParameter[float]) -> ColumnElement[bool]:
    """Whether nothing has happened in a thread since ``before``, and no run of it is under way."""
    under_way = exists().where(runs.c.thread_id == threads.c.thread_id, runs.c.ended_at.is_(None))
    return and_(threads.c.updated_at < before, ~under_way)


messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Text),
    Column("thread_id", ForeignKey(threads.c.thread_id, ondelete="CASCADE"), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("run_id", ForeignKey(runs.c.run_id, ondelete="CASCADE"), nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("answer", LargeBinary),
    Column("created_at", Double, nullable=False),
    Column("mac", LargeBinary),
    UniqueConstraint("user_id", "message_id"),
    UniqueConstraint("run_id", "role"),
    CheckConstraint("role IN ('user', 'agent')", name="role"),
    Index("ix_messages_thread", "thread_id", "id"),
)

# A run_id without a foreign key: every event would pay for a second index, and runs go only with their thread.
events = Table(
    "events",
    metadata,
    Column("thread_id", ForeignKey(threads.c.thread_id, ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("frame", LargeBinary, nullable=False),
    Column("parts", LargeBinary),
    Column("mac", LargeBinary),
    Index("ix_events_tools", "run_id", "seq", sqlite_where=TOOL_EVENTS, postgresql_where=TOOL_EVENTS),
)

initializations = Table(
    "initializations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("instance_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("generation", BigInteger),
    Column("error_code", Text),
    Column("failed_service", Text),
    Column("started_at", Double, nullable=False),
    Column("duration_seconds", Double, nullable=False),
)

service_starts = Table(
    "service_starts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("initialization_id", ForeignKey(initializations.c.id, ondelete="CASCADE"), nullable=False),
    Column("service", Text, nullable=False),
    Column("duration_seconds", Double, nullable=False),
    Index("ix_service_starts_initialization", "initialization_id"),
    Index("ix_service_starts_service", "service", "id"),
)

probes = Table(
    "probes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
)
