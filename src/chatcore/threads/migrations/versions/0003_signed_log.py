"""Who wrote the log: a MAC on each event and message, and a seal on each thread. What is stored so far has none."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("threads", sa.Column("seal", sa.LargeBinary(), nullable=True))
    op.add_column("messages", sa.Column("mac", sa.LargeBinary(), nullable=True))
    op.add_column("events", sa.Column("mac", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("events", "mac")
    op.drop_column("messages", "mac")
    op.drop_column("threads", "seal")
