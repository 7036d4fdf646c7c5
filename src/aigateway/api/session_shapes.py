"""Sessions as JSON (control-plane spec 3.2 and 3.3), with what came of each request besides.

A field marked `?` there is left out while it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from aigateway.api.shapes import incomplete, initiator, snippet, tool_usage
from aigateway.store.observed import Row
from aigateway.store.session_detail import SessionDetail, Thread, numeric_sums
from aigateway.store.session_summary import Session
from aigateway.store.session_sums import TokenSum
from aigateway.store.sessions import SessionPage
from aigateway.store.times import rfc3339

_TOKENS = tuple(TokenSum.__dataclass_fields__)
_HINT_LENGTH = 4
"""Characters of a credential that may be told."""


def sessions(page: SessionPage) -> dict[str, Any]:
    """A page of sessions."""
    rows = [session(one) | snippet(page.snippets.get((one.id, one.initiator_id))) for one in page.sessions]
    return {"count": page.count, "sessions": rows} | incomplete(page.is_complete)


def session(shown: Session) -> dict[str, Any]:
    """A session in a list."""
    return _known(
        {
            "id": shown.id,
            "initiator": initiator(shown.initiator_id, shown.username, shown.name, shown.avatar_url),
            "providers": shown.providers,
            "provider_names": shown.provider_names,
            "models": shown.models,
            "client": shown.client,
            "metadata": shown.metadata,
            "started_at": rfc3339(shown.started_at),
            "ended_at": rfc3339(shown.ended_at),
            "last_active_at": rfc3339(shown.last_active_at),
            "threads": shown.threads,
            "interceptions": shown.interceptions,
            "failures": shown.failures,
            "token_usage_summary": asdict(shown.tokens),
            "last_prompt": shown.last_prompt,
        }
    )


def detail(shown: SessionDetail) -> dict[str, Any]:
    """A session with some of its threads."""
    whole = session(shown.session)
    del whole["threads"]
    whole.pop("last_prompt", None)
    whole["thread_count"] = shown.session.threads
    whole["token_usage_summary"]["metadata"] = shown.token_metadata
    if shown.threads:
        whole["page_started_at"] = rfc3339(min(thread.started_at for thread in shown.threads))
        whole["page_ended_at"] = rfc3339(max(thread.ended_at for thread in shown.threads))
    return whole | {"threads": [_thread(thread) for thread in shown.threads]}


def _thread(thread: Thread) -> dict[str, Any]:
    steps = thread.steps
    first, last = steps.interceptions[0], steps.interceptions[-1]
    prompts = steps.user_prompts.get(first["id"], [])
    usages = [row for step in steps.interceptions for row in steps.token_usages.get(step["id"], [])]
    return _known(
        {
            "id": thread.id,
            "prompt": prompts[0]["prompt"] if prompts else None,
            "model": first["model"],
            "provider": first["provider"],
            "provider_name": first["provider_name"],
            "client": first["client"],
            "credential_kind": first["credential_kind"],
            "credential_hint": _hint(first["credential_hint"]),
            "metadata": first["metadata"] or {},
            "started_at": rfc3339(thread.started_at),
            "ended_at": rfc3339(thread.ended_at),
            "error_type": last["error_type"],
            "error_message": last["error_message"],
            "token_usage": _token_usage(usages),
            "agentic_actions": [_step(step, thread) for step in _with_tools(thread, wanted=True)],
            "answers": [_step(step, thread) for step in _with_tools(thread, wanted=False)],
        }
    )


def _with_tools(thread: Thread, *, wanted: bool) -> list[Row]:
    return [step for step in thread.steps.interceptions if (step["id"] in thread.steps.tool_usages) is wanted]


def _step(step: Row, thread: Thread) -> dict[str, Any]:
    """One request of a thread, and what the model did upon it."""
    found, ident = thread.steps, step["id"]
    return _known(
        {
            "interception_id": ident,
            "model": step["model"],
            "started_at": rfc3339(step["started_at"]),
            "ended_at": rfc3339(step["ended_at"]),
            "duration_ms": step["duration_ms"],
            "time_to_first_byte_ms": step["time_to_first_byte_ms"],
            "status_code": step["status_code"],
            "error_type": step["error_type"],
            "error_message": step["error_message"],
            "token_usage": _token_usage(found.token_usages.get(ident, [])),
            "thinking": [{"text": row["content"]} for row in (found.model_thoughts or {}).get(ident, [])],
            "tool_calls": [tool_usage(row) for row in found.tool_usages.get(ident, [])],
        }
    )


def _token_usage(rows: Iterable[Row]) -> dict[str, Any]:
    usages = list(rows)
    sums: dict[str, Any] = {name: sum(row[name] for row in usages) for name in _TOKENS}
    return sums | {"metadata": numeric_sums(row["metadata"] for row in usages)}


def _hint(hint: str) -> str:
    """A masked credential; one that does not look masked is masked here."""
    return hint if "..." in hint or not hint else f"{hint[:_HINT_LENGTH]}..."


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
