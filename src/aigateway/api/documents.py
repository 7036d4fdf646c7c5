"""The shapes of answers, for the OpenAPI document only: what is sent is made by `shapes` and `session_shapes`.

Tests hold every answer against these.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel
from pydantic.config import JsonDict

_WHEN = "2026-01-31T13:45:00.000000Z"
_ADA: JsonDict = {"id": "0b6d9e9e-1f1d-4a33-8c55-0d4a1f0c9a11", "username": "ada", "name": "Ada Lovelace"}
_TOKENS: JsonDict = {
    "input_tokens": 1200,
    "output_tokens": 340,
    "cache_read_input_tokens": 18000,
    "cache_write_input_tokens": 900,
}
_SESSION: JsonDict = {
    "id": "4e1f0f2c-claude-session",
    "initiator": _ADA,
    "providers": ["anthropic"],
    "provider_names": ["anthropic"],
    "models": ["claude-opus-5-5"],
    "client": "Claude Code",
    "metadata": {"request_user_agent": "claude-cli/2.1"},
    "started_at": _WHEN,
    "ended_at": "2026-01-31T13:52:10.000000Z",
    "last_active_at": "2026-01-31T13:51:00.000000Z",
    "threads": 2,
    "interceptions": 9,
    "failures": 0,
    "token_usage_summary": _TOKENS,
    "last_prompt": "Why does the build fail?",
}


class _Answer(BaseModel):
    """A part of an answer; later versions may add fields."""

    model_config = ConfigDict(extra="allow")


class Validation(_Answer):
    """What is wrong with one field or parameter."""

    field: str
    detail: str


class Error(_Answer):
    """Why there is no other answer."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "message": "The search cannot be understood.",
                    "validations": [{"field": "status", "detail": '"x" is not an HTTP status such as 429.'}],
                }
            ]
        },
    )

    message: str = Field(description="What happened, in a sentence.")
    detail: str | None = Field(None, description="What to do, or more about it.")
    validations: list[Validation] | None = None


class Initiator(_Answer):
    """The person or program that asked."""

    id: str
    username: str = Field(description="Empty when the user is not known any more.")
    name: str | None = None
    avatar_url: str | None = None


class Tokens(_Answer):
    """Tokens; input tokens never include cached ones."""

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cache_read_input_tokens: int = Field(ge=0)
    cache_write_input_tokens: int = Field(ge=0)


class TokensInAll(Tokens):
    """Tokens of several answers; `metadata` has the sums of the providers' other counts, nested names with dots."""

    metadata: dict[str, float]


class _Observed(_Answer):
    id: str
    interception_id: str
    provider_response_id: str
    metadata: dict[str, JsonValue]
    created_at: str = Field(description="RFC 3339 with `Z`.")


class TokenUsage(_Observed, Tokens):
    """What one answer of the provider used."""


class UserPrompt(_Observed):
    """What a person typed."""

    prompt: str


class ToolUsage(_Observed):
    """A tool that the model called; `metadata.executor` says who ran it: client, provider or gateway."""

    tool: str
    input: str = Field(description="The arguments as the model wrote them, JSON most often.")
    injected: bool
    server_url: str
    invocation_error: str


class ModelThought(_Observed):
    """Reasoning that the provider showed."""

    content: str


class SnippetPart(_Answer):
    """A piece of a text."""

    text: str
    found: bool = Field(description="Whether it is what was looked for.")


class Snippet(_Answer):
    """What a search for texts found, and some of the text around it; blanks and line breaks are one blank each."""

    interception_id: str = Field(description="In which request; of a session, the newest that the search selects.")
    where: str = Field(alias="in", description="`prompt`, `thought` or `tool`.")
    parts: list[SnippetPart]


class Interception(_Answer):
    """A request and what came of it."""

    id: str
    api_key_id: str | None
    initiator: Initiator
    provider: str = Field(description="The provider's type.")
    provider_name: str
    model: str
    client: str
    session_id: str
    thread_parent_id: str | None
    thread_root_id: str | None
    credential_kind: str = Field(description="`centralized` or `byok`.")
    credential_hint: str
    metadata: dict[str, JsonValue]
    started_at: str
    ended_at: str | None
    status_code: int | None
    streaming: bool
    error_type: str | None
    error_message: str | None
    duration_ms: int | None
    time_to_first_byte_ms: int | None
    request_bytes: int
    response_bytes: int
    token_usages: list[TokenUsage]
    user_prompts: list[UserPrompt]
    tool_usages: list[ToolUsage]


class WholeInterception(Interception):
    """A request with everything that was observed."""

    model_thoughts: list[ModelThought]


class FoundInterception(Interception):
    """A request in a list."""

    snippet: Snippet | None = Field(None, description="Only in a search for texts.")


class InterceptionList(_Answer):
    """A page of requests."""

    count: int = Field(description="How many the search selects in all.")
    results: list[FoundInterception]
    incomplete: str | None = Field(None, description="Only while a search for text does not find all texts yet: why.")


class _AnySession(_Answer):
    id: str
    initiator: Initiator
    providers: list[str] = Field(description="Types, distinct and sorted.")
    provider_names: list[str]
    models: list[str]
    client: str
    metadata: dict[str, JsonValue] = Field(description="Of the first request.")
    started_at: str
    ended_at: str
    last_active_at: str = Field(description="When the newest prompt came, else the start.")
    interceptions: int = Field(description="How many requests.")
    failures: int = Field(description="How many of them failed.")


class Session(_AnySession):
    """A session in a list."""

    threads: int = Field(description="How many, side requests left out.")
    token_usage_summary: Tokens
    last_prompt: str | None = Field(None, description="The newest prompt, cut after 1,000 characters.")
    snippet: Snippet | None = Field(None, description="Only in a search for texts.")


class SessionList(_Answer):
    """A page of sessions."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"count": 1, "sessions": [_SESSION]}]})

    count: int = Field(description="How many the search selects in all.")
    sessions: list[Session]
    incomplete: str | None = Field(None, description="Only while a search for text does not find all texts yet: why.")


class Thinking(_Answer):
    """A piece of reasoning."""

    text: str


class Step(_Answer):
    """One request of a thread and what the model did upon it."""

    interception_id: str
    model: str
    started_at: str
    ended_at: str
    duration_ms: int | None = None
    time_to_first_byte_ms: int | None = None
    status_code: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    token_usage: TokensInAll
    thinking: list[Thinking]
    tool_calls: list[ToolUsage]


class Thread(_Answer):
    """A prompt and what came of it."""

    id: str = Field(description="The id of its first request.")
    prompt: str | None = None
    model: str
    provider: str
    provider_name: str
    client: str
    credential_kind: str
    credential_hint: str
    metadata: dict[str, JsonValue]
    started_at: str
    ended_at: str
    error_type: str | None = Field(None, description="How its last request failed.")
    error_message: str | None = None
    token_usage: TokensInAll
    agentic_actions: list[Step] = Field(description="Requests upon which the model called tools, oldest first.")
    answers: list[Step] = Field(description="The other requests, oldest first.")


class SessionDetail(_AnySession):
    """A session with some of its threads."""

    thread_count: int = Field(description="How many there are in all, side requests left out.")
    token_usage_summary: TokensInAll
    page_started_at: str | None = None
    page_ended_at: str | None = None
    threads: list[Thread] = Field(description="Oldest first.")


class Names(RootModel[list[str]]):
    """Distinct values, ascending."""

    model_config = ConfigDict(json_schema_extra={"examples": [["claude-opus-5-5", "gpt-5"]]})


Responses = dict[int | str, dict[str, Any]]

NOT_FOUND: Responses = {404: {"model": Error, "description": "It is not there, or you may not see it."}}
REFUSALS: Responses = {
    400: {"model": Error, "description": "A value cannot be used; `validations` says which."},
    401: {"model": Error, "description": "You are not signed in."},
    503: {"model": Error, "description": "The database is away; try again after `Retry-After` seconds."},
}
"""What every route may say."""
FORBIDDEN: Responses = {403: {"model": Error, "description": "Your roles do not allow it."}}
ACCOUNTS: Responses = {
    **NOT_FOUND,
    **FORBIDDEN,
    409: {"model": Error, "description": "It contradicts what is there: a name that is taken, the last owner."},
    429: {"model": Error, "description": "Too many tries; wait for `Retry-After` seconds."},
}
"""What routes about people and their tokens may say besides."""
PROBE: Responses = {
    **NOT_FOUND,
    429: {"model": Error, "description": "It was tested a moment ago; wait for `Retry-After` seconds."},
}
EXPORT: Responses = {
    200: {
        "description": "The rows, as a file.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/jsonl": {"schema": {"type": "string"}},
        },
    },
    **NOT_FOUND,
}


def of(model: type[BaseModel], *others: Responses) -> Responses:
    """What a route answers: a model, what it may say besides, and that a person named in it is not there."""
    found: Responses = {200: {"model": model}, **NOT_FOUND}
    for other in others:
        found |= other
    return found
