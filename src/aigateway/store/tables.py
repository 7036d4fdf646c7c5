"""The tables, under the reference names (control-plane spec 4.1), so that documented SQL and dashboards work."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    func,
    text,
)

from aigateway.store.types import Json, UtcTime, Uuid36, Words

metadata = MetaData()
_TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")

users = Table(
    "users",
    metadata,
    Column("id", Uuid36, primary_key=True),
    Column("email", Text, nullable=False, server_default=""),
    Column("username", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("avatar_url", Text, nullable=False, server_default=""),
    Column("hashed_password", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default="dormant"),
    Column("rbac_roles", Json, nullable=False),
    Column("login_type", Text, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("is_system", Boolean, nullable=False, server_default=false()),
    Column("is_service_account", Boolean, nullable=False, server_default=false()),
    Column("last_seen_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
_living = text("deleted = false")
_living_with_email = text("deleted = false AND email != ''")
Index(
    "users_username_lower_idx",
    func.lower(users.c.username),
    unique=True,
    sqlite_where=_living,
    info={"postgresql_where": _living},
)
Index(
    "users_email_lower_idx",
    func.lower(users.c.email),
    unique=True,
    sqlite_where=_living_with_email,
    info={"postgresql_where": _living_with_email},
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(10), primary_key=True),
    Column("hashed_secret", LargeBinary, nullable=False),
    Column("user_id", Uuid36, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("last_used", UtcTime),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("lifetime_seconds", BigInteger, nullable=False, server_default="86400"),
    Column("login_type", Text, nullable=False),
    Column("token_name", Text),
    Column("scopes", Json, nullable=False),
    Column("allow_list", Json, nullable=False),
    Column("ip_address", Text, nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
Index("api_keys_user_token_name_idx", api_keys.c.user_id, api_keys.c.token_name, unique=True)

# A person's accounts at other services. Their tokens are sealed (`store.envelope`); `store.sealed` knows the columns.
external_auth_links = Table(
    "external_auth_links",
    metadata,
    Column("user_id", Uuid36, primary_key=True),
    Column("provider_id", Text, primary_key=True),
    Column("oauth_tokens", LargeBinary, nullable=False),
    Column("oauth_tokens_key_id", Text, nullable=False),
    Column("oauth_expiry", UtcTime),
    Column("oauth_refresh_failure_reason", Text, nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

# Known by issuer and subject, which the provider never gives to anybody else.
user_links = Table(
    "user_links",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", Uuid36, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("login_type", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
Index("user_links_user_id_idx", user_links.c.user_id, user_links.c.login_type, unique=True)

# No foreign key to users: a row of the record must find its place even when its user's row is gone (a database restored
# from an older copy), because one row that can never be written would hold up every row behind it.
interceptions = Table(
    "aibridge_interceptions",
    metadata,
    Column("id", Uuid36, primary_key=True),
    Column("initiator_id", Uuid36, nullable=False, index=True),
    Column("api_key_id", Text),
    Column("provider", Text, nullable=False, index=True),
    Column("provider_name", Text, nullable=False, server_default=""),
    Column("model", Text, nullable=False, index=True),
    Column("client", String(64), nullable=False, server_default="Unknown", index=True),
    Column("client_session_id", String(256)),
    Column("correlating_tool_call_id", Text),
    Column("thread_parent_id", Uuid36),
    Column("thread_root_id", Uuid36),
    Column(
        "session_id",
        Text,
        Computed("coalesce(client_session_id, CAST(thread_root_id AS TEXT), CAST(id AS TEXT))", persisted=True),
        nullable=False,
    ),
    Column("credential_kind", Text, nullable=False, server_default="centralized"),
    Column("credential_hint", String(15), nullable=False, server_default=""),
    Column("metadata", Json),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("status_code", Integer),
    Column("streaming", Boolean, nullable=False, server_default=false()),
    Column("error_type", Text),
    Column("error_message", String(1024)),
    Column("duration_ms", BigInteger),
    Column("time_to_first_byte_ms", BigInteger),
    Column("request_bytes", BigInteger, nullable=False, server_default="0"),
    Column("response_bytes", BigInteger, nullable=False, server_default="0"),
)
for _rare in ("client_session_id", "correlating_tool_call_id", "thread_parent_id", "thread_root_id"):
    Index(
        f"ix_aibridge_interceptions_with_{_rare}",
        interceptions.c[_rare],
        sqlite_where=interceptions.c[_rare].is_not(None),
        info={"postgresql_where": interceptions.c[_rare].is_not(None)},
    )
# Indexes by time ascend, since a new row costs least at an index's end; what is newest is found by reading backwards.
Index("ix_aibridge_interceptions_by_time", interceptions.c.started_at, interceptions.c.id)
Index(
    "ix_aibridge_interceptions_in_session",
    interceptions.c.session_id,
    interceptions.c.initiator_id,
    interceptions.c.started_at,
    interceptions.c.id,
)
Index(
    "ix_aibridge_interceptions_failed",
    interceptions.c.error_type,
    sqlite_where=interceptions.c.error_type.is_not(None),
    info={"postgresql_where": interceptions.c.error_type.is_not(None)},
)
# Few requests fail: their sessions are found here alone, in an order in which each is met once.
FAILED = text("(error_type IS NOT NULL OR status_code >= 400)")
"""That an interception has failed, as a query has to say it for the index of failures to be used."""
_ended_and_failed = text(f"ended_at IS NOT NULL AND {FAILED.text}")
Index(
    "ix_aibridge_interceptions_failures",
    *(interceptions.c[_name] for _name in ("session_id", "initiator_id", "started_at", "error_type", "status_code")),
    *(interceptions.c[_name] for _name in ("provider", "provider_name", "model", "client")),
    sqlite_where=_ended_and_failed,
    info={"postgresql_where": _ended_and_failed},
)

# What follows says nothing that the interceptions do not say; `store.session_index` keeps it true, so that a page of
# sessions, their number, and those that used a model are found without reading millions of interceptions. The sums are
# made by `store.session_sums`: where `interceptions` is NULL, there are none.
sessions = Table(
    "aibridge_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("initiator_id", Uuid36, primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("last_started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    *(Column(_name, BigInteger) for _name in ("threads", "interceptions", "failures", *_TOKENS)),
    sqlite_with_rowid=False,
)
Index("ix_aibridge_sessions_by_time", sessions.c.started_at, sessions.c.session_id, sessions.c.initiator_id)
Index("ix_aibridge_sessions_of_initiator", sessions.c.initiator_id, sessions.c.started_at, sessions.c.session_id)
Index(
    "ix_aibridge_sessions_without_sums",
    sessions.c.started_at,
    sqlite_where=sessions.c.interceptions.is_(None),
    info={"postgresql_where": sessions.c.interceptions.is_(None)},
)

session_uses = Table(
    "aibridge_session_uses",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("initiator_id", Uuid36, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("provider_name", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("client", String(64), primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("last_started_at", UtcTime, nullable=False),
    Column("interceptions", BigInteger),
    sqlite_with_rowid=False,
)
for _used in ("model", "client"):
    Index(
        f"ix_{session_uses.name}_{_used}", session_uses.c[_used], session_uses.c.session_id, session_uses.c.initiator_id
    )

# What went on in each hour, and which hours have been summed up: `store.activity_sums`.
activity_figures = Table(
    "aigateway_activity",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    Column("initiator_id", Uuid36, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("client", String(64), primary_key=True),
    *(Column(_name, BigInteger, nullable=False) for _name in ("requests", "failures", "input_tokens", "output_tokens")),
    sqlite_with_rowid=False,
)
activity_hours = Table(
    "aigateway_activity_hours",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    sqlite_with_rowid=False,
)


def _child(name: str, *own: Column[object]) -> Table:
    """A table of what was observed in an interception."""
    return Table(
        name,
        metadata,
        Column("id", Uuid36, primary_key=True),
        Column("interception_id", Uuid36, nullable=False),
        Column("provider_response_id", Text, nullable=False, server_default=""),
        *own,
        Column("metadata", Json),
        Column("created_at", UtcTime, nullable=False),
    )


token_usages = _child(
    "aibridge_token_usages",
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cache_write_input_tokens", BigInteger, nullable=False, server_default="0"),
)

user_prompts = _child("aibridge_user_prompts", Column("prompt", Text, nullable=False))
Index(
    "ix_aibridge_user_prompts_newest",
    user_prompts.c.interception_id,
    user_prompts.c.created_at.desc(),
    user_prompts.c.id.desc(),
)

tool_usages = _child(
    "aibridge_tool_usages",
    Column("provider_tool_call_id", Text),
    Column("provider_item_id", Text),
    Column("server_url", Text),
    Column("tool", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("injected", Boolean, nullable=False, server_default=false()),
    Column("invocation_error", Text),
)
# Lineage asks for the newest call with an id; the second column answers it without reading the others.
Index("ix_aibridge_tool_usages_call", tool_usages.c.provider_tool_call_id, tool_usages.c.created_at)

model_thoughts = _child("aibridge_model_thoughts", Column("content", Text, nullable=False))

# Prompts are found by their own index above, which begins with the same column.
for _table in (token_usages, tool_usages, model_thoughts):
    Index(f"ix_{_table.name}_interception_id", _table.c.interception_id)

# Hash chains: `store.chain`. Digests are hexadecimal, so that people can compare them.
chains = Table(
    "audit_chains",
    metadata,
    Column("id", Uuid36, primary_key=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("begun_at", UtcTime, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("head", String(64), nullable=False),
)
chain_links = Table(
    "audit_chain_links",
    metadata,
    Column("chain_id", Uuid36, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("interception_id", Uuid36),
    Column("detail", Text),
    Column("purged", Boolean, nullable=False, server_default=false()),
    sqlite_with_rowid=False,
)
Index(
    "ix_audit_chain_links_interception_id",
    chain_links.c.interception_id,
    sqlite_where=chain_links.c.interception_id.is_not(None),
    info={"postgresql_where": chain_links.c.interception_id.is_not(None)},
)

# Full-text search: `store.search`. The table of words that SQLite has besides cannot be said here.
_row_id = BigInteger().with_variant(Integer, "sqlite")
search_documents = Table(
    "aigateway_search_documents",
    metadata,
    Column("id", _row_id, primary_key=True, autoincrement=False),
    Column("interception_id", Uuid36, nullable=False, unique=True),
    Column("words", Words, nullable=False),
)
Index("ix_aigateway_search_documents_words", search_documents.c.words, info={"postgresql_using": "gin"}).ddl_if(
    dialect="postgresql"
)

# Interceptions whose texts have come, and are to be taken into the index: never many.
search_queue = Table(
    "aigateway_search_queue",
    metadata,
    Column("id", _row_id, primary_key=True),
    Column("interception_id", Uuid36, nullable=False),
)

# What is left to do over the whole index, and where it goes on; nothing when all is done.
search_tasks = Table(
    "aigateway_search_tasks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_at", UtcTime),
    Column("interception_id", Uuid36),
)


def metadata_for_postgresql() -> MetaData:
    """All tables, with what only PostgreSQL is told: said above, it would load a dialect into every start on SQLite."""
    for table in metadata.tables.values():
        for index in table.indexes:
            index.dialect_kwargs.update(index.info)
    return metadata
