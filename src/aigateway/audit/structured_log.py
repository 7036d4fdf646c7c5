"""The record as log entries, one a row, for pipelines that read logs (control-plane spec 5, decision 14)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import attrgetter
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
_getters = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}
_UNKNOWN = Beginning()
_MOST_KNOWN = 10_000
"""Interceptions whose beginning is remembered until they end; the tables know the others."""
_AT_ONCE = 40
"""Lines that are logged before anybody else gets a turn."""
_STEP_SECONDS = 0.005
_PATIENCE_STEPS = 400

_log = logging.get_logger("audit")

Find = Callable[[Sequence[str]], Awaitable[Mapping[str, Beginning]]]
"""Looks up interceptions by their ids; raises `StoreUnavailable`."""


class StructuredLog:
    """Logs each entry of one journal once. Says at once that it does: what it writes is not masked."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._begun: dict[str, Beginning] = {}
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
        lines: list[dict[str, Any]] = []
        for entry in new:
            for record in entry.records:
                lines.append(_fields(record, found.get(record.interception_id, _UNKNOWN)))
                if type(record) is InterceptionEnd:
                    self._begun.pop(record.interception_id, None)
            last = entry is new[-1]
            if last or len(lines) >= _AT_ONCE:
                await self._wait_until(_has_room)
                _log.info_each(_MESSAGE, lines)
                self._last_seq = entry.seq
                lines = []
            if not (last or lines):
                await asyncio.sleep(0)  # requests go first
        self._written = logging.is_written()
        await self._wait_until(self._written)

    async def _look_up(self, entries: Sequence[Entry]) -> Mapping[str, Beginning]:
        wanted, known = self._known(entries)
        if not wanted:
            return known
        try:
            return {**known, **await self._find(wanted)}
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - what the store cannot say must not hold back what the record says
            _log.error("interceptions are logged without their threads, which the store refuses", error=str(error))
            return known

    def _known(self, entries: Sequence[Entry]) -> tuple[list[str], dict[str, Beginning]]:
        """Those to look up, and what is known of the others that end.

        To look up are interceptions that may have a thread, since they answer a tool call, and those that end and began
        before this process, or long ago.
        """
        wanted: list[str] = []
        known: dict[str, Beginning] = {}
        for entry in entries:
            for record in entry.records:
                if type(record) is InterceptionStart:
                    self._remember(record)
                    if record.correlating_tool_call_id:
                        wanted.append(record.interception_id)
                elif type(record) is InterceptionEnd:
                    if (begun := self._begun.get(record.interception_id)) is None:
                        wanted.append(record.interception_id)
                    else:
                        known[record.interception_id] = begun
        return wanted, known

    def _remember(self, start: InterceptionStart) -> None:
        self._begun[start.interception_id] = Beginning(streaming=start.streaming, request_bytes=start.request_bytes)
        if len(self._begun) > _MOST_KNOWN:
            del self._begun[next(iter(self._begun))]

    async def _wait_until(self, done: Callable[[], bool]) -> None:
        """Wait for a log that is slower than the store, but for one that hangs only once."""
        for _ in range(_PATIENCE_STEPS if self._patient else 0):
            if done():
                return
            await asyncio.sleep(_STEP_SECONDS)
        self._patient = self._patient and done()


def _has_room() -> bool:
    return not logging.congested()


def _fields(record: AnyRecord, beginning: Beginning) -> dict[str, Any]:
    kind = type(record)
    fields = {"record_type": kind.__struct_config__.tag, "interception_id": record.interception_id}
    fields.update(zip(_FIELDS[kind], _getters[kind](record), strict=True))
    for name in _BEGINNING_FIELDS.get(kind, ()):
        fields[name] = getattr(beginning, name)
    return fields
