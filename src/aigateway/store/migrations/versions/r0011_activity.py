"""Tables of what went on in each hour (`store.activity_sums`), which are filled in the background."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import UtcTime, Uuid36

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FIGURES = ("requests", "failures", "input_tokens", "output_tokens")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "aigateway_activity",
        sa.Column("hour", UtcTime, nullable=False),
        sa.Column("initiator_id", Uuid36, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _FIGURES),
        sa.PrimaryKeyConstraint("hour", "initiator_id", "model", "client"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "aigateway_activity_hours",
        sa.Column("hour", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("hour"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("aigateway_activity_hours")
    op.drop_table("aigateway_activity")
