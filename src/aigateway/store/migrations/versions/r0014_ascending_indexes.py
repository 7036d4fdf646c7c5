"""Indexes by time ascend, and those go that nothing is looked for by.

What is new comes at the end of an index that ascends, where a row costs a third of what it costs at the beginning.
Lists of what is newest read it backwards.
"""

from __future__ import annotations

from sqlalchemy import text

from aigateway.store.migrations.steps import build_index, remove_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_INTERCEPTIONS, _SESSIONS = "aibridge_interceptions", "aibridge_sessions"
_REPLACED: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("by_time", "newest", _INTERCEPTIONS, (), ("started_at", "id")),
    ("by_time", "newest", _SESSIONS, (), ("started_at", "session_id", "initiator_id")),
    ("of_initiator", "newest_of", _SESSIONS, ("initiator_id",), ("started_at", "session_id")),
)
_NEEDLESS = (
    ("aibridge_token_usages", "provider_response_id"),
    ("aibridge_tool_usages", "provider_response_id"),
    ("aigateway_search_queue", "interception_id"),
)


def upgrade() -> None:
    """Replace and remove them."""
    for name, former, table, first, ascending in _REPLACED:
        build_index(f"ix_{table}_{name}", table, [*first, *ascending])
        remove_index(f"ix_{table}_{former}", table)
    for table, column in _NEEDLESS:
        remove_index(f"ix_{table}_{column}", table)


def downgrade() -> None:
    """Make the old ones anew."""
    for table, column in _NEEDLESS:
        build_index(f"ix_{table}_{column}", table, [column])
    for name, former, table, first, ascending in _REPLACED:
        build_index(f"ix_{table}_{former}", table, [*first, *(text(f"{column} DESC") for column in ascending)])
        remove_index(f"ix_{table}_{name}", table)
