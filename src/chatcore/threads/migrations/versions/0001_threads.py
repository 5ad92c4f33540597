"""Threads, runs, messages, events, and the server's own record.

``runs.lease_*`` and ``runs.fence`` are for several instances that share one database.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TOOL_EVENTS = sa.text("type IN ('tool_executing', 'tool_completed')")


def upgrade() -> None:
    """Make the tables."""
    _make_threads()
    _make_runs()
    _make_messages()
    _make_events()
    _make_initializations()
    op.create_table(
        "probes",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_probes"),
    )


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    for table in ("probes", "service_starts", "initializations", "events", "messages", "runs", "threads"):
        op.drop_table(table)


def _make_threads() -> None:
    op.create_table(
        "threads",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("reserved_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_threads"),
        sa.UniqueConstraint("thread_id", name="uq_threads_thread_id"),
    )
    op.create_index("ix_threads_user", "threads", ["user_id", "id"])


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger()),
        sa.Column("error_code", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_expires_at", sa.Double()),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("run_id", name="uq_runs_run_id"),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'completed', 'failed', 'cancelled')", name=op.f("ck_runs_state")
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (state IN ('waiting', 'running'))", name=op.f("ck_runs_ended")),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.thread_id"], name="fk_runs_thread_id", ondelete="CASCADE"),
    )
    op.create_index("ix_runs_thread", "runs", ["thread_id"])
    op.create_index("ix_runs_user", "runs", ["user_id", "id"])
    op.create_index("ix_runs_state", "runs", ["state", "id"])


def _make_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("user_id", "message_id", name="uq_messages_user_id_message_id"),
        sa.UniqueConstraint("run_id", "role", name="uq_messages_run_id_role"),
        sa.CheckConstraint("role IN ('user', 'agent')", name=op.f("ck_messages_role")),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.thread_id"], name="fk_messages_thread_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_messages_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_messages_thread", "messages", ["thread_id", "id"])


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "seq", name="pk_events"),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.thread_id"], name="fk_events_thread_id", ondelete="CASCADE"),
    )
    op.create_index(
        "ix_events_tools", "events", ["run_id", "seq"], sqlite_where=TOOL_EVENTS, postgresql_where=TOOL_EVENTS
    )


def _make_initializations() -> None:
    op.create_table(
        "initializations",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger()),
        sa.Column("error_code", sa.Text()),
        sa.Column("failed_service", sa.Text()),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_initializations"),
    )
    op.create_table(
        "service_starts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("initialization_id", ROW_ID, nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_service_starts"),
        sa.ForeignKeyConstraint(
            ["initialization_id"],
            ["initializations.id"],
            name="fk_service_starts_initialization_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_service_starts_initialization", "service_starts", ["initialization_id"])
    op.create_index("ix_service_starts_service", "service_starts", ["service", "id"])
