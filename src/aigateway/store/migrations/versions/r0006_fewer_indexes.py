"""Fewer indexes on what is written all day: each costs every row as much as the row itself.

Those go that begin like another one, or that nothing is looked for by; and those of columns that are mostly NULL hold
only the rows that have a value.
"""

from __future__ import annotations

from aigateway.store.migrations.steps import build_index, remove_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INTERCEPTIONS = "aibridge_interceptions"
_RARE = ("client_session_id", "correlating_tool_call_id", "thread_parent_id", "thread_root_id")
_NEEDLESS = (
    ("ix_aibridge_interceptions_session", _INTERCEPTIONS, ["session_id", "initiator_id"]),
    ("ix_aibridge_user_prompts_interception_id", "aibridge_user_prompts", ["interception_id"]),
    ("ix_aibridge_user_prompts_provider_response_id", "aibridge_user_prompts", ["provider_response_id"]),
    ("ix_aibridge_model_thoughts_provider_response_id", "aibridge_model_thoughts", ["provider_response_id"]),
)


def upgrade() -> None:
    """Replace and remove them."""
    for column in _RARE:
        build_index(f"ix_{_INTERCEPTIONS}_with_{column}", _INTERCEPTIONS, [column], where=f"{column} IS NOT NULL")
        remove_index(f"ix_{_INTERCEPTIONS}_{column}", _INTERCEPTIONS)
    for name, table, _ in _NEEDLESS:
        remove_index(name, table)


def downgrade() -> None:
    """Make the old ones anew."""
    for name, table, columns in _NEEDLESS:
        build_index(name, table, columns)
    for column in _RARE:
        build_index(f"ix_{_INTERCEPTIONS}_{column}", _INTERCEPTIONS, [column])
        remove_index(f"ix_{_INTERCEPTIONS}_with_{column}", _INTERCEPTIONS)
