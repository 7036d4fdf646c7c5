"""Users, tokens and interceptions as JSON (control-plane spec 3.1 and 9.3). Times are RFC 3339 with `Z`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aigateway.accounts.roles import DISPLAY_NAMES, Role
from aigateway.store.api_keys import ApiKey
from aigateway.store.interceptions import InterceptionPage, Interceptions
from aigateway.store.observed import Row
from aigateway.store.search.snippets import Snippet
from aigateway.store.times import rfc3339
from aigateway.store.users import User

ORGANIZATION_ID = "00000000-0000-0000-0000-000000000000"
"""There is one organisation, to which everybody belongs; clients expect an id for it."""

INCOMPLETE = (
    "Not all texts were searched: older ones are still being indexed, or the words are in more than 5,000 requests, "
    "of which the newest were searched. A time, a person or rarer words help."
)

_OUTCOME = (
    "status_code",
    "streaming",
    "error_type",
    "error_message",
    "duration_ms",
    "time_to_first_byte_ms",
    "request_bytes",
    "response_bytes",
)


def user(shown: User) -> dict[str, Any]:
    """A user."""
    return {
        "id": shown.id,
        "username": shown.username,
        "name": shown.name,
        "email": shown.email,
        "avatar_url": shown.avatar_url,
        "status": shown.status,
        "login_type": shown.login_type,
        "roles": [{"name": role, "display_name": DISPLAY_NAMES[Role(role)]} for role in shown.roles],
        "organization_ids": [ORGANIZATION_ID],
        "is_service_account": shown.is_service_account,
        "last_seen_at": _time(shown.last_seen_at),
        "created_at": rfc3339(shown.created_at),
        "updated_at": rfc3339(shown.updated_at),
    }


def token(key: ApiKey, username: str) -> dict[str, Any]:
    """A token, without its secret, which nobody knows any more."""
    return {
        "id": key.id,
        "user_id": key.user_id,
        "username": username,
        "token_name": key.token_name,
        "last_used": _time(key.last_used),
        "expires_at": rfc3339(key.expires_at),
        "created_at": rfc3339(key.created_at),
        "updated_at": rfc3339(key.updated_at),
        "login_type": key.login_type,
        "scope": "all",
        "scopes": ["all"],
        "lifetime_seconds": key.lifetime_seconds,
        "allow_list": [{"type": "*", "id": "*"}],
    }


def interceptions(page: InterceptionPage) -> dict[str, Any]:
    """A page of interceptions."""
    results = [interception(row, page) | snippet(page.snippets.get(row["id"])) for row in page.interceptions]
    return {"count": page.count, "results": results} | incomplete(page.is_complete)


def snippet(found: Snippet | None) -> dict[str, Any]:
    """What a row of a search for texts says of what was found; nothing in other lists."""
    if found is None:
        return {}
    parts = [{"text": text, "found": is_found} for text, is_found in found.parts]
    return {"snippet": {"interception_id": found.interception_id, "in": found.where, "parts": parts}}


def incomplete(is_complete: bool) -> dict[str, Any]:  # noqa: FBT001  # it is what is shown
    """What a page says of a search that could not look everywhere yet; nothing when it could."""
    return {} if is_complete else {"incomplete": INCOMPLETE}


def interception(row: Row, found: InterceptionPage | Interceptions) -> dict[str, Any]:
    """One of the interceptions that were found, with its thoughts where they were read."""
    thoughts = {}
    if found.model_thoughts is not None:
        thoughts = {"model_thoughts": [_child(one, "content") for one in found.model_thoughts.get(row["id"], ())]}
    return {
        "id": row["id"],
        "api_key_id": row["api_key_id"],
        "initiator": initiator(row["initiator_id"], row["username"], row["name"], row["avatar_url"]),
        "provider": row["provider"],
        "provider_name": row["provider_name"],
        "model": row["model"],
        "client": row["client"],
        "session_id": row["session_id"],
        "thread_parent_id": row["thread_parent_id"],
        "thread_root_id": row["thread_root_id"],
        "credential_kind": row["credential_kind"],
        "credential_hint": row["credential_hint"],
        "metadata": row["metadata"] or {},
        "started_at": rfc3339(row["started_at"]),
        "ended_at": _time(row["ended_at"]),
        **{field: row[field] for field in _OUTCOME},
        "token_usages": [
            _child(one, "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
            for one in found.token_usages.get(row["id"], ())
        ],
        **thoughts,
        "user_prompts": [_child(one, "prompt") for one in found.user_prompts.get(row["id"], ())],
        "tool_usages": [tool_usage(one) for one in found.tool_usages.get(row["id"], ())],
    }


def initiator(ident: str, username: str | None, name: str | None, avatar_url: str | None) -> dict[str, str]:
    """The person behind something on record; one who is unknown has an empty name."""
    shown = {"id": ident, "username": username or ""}
    return shown | {field: text for field, text in (("name", name), ("avatar_url", avatar_url)) if text}


def tool_usage(row: Row) -> dict[str, Any]:
    """A tool call, with its arguments as the model wrote them."""
    return _child(row, "tool", "input", "injected") | {
        "server_url": row["server_url"] or "",
        "invocation_error": row["invocation_error"] or "",
    }


def _child(row: Row, *own: str) -> dict[str, Any]:
    return {
        **{field: row[field] for field in ("id", "interception_id", "provider_response_id", *own)},
        "metadata": row["metadata"] or {},
        "created_at": rfc3339(row["created_at"]),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
