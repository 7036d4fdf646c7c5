"""Indexes by which sessions are found: those of failures, and of what was used in them.

A failure costs a little more to write, other requests nothing; a use is written once a session, not with each request.
"""

from __future__ import annotations

from aigateway.store.migrations.steps import build_index, remove_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_FAILURES = "ix_aibridge_interceptions_failures"
_COLUMNS = ["session_id", "initiator_id", "started_at", "error_type", "status_code"]
_COLUMNS += ["provider", "provider_name", "model", "client"]
_USES = "aibridge_session_uses"


def upgrade() -> None:
    """Build them."""
    build_index(
        _FAILURES,
        "aibridge_interceptions",
        _COLUMNS,
        where="ended_at IS NOT NULL AND (error_type IS NOT NULL OR status_code >= 400)",
    )
    for column in ("model", "client"):
        build_index(f"ix_{_USES}_{column}", _USES, [column, "session_id", "initiator_id"])


def downgrade() -> None:
    """Remove them."""
    for column in ("model", "client"):
        remove_index(f"ix_{_USES}_{column}", _USES)
    remove_index(_FAILURES, "aibridge_interceptions")
