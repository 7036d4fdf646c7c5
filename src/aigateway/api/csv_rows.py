"""What a row of an export in CSV holds (RFC 4180)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Columns = Mapping[str, Callable[[dict[str, Any]], Any]]
"""Headings, and how each is taken from a row's JSON."""

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # Excel takes the wide ones as well
"""What a formula may begin with (OWASP, "CSV Injection")."""


def cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula; lists are joined with `; `."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text


def _field(*names: str) -> Callable[[dict[str, Any]], Any]:
    def get(row: dict[str, Any]) -> Any:
        value: Any = row
        for name in names:
            value = value.get(name) if value is not None else None
        return value

    return get


def _sum(name: str) -> Callable[[dict[str, Any]], int]:
    return lambda row: sum(usage[name] for usage in row["token_usages"])


_TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")

INTERCEPTION: Columns = {
    "id": _field("id"),
    "session_id": _field("session_id"),
    "thread_root_id": _field("thread_root_id"),
    "initiator": _field("initiator", "username"),
    "initiator_id": _field("initiator", "id"),
    **{
        name: _field(name)
        for name in (
            "api_key_id",
            "provider",
            "provider_name",
            "model",
            "client",
            "credential_kind",
            "credential_hint",
            "started_at",
            "ended_at",
            "duration_ms",
            "time_to_first_byte_ms",
            "status_code",
            "error_type",
            "error_message",
            "streaming",
        )
    },
    "purpose": _field("metadata", "purpose"),
    **{name: _sum(name) for name in _TOKENS},
    "tools": lambda row: [call["tool"] for call in row["tool_usages"]],
    "prompt": lambda row: "\n".join(prompt["prompt"] for prompt in row["user_prompts"]),
}

SESSION: Columns = {
    "id": _field("id"),
    "initiator": _field("initiator", "username"),
    "initiator_id": _field("initiator", "id"),
    **{
        name: _field(name)
        for name in (
            "client",
            "providers",
            "provider_names",
            "models",
            "started_at",
            "ended_at",
            "last_active_at",
            "threads",
            "interceptions",
            "failures",
        )
    },
    **{name: _field("token_usage_summary", name) for name in _TOKENS},
    "last_prompt": _field("last_prompt"),
}
