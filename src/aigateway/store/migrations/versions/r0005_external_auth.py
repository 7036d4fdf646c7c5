"""The table of people's accounts at other services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import UtcTime, Uuid36

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "external_auth_links",
        sa.Column("user_id", Uuid36, nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("oauth_tokens", sa.LargeBinary(), nullable=False),
        sa.Column("oauth_tokens_key_id", sa.Text(), nullable=False),
        sa.Column("oauth_expiry", UtcTime),
        sa.Column("oauth_refresh_failure_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "provider_id"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("external_auth_links")
