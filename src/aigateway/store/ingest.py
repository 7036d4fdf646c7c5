"""Takes rows of the record into the tables, in one transaction, so that taking them twice changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, update

from aigateway.store import session_index
from aigateway.store.lineage import link
from aigateway.store.records import (
    AnyRecord,
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.store.tables import interceptions, model_thoughts, token_usages, tool_usages, user_prompts
from aigateway.store.turns import Turn, wait_for
from aigateway.store.types import without_nul

Row = dict[str, Any]

_BIGGEST = 2**63 - 1
"""What a bigint holds. A provider that reports more is wrong, and must not stop the rows behind it."""
_LONGEST_INDEXED = 256
"""Characters. PostgreSQL refuses a row with more than 2,704 bytes for an index; models and ids come from strangers."""


def apply(connection: Connection, records: Sequence[AnyRecord]) -> None:
    """Write `records` (at most some thousands) into the tables.

    A row that is there already stays as it is, and an end is taken only once. A row may come before or after the others
    of its interception, except that an end must not come before its start in an earlier call.
    """
    # In turns, so that replicas that ship at the same time neither lock each other out nor overlook the thread that one
    # side began and the other goes on with.
    wait_for(connection, Turn.INGEST)
    rows: dict[Table, list[Row]] = defaultdict(list)
    ends: list[InterceptionEnd] = []
    for record in records:
        if isinstance(record, InterceptionEnd):
            ends.append(record)
        else:
            table, row = _row(record)
            rows[table].append(row)
    for table, new in rows.items():
        rows[table] = _storable(connection, new)
        _insert_once(connection, table, rows[table])
    _end(connection, ends)
    before = link(
        connection,
        started=[row["id"] for row in rows[interceptions] if row["correlating_tool_call_id"]],
        called=[row["provider_tool_call_id"] for row in rows[tool_usages] if row["provider_tool_call_id"]],
    )
    session_index.note(connection, [end.interception_id for end in ends])
    session_index.follow(connection, before)


def _storable(connection: Connection, rows: list[Row]) -> list[Row]:
    """The rows as the database can keep them."""
    return [without_nul(row) for row in rows] if connection.dialect.name == "postgresql" else rows


def _insert_once(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    connection.execute(dialect.insert(table).on_conflict_do_nothing(index_elements=["id"]), rows)


def _end(connection: Connection, ends: Sequence[InterceptionEnd]) -> None:
    """End what is not ended yet. The first end of an interception counts."""
    known = _metadata_of(connection, [end.interception_id for end in ends if end.metadata])
    same = ("ended_at", "status_code", "error_type", "error_message", "duration_ms", "time_to_first_byte_ms")
    changes: Row = {name: bindparam(f"new_{name}") for name in (*same, "response_bytes")}
    changes["credential_hint"] = func.coalesce(bindparam("new_credential_hint"), interceptions.c.credential_hint)
    statement = update(interceptions).where(
        interceptions.c.id == bindparam("ended_id"), interceptions.c.ended_at.is_(None)
    )
    plain: list[Row] = []
    telling: list[Row] = []
    for end in ends:
        row = {
            "ended_id": end.interception_id,
            "new_ended_at": _time(end.ended_at),
            "new_status_code": end.status_code,
            "new_error_type": end.error_type,
            "new_error_message": _cut(end.error_message, 1024),
            "new_duration_ms": end.duration_ms,
            "new_time_to_first_byte_ms": end.time_to_first_byte_ms,
            "new_response_bytes": end.response_bytes,
            "new_credential_hint": _cut(end.credential_hint, 15),
        }
        if end.metadata:
            telling.append(row | {"new_metadata": known.get(end.interception_id, {}) | end.metadata})
        else:
            plain.append(row)
    if plain:
        connection.execute(statement.values(changes), _storable(connection, plain))
    if telling:
        telling = _storable(connection, telling)
        connection.execute(statement.values(changes | {"metadata": bindparam("new_metadata")}), telling)


def _metadata_of(connection: Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    wanted = list(ids)
    if not wanted:
        return {}
    query = select(interceptions.c.id, interceptions.c.metadata).where(interceptions.c.id.in_(wanted))
    return {row.id: row.metadata or {} for row in connection.execute(query)}


def _row(record: InterceptionStart | PromptUsage | TokenUsage | ToolUsage | ModelThought) -> tuple[Table, Row]:
    """Where a record belongs, and as what."""
    if isinstance(record, InterceptionStart):
        return interceptions, _start(record)
    row: Row = {
        "id": record.id,
        "interception_id": record.interception_id,
        "provider_response_id": _cut(record.msg_id, _LONGEST_INDEXED),
        "metadata": record.metadata,
        "created_at": _time(record.created_at),
    }
    match record:
        case PromptUsage():
            return user_prompts, row | {"prompt": record.prompt}
        case ModelThought():
            return model_thoughts, row | {"content": record.content}
        case TokenUsage():
            return token_usages, row | {
                "input_tokens": _count(record.input_tokens),
                "output_tokens": _count(record.output_tokens),
                "cache_read_input_tokens": _count(record.cache_read_input_tokens),
                "cache_write_input_tokens": _count(record.cache_write_input_tokens),
            }
        case ToolUsage():
            return tool_usages, row | {
                "provider_tool_call_id": _cut(record.tool_call_id, _LONGEST_INDEXED),
                "provider_item_id": record.item_id,
                "server_url": record.server_url,
                "tool": record.tool,
                "input": record.input,
                "injected": record.injected,
                "invocation_error": record.invocation_error,
            }


def _start(record: InterceptionStart) -> Row:
    return {
        "id": record.interception_id,
        "initiator_id": record.initiator_id,
        "api_key_id": record.api_key_id,
        "provider": record.provider,
        "provider_name": record.provider_name,
        "model": _cut(record.model, _LONGEST_INDEXED),
        "client": _cut(record.client, 64),
        "client_session_id": _cut(record.client_session_id or None, 256),
        "correlating_tool_call_id": _cut(record.correlating_tool_call_id or None, _LONGEST_INDEXED),
        "credential_kind": record.credential_kind,
        "credential_hint": _cut(record.credential_hint, 15),
        "metadata": record.metadata,
        "started_at": _time(record.started_at),
        "streaming": record.streaming,
        "request_bytes": record.request_bytes,
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _cut(text: str | None, length: int) -> str | None:
    """At most `length` characters, the column's limit."""
    return text if text is None else text[:length]


def _count(number: int) -> int:
    return max(0, min(number, _BIGGEST))
