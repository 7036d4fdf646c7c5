"""A table of who signs in as whom at an OpenID provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import UtcTime, Uuid36

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "user_links",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", Uuid36, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("login_type", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject"),
    )
    op.create_index("user_links_user_id_idx", "user_links", ["user_id", "login_type"], unique=True)


def downgrade() -> None:
    """Remove it."""
    op.drop_table("user_links")
