"""The first tables: people, their keys, and the record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import Json, UtcTime, Uuid36

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "aibridge_interceptions",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("initiator_id", Uuid36, nullable=False),
        sa.Column("api_key_id", sa.Text()),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_name", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("client", sa.String(length=64), server_default="Unknown", nullable=False),
        sa.Column("client_session_id", sa.String(length=256)),
        sa.Column("correlating_tool_call_id", sa.Text()),
        sa.Column("thread_parent_id", Uuid36),
        sa.Column("thread_root_id", Uuid36),
        sa.Column(
            "session_id",
            sa.Text(),
            sa.Computed("coalesce(client_session_id, CAST(thread_root_id AS TEXT), CAST(id AS TEXT))", persisted=True),
            nullable=False,
        ),
        sa.Column("credential_kind", sa.Text(), server_default="centralized", nullable=False),
        sa.Column("credential_hint", sa.String(length=15), server_default="", nullable=False),
        sa.Column("metadata", Json),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("status_code", sa.Integer()),
        sa.Column("streaming", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("error_type", sa.Text()),
        sa.Column("error_message", sa.String(length=1024)),
        sa.Column("duration_ms", sa.BigInteger()),
        sa.Column("time_to_first_byte_ms", sa.BigInteger()),
        sa.Column("request_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("response_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_aibridge_interceptions_client", "aibridge_interceptions", ["client"])
    op.create_index("ix_aibridge_interceptions_client_session_id", "aibridge_interceptions", ["client_session_id"])
    op.create_index(
        "ix_aibridge_interceptions_correlating_tool_call_id", "aibridge_interceptions", ["correlating_tool_call_id"]
    )
    op.create_index("ix_aibridge_interceptions_initiator_id", "aibridge_interceptions", ["initiator_id"])
    op.create_index("ix_aibridge_interceptions_model", "aibridge_interceptions", ["model"])
    op.create_index(
        "ix_aibridge_interceptions_newest", "aibridge_interceptions", [sa.text("started_at DESC"), sa.text("id DESC")]
    )
    op.create_index("ix_aibridge_interceptions_provider", "aibridge_interceptions", ["provider"])
    op.create_index("ix_aibridge_interceptions_session", "aibridge_interceptions", ["session_id", "initiator_id"])
    op.create_index("ix_aibridge_interceptions_thread_parent_id", "aibridge_interceptions", ["thread_parent_id"])
    op.create_index("ix_aibridge_interceptions_thread_root_id", "aibridge_interceptions", ["thread_root_id"])
    op.create_table(
        "aibridge_model_thoughts",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("interception_id", Uuid36, nullable=False),
        sa.Column("provider_response_id", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("metadata", Json),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_aibridge_model_thoughts_interception_id", "aibridge_model_thoughts", ["interception_id"])
    op.create_index(
        "ix_aibridge_model_thoughts_provider_response_id", "aibridge_model_thoughts", ["provider_response_id"]
    )
    op.create_table(
        "aibridge_token_usages",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("interception_id", Uuid36, nullable=False),
        sa.Column("provider_response_id", sa.Text(), server_default="", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_write_input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("metadata", Json),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_aibridge_token_usages_interception_id", "aibridge_token_usages", ["interception_id"])
    op.create_index("ix_aibridge_token_usages_provider_response_id", "aibridge_token_usages", ["provider_response_id"])
    op.create_table(
        "aibridge_tool_usages",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("interception_id", Uuid36, nullable=False),
        sa.Column("provider_response_id", sa.Text(), server_default="", nullable=False),
        sa.Column("provider_tool_call_id", sa.Text()),
        sa.Column("provider_item_id", sa.Text()),
        sa.Column("server_url", sa.Text()),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("injected", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("invocation_error", sa.Text()),
        sa.Column("metadata", Json),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_aibridge_tool_usages_call", "aibridge_tool_usages", ["provider_tool_call_id", "created_at"])
    op.create_index("ix_aibridge_tool_usages_interception_id", "aibridge_tool_usages", ["interception_id"])
    op.create_index("ix_aibridge_tool_usages_provider_response_id", "aibridge_tool_usages", ["provider_response_id"])
    op.create_table(
        "aibridge_user_prompts",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("interception_id", Uuid36, nullable=False),
        sa.Column("provider_response_id", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("metadata", Json),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_aibridge_user_prompts_interception_id", "aibridge_user_prompts", ["interception_id"])
    op.create_index(
        "ix_aibridge_user_prompts_newest",
        "aibridge_user_prompts",
        ["interception_id", sa.text("created_at DESC"), sa.text("id DESC")],
    )
    op.create_index("ix_aibridge_user_prompts_provider_response_id", "aibridge_user_prompts", ["provider_response_id"])
    op.create_table(
        "users",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("avatar_url", sa.Text(), server_default="", nullable=False),
        sa.Column("hashed_password", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="dormant", nullable=False),
        sa.Column("rbac_roles", Json, nullable=False),
        sa.Column("login_type", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_system", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_service_account", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_seen_at", UtcTime),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("hashed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", Uuid36, nullable=False),
        sa.Column("last_used", UtcTime),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("lifetime_seconds", sa.BigInteger(), server_default="86400", nullable=False),
        sa.Column("login_type", sa.Text(), nullable=False),
        sa.Column("token_name", sa.Text()),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("allow_list", Json, nullable=False),
        sa.Column("ip_address", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_keys_user_token_name_idx", "api_keys", ["user_id", "token_name"], unique=True)
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    living = sa.text("deleted = false")
    op.create_index(
        "users_username_lower_idx",
        "users",
        [sa.text("lower(username)")],
        unique=True,
        sqlite_where=living,
        postgresql_where=living,
    )
    living_with_email = sa.text("deleted = false AND email != ''")
    op.create_index(
        "users_email_lower_idx",
        "users",
        [sa.text("lower(email)")],
        unique=True,
        sqlite_where=living_with_email,
        postgresql_where=living_with_email,
    )


def downgrade() -> None:
    """Remove everything."""
    for table in (
        "api_keys",
        "users",
        "aibridge_user_prompts",
        "aibridge_tool_usages",
        "aibridge_token_usages",
        "aibridge_model_thoughts",
        "aibridge_interceptions",
    ):
        op.drop_table(table)
