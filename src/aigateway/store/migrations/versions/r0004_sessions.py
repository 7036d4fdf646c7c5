"""Tables in which sessions are found without reading their interceptions (`store.session_index`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.migrations.steps import build_index
from aigateway.store.types import UtcTime, Uuid36

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIMES = "min(started_at), max(started_at) FROM aibridge_interceptions WHERE ended_at IS NOT NULL GROUP BY"
_SESSION = "session_id, initiator_id"
_USE = f"{_SESSION}, provider, provider_name, model, client"
FILL = (
    f"INSERT INTO aibridge_sessions SELECT {_SESSION}, {_TIMES} {_SESSION}",  # of constants
    f"INSERT INTO aibridge_session_uses SELECT {_USE}, {_TIMES} {_USE}",  # of constants
)
"""Statements that fill the tables from the interceptions."""


def upgrade() -> None:
    """Create and fill them."""
    build_index(
        "ix_aibridge_interceptions_in_session",
        "aibridge_interceptions",
        ["session_id", "initiator_id", "started_at", "id"],
    )
    failed = sa.text("error_type IS NOT NULL")
    op.create_index(
        "ix_aibridge_interceptions_failed",
        "aibridge_interceptions",
        ["error_type"],
        sqlite_where=failed,
        postgresql_where=failed,
    )
    op.create_table(
        "aibridge_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("initiator_id", Uuid36, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("last_started_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "initiator_id"),
        sqlite_with_rowid=False,
    )
    newest = [sa.text("started_at DESC"), sa.text("session_id DESC")]
    op.create_index("ix_aibridge_sessions_newest", "aibridge_sessions", [*newest, sa.text("initiator_id DESC")])
    op.create_index("ix_aibridge_sessions_newest_of", "aibridge_sessions", ["initiator_id", *newest])
    op.create_table(
        "aibridge_session_uses",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("initiator_id", Uuid36, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("last_started_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "initiator_id", "provider", "provider_name", "model", "client"),
        sqlite_with_rowid=False,
    )
    for fill in FILL:
        op.execute(fill)


def downgrade() -> None:
    """Remove them."""
    op.drop_table("aibridge_session_uses")
    op.drop_table("aibridge_sessions")
    op.drop_index("ix_aibridge_interceptions_failed", "aibridge_interceptions")
    op.drop_index("ix_aibridge_interceptions_in_session", "aibridge_interceptions")
