"""An index for finding the keys that expired long ago."""

from __future__ import annotations

from alembic import op

from aigateway.store.migrations.steps import build_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it."""
    build_index("ix_api_keys_expires_at", "api_keys", ["expires_at"])


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_api_keys_expires_at", "api_keys")
