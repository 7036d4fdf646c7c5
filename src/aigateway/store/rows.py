"""What records are as rows: values in the order of columns, in the form in which both databases take them.

Times are the fixed-width text of `store.times`, metadata is JSON text. What is too long for its column is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table

from aigateway.store.records import (
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.store.tables import model_thoughts, token_usages, tool_usages, user_prompts
from aigateway.store.times import rfc3339

Value = str | int | bytes | None
Row = tuple[Any, ...]
"""Of such values."""
Use = tuple[str, str, str, str, str, str, str]
"""Session id, initiator id, provider, its name, model and client of an interception, and when it started."""

_END = (
    "ended_at",
    "status_code",
    "error_type",
    "error_message",
    "duration_ms",
    "time_to_first_byte_ms",
    "response_bytes",
    "credential_hint",
    "metadata",
)
_CHILD = ("id", "interception_id", "provider_response_id", "metadata", "created_at")

INTERCEPTION = (
    "id",
    "initiator_id",
    "api_key_id",
    "provider",
    "provider_name",
    "model",
    "client",
    "client_session_id",
    "correlating_tool_call_id",
    "credential_kind",
    "started_at",
    "streaming",
    "request_bytes",
    *_END,
)
"""The columns of `interception`; the others are derived by the store."""
ENDED = ("id", *_END)
"""The columns of `ended`."""
CHILDREN: dict[Table, tuple[str, ...]] = {
    user_prompts: (*_CHILD, "prompt"),
    token_usages: (
        *_CHILD,
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_write_input_tokens",
    ),
    tool_usages: (
        *_CHILD,
        "provider_tool_call_id",
        "provider_item_id",
        "server_url",
        "tool",
        "input",
        "injected",
        "invocation_error",
    ),
    model_thoughts: (*_CHILD, "content"),
}
"""The columns of what was observed in interceptions, by table. Other things of these tables come in this order."""
CHILD_METADATA = _CHILD.index("metadata")

_BIGGEST = 2**63 - 1
"""What a bigint holds. A provider that reports more is wrong, and must not stop the rows behind it."""
LONGEST_INDEXED = 256
"""Characters. PostgreSQL refuses a row with more than 2,704 bytes for an index; models and ids come from strangers."""
_LONGEST_HINT = 15
_TIME_CHARACTERS = 27
_NOT_ENDED = (None, None, None, None, None, None, 0)

_USED = itemgetter(
    *map(
        INTERCEPTION.index,
        ("client_session_id", "initiator_id", "provider", "provider_name", "model", "client", "started_at"),
    )
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


def interception(start: InterceptionStart, end: InterceptionEnd | None) -> Row:
    """An interception, ended or not."""
    hint, metadata = start.credential_hint, start.metadata
    if end is not None:
        hint = end.credential_hint or hint
        metadata = {**metadata, **end.metadata} if end.metadata else metadata
    return (
        start.interception_id,
        start.initiator_id,
        start.api_key_id,
        start.provider,
        start.provider_name,
        start.model[:LONGEST_INDEXED],
        start.client[:64],
        start.client_session_id[:256] if start.client_session_id else None,
        start.correlating_tool_call_id[:LONGEST_INDEXED] if start.correlating_tool_call_id else None,
        start.credential_kind,
        _time(start.started_at),
        start.streaming,
        start.request_bytes,
        *(_NOT_ENDED if end is None else _what_came(end)),
        hint[:_LONGEST_HINT],
        json_text(metadata),
    )


def use(row: Row) -> Use:
    """What an interception of its client's session, or of one of its own, used, and when it started."""
    session, *used = _USED(row)
    return (session or row[0], *used)


def ended(end: InterceptionEnd, hint: str, metadata: str | None) -> Row:
    """What the end of an interception changes in its row, which has this hint and metadata until then."""
    if end.metadata:
        metadata = json_text({**_decode(metadata or "{}"), **end.metadata})
    return (end.interception_id, *_what_came(end), (end.credential_hint or hint)[:_LONGEST_HINT], metadata)


def _prompt(record: PromptUsage) -> Row:
    return (*_observed(record), record.prompt)


def _usage(record: TokenUsage) -> Row:
    counts = (
        record.input_tokens,
        record.output_tokens,
        record.cache_read_input_tokens,
        record.cache_write_input_tokens,
    )
    if min(counts) < 0 or max(counts) > _BIGGEST:
        return _observed(record) + tuple(max(0, min(count, _BIGGEST)) for count in counts)
    return _observed(record) + counts


def _tool(record: ToolUsage) -> Row:
    return (
        *_observed(record),
        _cut(record.tool_call_id, LONGEST_INDEXED),
        record.item_id,
        record.server_url,
        record.tool,
        record.input,
        record.injected,
        record.invocation_error,
    )


def _thought(record: ModelThought) -> Row:
    return (*_observed(record), record.content)


def _observed(record: PromptUsage | TokenUsage | ToolUsage | ModelThought) -> Row:
    return (
        record.id,
        record.interception_id,
        record.msg_id[:LONGEST_INDEXED],
        json_text(record.metadata),
        _time(record.created_at),
    )


CHILD_ROWS: dict[type, tuple[int, Callable[[Any], Row]]] = {
    PromptUsage: (0, _prompt),
    TokenUsage: (1, _usage),
    ToolUsage: (2, _tool),
    ModelThought: (3, _thought),
}
"""What makes the row of a record, and the place of its table in `CHILDREN`."""


class Whole(NamedTuple):
    """An interception, and what was observed in it, table by table."""

    interception: Row
    children: tuple[list[Row], ...]


def together(begun: Iterable[Row], children: Iterable[Iterable[Row]]) -> dict[str, Whole]:
    """Interceptions by id, each with what is its own of the rows of each table."""
    found = {row[0]: Whole(row, ([], [], [], [])) for row in begun}
    for place, rows in enumerate(children):
        for row in rows:
            if row[1] in found:
                found[row[1]].children[place].append(row)
    return found


def json_text(value: dict[str, Any]) -> str:
    """JSON as the tables take it."""
    return _encode(value).decode() if value else "{}"


def _what_came(end: InterceptionEnd) -> Row:
    return (
        _time(end.ended_at),
        end.status_code,
        end.error_type,
        _cut(end.error_message, 1024),
        end.duration_ms,
        end.time_to_first_byte_ms,
        end.response_bytes,
    )


def _time(text: str) -> str:
    """The text if it has the one form that is kept, in which all our own times are; else what it says, in that form.

    Raises:
        ValueError: it is no time.
    """
    if len(text) == _TIME_CHARACTERS and text[10::16] == "TZ":
        return text
    return rfc3339(datetime.fromisoformat(text))


def _cut(text: str | None, length: int) -> str | None:
    """At most `length` characters, the column's limit."""
    return text if text is None else text[:length]
