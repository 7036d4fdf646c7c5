"""The lists of models, in both providers' shapes."""

from __future__ import annotations

from typing import Any

_OPENAI = ("gpt-5.5", "gpt-5.5-mini", "gpt-4.1", "gpt-4o")
_ANTHROPIC = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-4-5": "Claude Sonnet 4.5",
    "claude-haiku-4-5": "Claude Haiku 4.5",
}


def answer(ident: str, *, anthropic: bool) -> dict[str, Any] | None:
    """The list (empty `ident`) or one model; None when there is no such model."""
    entries = [_anthropic(name) for name in _ANTHROPIC] if anthropic else [_openai(name) for name in _OPENAI]
    if ident:
        return next((entry for entry in entries if entry["id"] == ident), None)
    if anthropic:
        return {"data": entries, "has_more": False, "first_id": entries[0]["id"], "last_id": entries[-1]["id"]}
    return {"object": "list", "data": entries}


def _openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_750_000_000, "owned_by": "simulator"}


def _anthropic(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": _ANTHROPIC[name], "created_at": "2026-01-02T03:04:05Z"}
