"""The record as log entries, one a row, for pipelines that read logs (control-plane spec 5, decision 14)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aigateway.audit.journal import Entry
from aigateway.store.beginnings import Beginning
from aigateway.store.engine import StoreUnavailable
from aigateway.store.records import (
    AnyRecord,
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.telemetry import logging

_MESSAGE = "interception log"
"""What pipelines look for."""
_FIELDS: Mapping[type[AnyRecord], tuple[str, ...]] = {
    InterceptionStart: (
        "initiator_id",
        "api_key_id",
        "provider",
        "provider_name",
        "model",
        "client",
        "client_session_id",
        "correlating_tool_call_id",
        "started_at",
        "metadata",
    ),
    InterceptionEnd: (
        "ended_at",
        "status_code",
        "error_type",
        "error_message",
        "duration_ms",
        "time_to_first_byte_ms",
        "response_bytes",
    ),
    PromptUsage: ("msg_id", "prompt", "created_at", "metadata"),
    TokenUsage: (
        "msg_id",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_write_input_tokens",
        "created_at",
        "metadata",
    ),
    ToolUsage: (
        "msg_id",
        "tool_call_id",
        "tool",
        "input",
        "server_url",
        "injected",
        "invocation_error",
        "created_at",
        "metadata",
    ),
    ModelThought: ("content", "created_at", "metadata"),
}
_BEGINNING_FIELDS: Mapping[type[AnyRecord], tuple[str, ...]] = {
    InterceptionStart: ("thread_parent_id", "thread_root_id"),
    InterceptionEnd: ("streaming", "request_bytes"),
}
"""What is not in the record itself but in the tables by now."""
_UNKNOWN = Beginning()
_AT_ONCE = 20
"""Entries that are logged before anybody else gets a turn."""
_STEP_SECONDS = 0.005
_PATIENCE_STEPS = 400

_log = logging.get_logger("audit")

Find = Callable[[Sequence[str]], Awaitable[Mapping[str, Beginning]]]
"""Looks up interceptions by their ids; raises `StoreUnavailable`."""


class StructuredLog:
    """Logs each entry of one journal once. Says at once that it does: what it writes is not masked."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._last_seq = 0
        self._patient = True
        self._written = logging.is_written()
        _log.warning(
            "prompts, tool inputs and reasoning are written to the log in clear; "
            "give it to nobody who may not read them, or set --ai-gateway-structured-logging=false"
        )

    async def write(self, entries: Sequence[Entry]) -> None:
        """Log the rows of entries, given in order; entries that were given before are not logged again.

        Waits until they are written, so that the journal may forget them; but not for a log that hangs.

        Raises:
            StoreUnavailable: nothing was logged; the same entries can be given again.
        """
        new = [entry for entry in entries if entry.seq > self._last_seq]
        found = await self._look_up(new)
        self._patient = self._patient or self._written()
        for number, entry in enumerate(new, start=1):
            await self._wait_until(_has_room)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # requests go first
            for record in entry.records:
                _log.info(_MESSAGE, **_fields(record, found.get(record.interception_id, _UNKNOWN)))
            self._last_seq = entry.seq
        self._written = logging.is_written()
        await self._wait_until(self._written)

    async def _look_up(self, entries: Sequence[Entry]) -> Mapping[str, Beginning]:
        try:
            return await self._find(_to_look_up(entries))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - what the store cannot say must not hold back what the record says
            _log.error("interceptions are logged without their threads, which the store refuses", error=str(error))
            return {}

    async def _wait_until(self, done: Callable[[], bool]) -> None:
        """Wait for a log that is slower than the store, but for one that hangs only once."""
        for _ in range(_PATIENCE_STEPS if self._patient else 0):
            if done():
                return
            await asyncio.sleep(_STEP_SECONDS)
        self._patient = self._patient and done()


def _has_room() -> bool:
    return not logging.congested()


def _to_look_up(entries: Sequence[Entry]) -> list[str]:
    """Interceptions that may have a thread, since they answer a tool call, and those that ended."""
    return [
        record.interception_id
        for entry in entries
        for record in entry.records
        if isinstance(record, InterceptionEnd)
        or (isinstance(record, InterceptionStart) and record.correlating_tool_call_id)
    ]


def _fields(record: AnyRecord, beginning: Beginning) -> dict[str, Any]:
    kind = type(record)
    fields = {"record_type": kind.__struct_config__.tag, "interception_id": record.interception_id}
    fields |= {name: getattr(record, name) for name in _FIELDS[kind]}
    return fields | {name: getattr(beginning, name) for name in _BEGINNING_FIELDS.get(kind, ())}
