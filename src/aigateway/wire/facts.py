"""The facts that observation yields. Everything later (records, tables, logs, pages) is made of these.

They say what a request asked for and what an answer used, did and thought, in the same words for all three API formats.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class ApiFormat(StrEnum):
    """The three APIs that are intercepted."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"


class Executor(StrEnum):
    """Who runs a tool call: the client, or the provider itself (web search, code interpreter, MCP connectors, …)."""

    CLIENT = "client"
    PROVIDER = "provider"


class RequestFacts(msgspec.Struct, frozen=True):
    """What a request body says (data-plane spec 2.6, 4, 5, 9.2, 10.2, 11.2; decisions 12, 13, 17, 28, 29, 30)."""

    model: str | None
    """The model as the client named it; None when the body names none that is a string."""
    streaming: bool
    prompt: str | None
    """What a person typed last; None when the request is agent-driven or a side request."""
    correlating_tool_call_id: str | None = None
    """The id of the tool call whose result this request submits."""
    body_session_id: str | None = None
    """A session id carried in the body: `metadata.user_id` (JSON, then the legacy form)."""
    prompt_cache_key: str | None = None
    """The last resort of session detection."""
    purpose: str | None = None
    """Names a side request (`title`, `quota_probe`, `topic`, `helper`, …); None for a normal one."""
    background: bool = False
    """A Responses request with `background: true`, which the gateway refuses."""
    previous_response_id: str | None = None
    """The response that a Responses request goes on from."""
    stream_options: bytes | None = None
    """The JSON text of a Chat request's field of that name; None when there is none."""


class ClientFacts(msgspec.Struct, frozen=True):
    """Which program sent the request, and in which session (`clients.md` section 1, decision 30)."""

    client: str
    """`Claude Code`, `Codex`, …, `Unknown`."""
    session_id: str | None
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    """Sub-agent and parent ids under their own names (`agent_id`, `thread_id`, `parent_session_id`, …)."""
    sub_agent: bool = False
    """A sub-agent sent it: what its request says last was written by a model, not typed by a person."""


class TokenUsage(msgspec.Struct, frozen=True):
    """Token counts of one upstream response. `input_tokens` never includes cached tokens (data-plane spec 7.4)."""

    response_id: str
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    extra: dict[str, int] = msgspec.field(default_factory=dict)
    """The extra token types of data-plane spec 7.4, by name."""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    """For example `service_tier`, or `partial: True` when the answer was cut."""


class ToolCall(msgspec.Struct, frozen=True):
    """A tool that the model called (data-plane spec 7.5, decision 16)."""

    response_id: str
    call_id: str
    """The id that the client answers with; empty when the provider gave none."""
    name: str
    arguments: str
    """JSON text, or the raw text of a custom tool's input."""
    item_id: str | None = None
    executor: Executor = Executor.CLIENT
    server_url: str | None = None


class Thought(msgspec.Struct, frozen=True):
    """Reasoning that the model showed (data-plane spec 7.6, decision 15)."""

    response_id: str
    content: str
    source: str
    """`thinking`, `reasoning_summary`, `reasoning_content`, `commentary` or `reasoning`."""


class AnswerError(msgspec.Struct, frozen=True):
    """An error that the provider reported, in a body or inside a stream, in the provider's own words."""

    type: str
    message: str


class AnswerFacts(msgspec.Struct, frozen=True):
    """What one upstream answer said. Known parts of an answer that was cut are here too, and `complete` is False."""

    complete: bool
    """The answer reached its own end (a whole JSON body, `[DONE]`, `message_stop`, `response.completed` and kin)."""
    response_id: str = ""
    model: str | None = None
    """The model as the provider named it."""
    usage: TokenUsage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    error: AnswerError | None = None
    unreadable: str | None = None
    """Why (a part of) the answer could not be read; the relay is not affected."""
