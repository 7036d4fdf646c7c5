"""Columns for what a session comes to (`store.session_sums`), which are filled in the background."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
_FIGURES = ("threads", "interceptions", "failures", *_TOKENS)


def upgrade() -> None:
    """Create them."""
    op.add_column("aibridge_sessions", sa.Column("ended_at", UtcTime))
    for name in _FIGURES:
        op.add_column("aibridge_sessions", sa.Column(name, sa.BigInteger()))
    op.add_column("aibridge_session_uses", sa.Column("interceptions", sa.BigInteger()))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("aibridge_session_uses", "interceptions")
    for name in ("ended_at", *_FIGURES):
        op.drop_column("aibridge_sessions", name)
