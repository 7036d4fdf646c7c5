"""Rows for tests, complete enough to be stored."""

from __future__ import annotations

from aigateway.store.records import InterceptionEnd, InterceptionStart

TIME = "2026-01-02T03:04:05.000006Z"


def start(interception_id: str) -> InterceptionStart:
    return InterceptionStart(
        interception_id=interception_id,
        initiator_id="11111111-1111-4111-8111-111111111111",
        provider="openai",
        provider_name="openai",
        model="gpt",
        client="Unknown",
        credential_kind="centralized",
        credential_hint="sk-1...2345",
        streaming=True,
        request_bytes=10,
        started_at=TIME,
    )


def end(interception_id: str) -> InterceptionEnd:
    return InterceptionEnd(interception_id=interception_id, ended_at=TIME, status_code=200)
