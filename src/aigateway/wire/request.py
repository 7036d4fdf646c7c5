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
from aigateway.wire.lenient import ABSENT, UNREADABLE, Reader, any_value, string
from aigateway.wire.prompts import purpose_of, typed_text

_LEGACY_SESSION = re.compile(r"_session_(.+)$")
_TEXT_TYPES = frozenset({"text", "input_text"})
_ASIDE = frozenset({"system", "developer"})
"""Roles of messages that may stand after the user's (decision 28)."""
_LONGEST_ID = 256
ASKS = "response.create"
"""The message on a socket that asks for a response."""


class MalformedBody(ValueError):
    """The body is not a JSON object; the message is a sentence for the client."""


class _Body(msgspec.Struct):
    """The fields that are read, of all three APIs, none of whose names mean different things."""

    model: msgspec.Raw = ABSENT
    stream: msgspec.Raw = ABSENT
    background: msgspec.Raw = ABSENT
    messages: list[msgspec.Raw] = []
    input: list[msgspec.Raw] = []
    system: msgspec.Raw = ABSENT
    instructions: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    max_tokens: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT
    client_metadata: msgspec.Raw = ABSENT
    prompt_cache_key: msgspec.Raw = ABSENT
    prompt_cache_options: msgspec.Raw = ABSENT
    previous_response_id: msgspec.Raw = ABSENT
    generate: msgspec.Raw = ABSENT
    type: msgspec.Raw = ABSENT
    stream_id: msgspec.Raw = ABSENT
    stream_options: msgspec.Raw = ABSENT


class _Item(msgspec.Struct):
    """A message, or an item of a Responses request's input."""

    role: str = ""
    type: str = ""
    content: msgspec.Raw = ABSENT
    tool_call_id: str = ""
    call_id: str = ""


class _Part(msgspec.Struct):
    """A part (block) of a message's content."""

    type: str = ""
    text: str = ""
    tool_use_id: str = ""


class _TextInput(msgspec.Struct):
    """A Responses request whose input is a bare text."""

    input: str = ""


class _Metadata(msgspec.Struct):
    user_id: str = ""


class _ClientMetadata(msgspec.Struct):
    """What Codex says of itself in a body; on a socket, whose headers are those of its opening, it is the news."""

    session_id: str = ""
    thread_id: str = ""
    sub_agent: str = msgspec.field(default="", name="x-openai-subagent")
    parent_thread: str = msgspec.field(default="", name="x-codex-parent-thread-id")


class _CacheOptions(msgspec.Struct):
    prewarm: bool = False


_BODY = Reader(_Body)
_ITEM = Reader(_Item)
_PART = Reader(_Part)
_PARTS = msgspec.json.Decoder(list[_Part])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT_INPUT = Reader(_TextInput)
_METADATA = Reader(_Metadata)
_CLIENT_METADATA = Reader(_ClientMetadata)
_CACHE_OPTIONS = Reader(_CacheOptions)


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
    told = _CLIENT_METADATA.read(found.client_metadata) or _ClientMetadata()
    headers = {
        "thread-id": told.thread_id,
        "x-openai-subagent": told.sub_agent,
        "x-codex-parent-thread-id": told.parent_thread,
    }
    return ClientMessage(
        kind=string(found.type) or "",
        lane=string(found.stream_id) or "",
        facts=replace(_facts(ApiFormat.RESPONSES, message, found), streaming=True),
        headers={name: value for name, value in headers.items() if value},
    )


def _facts(api: ApiFormat, body: bytes, found: _Body) -> RequestFacts:
    last = _last_item(found.input if api is ApiFormat.RESPONSES else found.messages)
    texts = _typed_texts(api, body, found, last)
    purpose = _purpose(api, found, texts)
    return RequestFacts(
        model=_model(api, found.model),
        streaming=_flag(api, found.stream),
        prompt=None if purpose else typed_text(texts),
        correlating_tool_call_id=_answered_call(api, last) if last else None,
        body_session_id=_session(found),
        prompt_cache_key=string(found.prompt_cache_key) or None,
        purpose=purpose,
        background=api is ApiFormat.RESPONSES and _flag(api, found.background),
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


def _model(api: ApiFormat, raw: msgspec.Raw) -> str | None:
    value = any_value(raw)
    if api is ApiFormat.RESPONSES and isinstance(value, int | float) and not isinstance(value, bool):
        return bytes(raw).decode("ascii").strip()
    return value if isinstance(value, str) and value else None


def _flag(api: ApiFormat, raw: msgspec.Raw) -> bool:
    """Messages knows true and false; the OpenAI APIs are read loosely, as spec 2.6 says."""
    value = any_value(raw)
    if api is ApiFormat.MESSAGES or isinstance(value, bool):
        return value is True
    return value == "true" or (isinstance(value, int | float) and value != 0)


def _last_item(items: Sequence[msgspec.Raw]) -> _Item | None:
    """Give the last message or item that is not an aside of the client's."""
    for raw in reversed(items):
        item = _ITEM.read(raw)
        if item is None or item.role not in _ASIDE:
            return item
    return None


def _typed_texts(api: ApiFormat, body: bytes, found: _Body, last: _Item | None) -> list[str]:
    if last is not None:
        return _texts(last.content) if last.role == "user" else []
    if api is ApiFormat.RESPONSES and not found.input:
        bare = _TEXT_INPUT.read(body)
        return [bare.input] if bare and bare.input else []
    return []


def _texts(content: msgspec.Raw) -> list[str]:
    """Give the texts of a message's content, which is a string or a list of parts."""
    text = string(content)
    if text is not None:
        return [text]
    return [part.text for part in _parts(content) if part.type in _TEXT_TYPES and part.text]


def _parts(content: msgspec.Raw) -> list[_Part]:
    try:
        return _PARTS.decode(content)
    except UNREADABLE:
        pass
    try:
        raws = _RAWS.decode(content)
    except UNREADABLE:
        return []
    return [part for part in map(_PART.read, raws) if part is not None]


def _answered_call(api: ApiFormat, last: _Item) -> str | None:
    """Give the id of the tool call whose result the last message or item holds; of several, the last one's."""
    if api is ApiFormat.CHAT:
        return (last.tool_call_id or None) if last.role == "tool" else None
    if api is ApiFormat.RESPONSES:
        return (last.call_id or None) if last.type.endswith("_output") else None
    results = (part.tool_use_id for part in reversed(_parts(last.content)) if part.type == "tool_result")
    return next(filter(None, results), None)


def _purpose(api: ApiFormat, found: _Body, texts: Sequence[str]) -> str | None:
    if api is ApiFormat.RESPONSES and _prepares_only(found):
        return "warmup"
    if not texts:
        return None
    offers_tools = _lists_any(found.tools) or _lists_any(found.functions)
    max_tokens = any_value(found.max_tokens)
    return purpose_of(
        system=[] if offers_tools else _system_texts(api, found),
        texts=texts,
        offers_tools=offers_tools,
        max_tokens=max_tokens if isinstance(max_tokens, int) else None,
    )


def _lists_any(raw: msgspec.Raw) -> bool:
    return raw is not ABSENT and len(memoryview(raw)) > len("[ ]")


def _prepares_only(found: _Body) -> bool:
    """Whether nothing is to be generated yet: Codex opens its sockets so."""
    if found.generate is ABSENT and found.prompt_cache_options is ABSENT:
        return False
    options = _CACHE_OPTIONS.read(found.prompt_cache_options)
    return any_value(found.generate) is False or (options is not None and options.prewarm)


def _response_id(raw: msgspec.Raw) -> str | None:
    value = string(raw)
    return value if value and len(value) <= _LONGEST_ID and value.isprintable() else None


def _system_texts(api: ApiFormat, found: _Body) -> list[str]:
    if api is ApiFormat.MESSAGES:
        return _texts(found.system)
    items = found.input if api is ApiFormat.RESPONSES else found.messages
    texts = _texts(found.instructions)
    for raw in items:
        item = _ITEM.read(raw)
        if item is None or item.role not in _ASIDE:
            break
        texts += _texts(item.content)
    return texts


def _session(found: _Body) -> str | None:
    """Give the session id of `metadata.user_id`: JSON, then the legacy form; else that of Codex' `client_metadata`."""
    told = None if found.metadata is ABSENT else _METADATA.read(found.metadata)
    user_id = "" if told is None else told.user_id
    if not user_id:
        known = None if found.client_metadata is ABSENT else _CLIENT_METADATA.read(found.client_metadata)
        return (known.session_id or None) if known else None
    claims: Any = any_value(user_id.encode())
    if isinstance(claims, dict) and "session_id" in claims:
        session = claims["session_id"]
        return session if isinstance(session, str) and session else None
    legacy = _LEGACY_SESSION.search(user_id)
    return legacy[1] if legacy else None
