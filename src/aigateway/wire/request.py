"""What a request body says (data-plane spec 2.6, 4.2, 5, 9.3, 10.2, 11.2; decisions 12, 13, 17, 28, 29, 30).

The body is read once, and only as far as facts need it: of hundreds of messages only the last few are decoded. A field
of a wrong shape is the provider's to refuse; here it only means that there is a fact less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from aigateway.wire.facts import ApiFormat, RequestFacts
from aigateway.wire.lenient import ABSENT, Reader, any_value, readable
from aigateway.wire.prompts import purpose_of, typed_text

_LEGACY_SESSION = re.compile(r"_session_(.+)$")
_TEXT_TYPES = frozenset({"text", "input_text"})
_ASIDE = frozenset({"system", "developer"})
"""Roles of messages that may stand after the user's (decision 28)."""
_CHAT, _MESSAGES, _RESPONSES = ApiFormat.CHAT, ApiFormat.MESSAGES, ApiFormat.RESPONSES
_LONGEST_ID = 256
ASKS = "response.create"
"""The message on a socket that asks for a response."""


class MalformedBody(ValueError):
    """The body is not a JSON object; the message is a sentence for the client."""


class _Part(msgspec.Struct):
    """A part (block) of a message's content."""

    type: str | None = None
    text: str | None = None
    tool_use_id: str | None = None


_Content = str | list[_Part] | None
"""What a message says."""


class _Item(msgspec.Struct):
    """A message, or an item of a Responses request's input."""

    role: str | None = None
    type: str | None = None
    content: _Content = None
    tool_call_id: str | None = None
    call_id: str | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _ClientMetadata(msgspec.Struct):
    """What Codex says of itself in a body; on a socket, whose headers are those of its opening, it is the news."""

    session_id: str | None = None
    thread_id: str | None = None
    sub_agent: str | None = msgspec.field(default=None, name="x-openai-subagent")
    parent_thread: str | None = msgspec.field(default=None, name="x-codex-parent-thread-id")


class _CacheOptions(msgspec.Struct):
    prewarm: bool | None = None


_NUMBERS = (int, float)
_Scalar = str | int | float | bool | None


class _Body(msgspec.Struct):
    """The fields that are read, of all three APIs, none of whose names mean different things.

    What is large and seldom needed stays as it is.
    """

    model: _Scalar = None
    stream: _Scalar = None
    background: _Scalar = None
    messages: list[msgspec.Raw] | None = None
    input: str | list[msgspec.Raw] | None = None
    system: msgspec.Raw = ABSENT
    instructions: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    max_tokens: int | None = None
    metadata: _Metadata | None = None
    client_metadata: _ClientMetadata | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: _CacheOptions | None = None
    previous_response_id: str | None = None
    generate: bool | None = None
    type: str | None = None
    stream_id: str | None = None
    stream_options: msgspec.Raw = ABSENT


class _Model(msgspec.Struct):
    model: msgspec.Raw = ABSENT


_BODY = Reader(_Body)
_ITEM = Reader(_Item)
_MODEL = Reader(_Model)


class ClientMessage(msgspec.Struct, frozen=True):
    """A client's message on a socket of the Responses API (developers.openai.com, "WebSocket mode")."""

    kind: str
    """`response.create`, `response.steer`, …; empty when it has no type."""
    lane: str
    """Its `stream_id`; empty for none."""
    facts: RequestFacts
    """As of a request body: a `response.create` has the same fields beside its type, and a steer has an input."""
    headers: Mapping[str, str]
    """What it says of its sender that an HTTP request says in headers of these names."""


def read_request(api: ApiFormat, body: bytes) -> RequestFacts:
    """Read the facts of a request body of the given API; raise `MalformedBody` if it is not a JSON object at all."""
    return _facts(api, body, _decode(body))


def read_message(message: bytes) -> ClientMessage:
    """Read what a client sends on a socket; raise `MalformedBody` if it is not a JSON object at all."""
    found = _decode(message)
    told = found.client_metadata or _ClientMetadata()
    headers = {
        "thread-id": told.thread_id,
        "x-openai-subagent": told.sub_agent,
        "x-codex-parent-thread-id": told.parent_thread,
    }
    return ClientMessage(
        kind=found.type or "",
        lane=found.stream_id or "",
        facts=replace(_facts(ApiFormat.RESPONSES, message, found), streaming=True),
        headers={name: value for name, value in headers.items() if value},
    )


def _facts(api: ApiFormat, body: bytes, found: _Body) -> RequestFacts:
    asked: str | list[msgspec.Raw] | None = found.input if api is _RESPONSES else found.messages
    last: _Item | None = None
    texts: list[str] = []
    if isinstance(asked, str):
        texts = [asked] if asked else []
        items: Sequence[msgspec.Raw] = ()
    else:
        items = asked or ()
        last = _last_item(items)
        if last is not None and last.role == "user":
            texts = _texts(last.content)
    model = found.model
    if type(model) is not str:
        model = _number(body) if api is _RESPONSES and type(model) in _NUMBERS else None
    purpose = "warmup" if api is _RESPONSES and _prepares_only(found) else None
    prompt = None
    if texts and purpose is None:
        purpose = _purpose(api, found, items, texts)
        prompt = None if purpose else typed_text(texts)
    return RequestFacts(
        model=model or None,
        streaming=_flag(api, found.stream),
        prompt=prompt,
        correlating_tool_call_id=_answered_call(api, last) if last is not None else None,
        body_session_id=_session(found) if found.metadata is not None or found.client_metadata is not None else None,
        prompt_cache_key=found.prompt_cache_key or None,
        purpose=purpose,
        background=api is _RESPONSES and _flag(api, found.background),
        previous_response_id=_response_id(found.previous_response_id),
        stream_options=bytes(found.stream_options) if found.stream_options is not ABSENT else None,
    )


def _decode(body: bytes) -> _Body:
    try:
        if not body.isascii():
            body.decode("utf-8")
        return _BODY.whole(body)
    except UnicodeDecodeError:
        raise MalformedBody("The request body is not valid UTF-8. Send JSON encoded as UTF-8.") from None
    except RecursionError:
        raise MalformedBody("The request body is nested too deep to read. Send JSON with fewer levels.") from None
    except msgspec.ValidationError:
        raise MalformedBody("The request body is JSON, but not an object. Send a JSON object.") from None
    except msgspec.DecodeError as error:
        if not body.strip():
            raise MalformedBody("The request body is empty. Send a JSON object.") from None
        raise MalformedBody(f"The request body is not valid JSON ({error}). Send a JSON object.") from None


def _number(body: bytes) -> str:
    """The text of a model that is a number, as it was sent."""
    named = _MODEL.read(body)
    return bytes(named.model).decode("ascii").strip() if named is not None else ""


def _flag(api: ApiFormat, value: _Scalar) -> bool:
    """Messages knows true and false; the OpenAI APIs are read loosely, as spec 2.6 says."""
    if value is None or value is False:
        return False
    if api is _MESSAGES or value is True:
        return value is True
    return value == "true" or (not isinstance(value, str) and value != 0)


def _last_item(items: Sequence[msgspec.Raw]) -> _Item | None:
    """Give the last message or item that is not an aside of the client's."""
    for raw in reversed(items):
        item = _ITEM.read(raw)
        if item is None or item.role not in _ASIDE:
            return item
    return None


def _texts(content: _Content) -> list[str]:
    """Give the texts of a message's content, which is a string or a list of parts."""
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    return [part.text for part in content if part.text and part.type in _TEXT_TYPES]


def _answered_call(api: ApiFormat, last: _Item) -> str | None:
    """Give the id of the tool call whose result the last message or item holds; of several, the last one's."""
    if api is _CHAT:
        return (last.tool_call_id or None) if last.role == "tool" else None
    if api is _RESPONSES:
        return (last.call_id or None) if last.type and last.type.endswith("_output") else None
    if not isinstance(last.content, list):
        return None
    results = (part.tool_use_id for part in reversed(last.content) if part.type == "tool_result")
    return next(filter(None, results), None)


def _purpose(api: ApiFormat, found: _Body, items: Sequence[msgspec.Raw], texts: Sequence[str]) -> str | None:
    offers_tools = _lists_any(found.tools) or _lists_any(found.functions)
    return purpose_of(
        system=() if offers_tools else _system_texts(api, found, items),
        texts=texts,
        offers_tools=offers_tools,
        max_tokens=found.max_tokens,
    )


def _lists_any(raw: msgspec.Raw) -> bool:
    return raw is not ABSENT and len(memoryview(raw)) > len("[ ]")


def _prepares_only(found: _Body) -> bool:
    """Whether nothing is to be generated yet: Codex opens its sockets so."""
    options = found.prompt_cache_options
    return found.generate is False or (options is not None and options.prewarm is True)


def _response_id(value: str | None) -> str | None:
    return value if value and len(value) <= _LONGEST_ID and value.isprintable() else None


def _system_texts(api: ApiFormat, found: _Body, items: Sequence[msgspec.Raw]) -> list[str]:
    if api is _MESSAGES:
        return _texts(readable(_Content, found.system))
    texts = [] if found.instructions is ABSENT else _texts(readable(_Content, found.instructions))
    if len(items) == 1:
        return texts  # It says something, so it is no aside.
    for raw in items:
        item = _ITEM.read(raw)
        if item is None or item.role not in _ASIDE:
            break
        texts += _texts(item.content)
    return texts


def _session(found: _Body) -> str | None:
    """Give the session id of `metadata.user_id`: JSON, then the legacy form; else that of Codex' `client_metadata`."""
    user_id = None if found.metadata is None else found.metadata.user_id
    if not user_id:
        known = found.client_metadata
        return (known.session_id or None) if known is not None else None
    claims: Any = any_value(user_id.encode())
    if isinstance(claims, dict) and "session_id" in claims:
        session = claims["session_id"]
        return session if isinstance(session, str) and session else None
    legacy = _LEGACY_SESSION.search(user_id)
    return legacy[1] if legacy else None
