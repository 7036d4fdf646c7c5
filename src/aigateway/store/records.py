"""The rows of the record, as the recorder makes them, the journal keeps them and the store's tables take them.

One type per `record_type` of the structured log (control-plane spec section 5). Ids and times are made by the recorder,
so that writing a row twice changes nothing. Times are RFC 3339 in UTC with microseconds and `Z`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="record_type", omit_defaults=True):
    """What all rows have."""

    interception_id: str


class InterceptionStart(Record, frozen=True, kw_only=True, tag="interception_start"):
    """A request was accepted."""

    initiator_id: str
    api_key_id: str | None = None
    provider: str
    """The provider's type."""
    provider_name: str
    """The provider instance's name."""
    model: str
    client: str
    client_session_id: str | None = None
    correlating_tool_call_id: str | None = None
    credential_kind: str
    """`centralized` or `byok`."""
    credential_hint: str
    """The masked upstream credential."""
    streaming: bool
    request_bytes: int
    started_at: str
    metadata: dict[str, Any] = {}


class InterceptionEnd(Record, frozen=True, kw_only=True, tag="interception_end"):
    """The request is over, whatever came of it (decision 14)."""

    ended_at: str
    status_code: int | None = None
    """What the client was answered with; None when it went away before an answer."""
    error_type: str | None = None
    error_message: str | None = None
    duration_ms: int | None = None
    time_to_first_byte_ms: int | None = None
    response_bytes: int = 0
    credential_hint: str | None = None
    """Set when another key than the first served the request."""
    metadata: dict[str, Any] = {}
    """Merged into the interception's metadata."""


class PromptUsage(Record, frozen=True, kw_only=True, tag="prompt_usage"):
    """What a person asked."""

    id: str
    msg_id: str
    """The provider's response id, empty while unknown."""
    prompt: str
    created_at: str
    metadata: dict[str, Any] = {}


class TokenUsage(Record, frozen=True, kw_only=True, tag="token_usage"):
    """What one upstream response used."""

    id: str
    msg_id: str
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    created_at: str
    metadata: dict[str, Any] = {}


class ToolUsage(Record, frozen=True, kw_only=True, tag="tool_usage"):
    """A tool that the model called."""

    id: str
    msg_id: str
    tool_call_id: str | None = None
    item_id: str | None = None
    tool: str
    input: str
    server_url: str | None = None
    injected: bool = False
    invocation_error: str | None = None
    created_at: str
    metadata: dict[str, Any] = {}


class ModelThought(Record, frozen=True, kw_only=True, tag="model_thought"):
    """Reasoning that the model showed."""

    id: str
    msg_id: str
    content: str
    created_at: str
    metadata: dict[str, Any] = {}


AnyRecord = InterceptionStart | InterceptionEnd | PromptUsage | TokenUsage | ToolUsage | ModelThought
"""Every kind of row; `msgspec.json.Decoder(AnyRecord)` reads one back."""
