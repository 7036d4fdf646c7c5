"""The index of sessions that are to be summed up (`store.session_sums`)."""

from __future__ import annotations

from aigateway.store.migrations.steps import build_index, remove_index

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NAME, _TABLE = "ix_aibridge_sessions_without_sums", "aibridge_sessions"


def upgrade() -> None:
    """Create it."""
    build_index(_NAME, _TABLE, ["started_at"], where="interceptions IS NULL")


def downgrade() -> None:
    """Remove it."""
    remove_index(_NAME, _TABLE)
