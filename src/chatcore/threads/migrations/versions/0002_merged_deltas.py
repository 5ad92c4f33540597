"""How long the parts of a merged delta are, so that it can be cut; and which runs their users gave up.

``threads.reserved_seq`` gets its meaning here: up to where a run may have sent numbers that are not stored.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; what is stored has no parts."""
    op.add_column("events", sa.Column("parts", sa.LargeBinary(), nullable=True))
    op.add_column("runs", sa.Column("cancel_requested", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.execute("UPDATE threads SET reserved_seq = last_seq + 64")  # as far ahead as runs went until now


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("runs", "cancel_requested")
    op.drop_column("events", "parts")
