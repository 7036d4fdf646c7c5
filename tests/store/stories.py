"""Interceptions for tests, with all that is recorded of them."""

from __future__ import annotations

from uuid import UUID

from aigateway.store.records import (
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)

ANN, BOB = str(UUID(int=1 << 64)), str(UUID(int=2 << 64))


def uid(number):
    return str(UUID(int=number))


def at(second):
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000000Z"


def start(number, second, *, answers=None, who=ANN, **more):
    fields = {
        "provider": "openai",
        "provider_name": "openai",
        "model": "sim",
        "client": "Codex",
        "credential_kind": "centralized",
        "credential_hint": "sk-...abc",
        "streaming": True,
        "request_bytes": 10,
        "metadata": {"request_user_agent": "x"},
    }
    return InterceptionStart(
        interception_id=uid(number),
        initiator_id=who,
        started_at=at(second),
        correlating_tool_call_id=answers,
        **fields | more,
    )


def tool(number, second, call, *, row=None):
    return ToolUsage(
        interception_id=uid(number),
        id=uid(row or 1000 + number),
        msg_id="resp",
        tool_call_id=call,
        tool="shell",
        input="{}",
        created_at=at(second),
    )


def end(number, second, **more):
    return InterceptionEnd(interception_id=uid(number), ended_at=at(second), **more)


def story(number, second, *, answers=None, calls=None, who=ANN):
    """Everything that is recorded of one interception."""
    common = {"interception_id": uid(number), "msg_id": "resp", "created_at": at(second + 1)}
    return [
        start(number, second, answers=answers, who=who),
        PromptUsage(id=uid(2000 + number), prompt="hello", **common),
        TokenUsage(id=uid(3000 + number), input_tokens=1, output_tokens=2, **common),
        *([tool(number, second + 1, calls)] if calls else []),
        ModelThought(id=uid(4000 + number), content="hm", **common),
        end(number, second + 1, status_code=200, metadata={"attempts": 1}),
    ]
