"""Answers of the Responses API (platform.openai.com, "Responses", "Streaming events"; data-plane spec 7.4 to 7.6).

Output items are taken when they are done, so that a cut stream keeps what it had; the closing event adds the usage, and
the items that no event of their own had brought.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aigateway.wire.answers import MOST_ROWS, Answer, error_in, members
from aigateway.wire.facts import AnswerError, Executor, Thought, TokenUsage, ToolCall
from aigateway.wire.lenient import ABSENT, Count, Reader, any_value


class _Text(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Item(msgspec.Struct):
    """An output item."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: msgspec.Raw = ABSENT
    input: msgspec.Raw = ABSENT
    action: msgspec.Raw = ABSENT
    operation: msgspec.Raw = ABSENT
    queries: msgspec.Raw = ABSENT
    code: msgspec.Raw = ABSENT
    execution: str | None = None
    environment: msgspec.Raw = ABSENT
    phase: str | None = None
    summary: list[_Text] | None = None
    content: msgspec.Raw = ABSENT


class _InputDetails(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Count = None


class _Usage(msgspec.Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Response(msgspec.Struct):
    id: str | None = None
    object: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    usage: _Usage | None = None
    output: list[msgspec.Raw] | None = None
    error: msgspec.Raw = ABSENT
    incomplete_details: msgspec.Raw = ABSENT


class _Event(msgspec.Struct):
    type: str = ""
    response: _Response | None = None
    item: msgspec.Raw = ABSENT
    output_index: int = 0
    summary_index: int = 0
    content_index: int = 0
    delta: str | None = None


class _Typed(msgspec.Struct):
    type: str = ""


_EVENT = Reader(_Event)
_TYPED = Reader(_Typed)
_RESPONSE = Reader(_Response)
_ITEM = Reader(_Item)

_NO_USAGE, _NO_INPUT_DETAILS = _Usage(), _InputDetails()

_OPENING = frozenset({"response.created", "response.in_progress", "response.queued"})
_CLOSING = frozenset(
    # `done` ended the responses of the first WebSocket version.
    {"response.completed", "response.failed", "response.incomplete", "response.cancelled", "response.done"}
)
_THINKING = {
    "response.reasoning_summary_text.delta": "reasoning_summary",
    "response.reasoning_text.delta": "reasoning",
}
_READ = {kind.encode(): kind for kind in (*_OPENING, *_CLOSING, *_THINKING, "response.output_item.done", "error")}
"""The events that are read, by the name that they have in the stream."""
_DELTAS = tuple(b"event: response.%b.delta\ndata: " % kind for kind in (b"output_text", b"function_call_arguments"))
_LINE, _BLANK = b"\n", b"\n\n"
_DELTA_LINES = 3
"""Its name, its data and the blank line; with more it is more than one event."""
_COMPACTION = "response.compaction"
"""The object that `POST /responses/compact` answers with (developers.openai.com, "Compact a response")."""
_ARGUMENTS = ("arguments", "input", "action", "operation", "queries", "code")
"""The fields of an item that say what the tool was asked; the first two are the whole of it."""


def _is_text(block: bytes) -> bool:
    """A delta of a text or of arguments, which come whole with the item that they belong to."""
    return block.startswith(_DELTAS) and block.endswith(_BLANK) and block.count(_LINE) == _DELTA_LINES


class ResponsesAnswer(Answer):
    """One answer of the Responses API."""

    def __init__(self) -> None:
        self.only_text = _is_text
        self._response = _Response()
        self._completed = False
        self._calls: dict[int, ToolCall] = {}
        self._thoughts: dict[int, list[Thought]] = {}
        self._thinking: dict[tuple[int, str, int], list[str]] = {}
        self._done: set[int] = set()

    def on_event(self, name: bytes, data: bytes) -> None:
        """Take one event. Those that only bring text nearer need no reading."""
        if name not in _READ:
            if name.startswith(b"response.") or data.startswith(b"[DONE]"):
                return
            typed = _TYPED.read(data)
            name = typed.type.encode() if typed else b""
        kind = _READ.get(name, "")
        if kind == "error":
            self.fail(error_in(any_value(data), "error") or AnswerError("error", ""))
        elif kind and not (kind in _OPENING and self.response_id):
            self._take_event(kind, data)

    def on_body(self, body: bytes | bytearray) -> None:
        """Take a whole response."""
        response = _RESPONSE.whole(body)
        if response.object == _COMPACTION:
            response.output = None  # what is kept of a session, not what the model did now
        self._take_response(response)
        self._close(response.status or "completed", response)

    def whole(self) -> bool:
        """Whether the response was closed by its provider: completed, or ended early on purpose with its usage told."""
        return self._completed

    def usage(self) -> TokenUsage | None:
        """Give the usage of the closing event, without the cached tokens among the input."""
        told = self._response.usage
        if told is None or told == _NO_USAGE:
            return None
        details, output = told.input_tokens_details or _NO_INPUT_DETAILS, told.output_tokens_details
        read, written = details.cached_tokens or 0, details.cache_write_tokens or 0
        tier = self._response.service_tier
        return TokenUsage(
            self.response_id,
            input_tokens=max(0, (told.input_tokens or 0) - read - written),
            output_tokens=told.output_tokens or 0,
            cache_read_input_tokens=read,
            cache_write_input_tokens=written,
            extra={
                "input_cached": read,
                "output_reasoning": (output and output.reasoning_tokens) or 0,
                "total_tokens": told.total_tokens or 0,
            },
            metadata={"service_tier": tier} if tier else {},
        )

    def tool_calls(self) -> list[ToolCall]:
        """Give the calls of the items that are done, in their order."""
        return [self._calls[index] for index in sorted(self._calls)]

    def thoughts(self) -> list[Thought]:
        """Give the thoughts of the items that are done, and what has come of others."""
        if not (self._thoughts or self._thinking):
            return []
        begun = {
            index: [
                Thought(self.response_id, "".join(texts), source)
                for (owner, source, _), texts in self._thinking.items()
                if owner == index
            ]
            for index in {key[0] for key in self._thinking}
        }
        every = self._thoughts | begun
        return [thought for index in sorted(every) for thought in every[index]]

    def _take_event(self, kind: str, data: bytes) -> None:
        try:
            told = _EVENT.strict(data)
        except msgspec.ValidationError as error:
            self.note_shape("An event", error)
            told = _EVENT.read(data) or _Event()
        if kind in _THINKING:
            self._think(told, _THINKING[kind])
        elif kind == "response.output_item.done":
            self._take_item(told.output_index, told.item)
        elif told.response:
            self._take_response(told.response)
            if kind in _CLOSING:
                self._close(kind.removeprefix("response."), told.response)

    def _take_response(self, response: _Response) -> None:
        self._response = response
        self.response_id = self.response_id or response.id or ""
        self.model = response.model or self.model

    def _close(self, status: str, response: _Response) -> None:
        for index, item in enumerate(response.output or ()):
            if index not in self._done:
                self._take_item(index, item)
        error = error_in(any_value(response.error), "error") if status in {"failed", "completed"} else None
        reason = members(response.incomplete_details).get("reason")
        # A steered response goes on in its successor; nothing failed.
        if status == "incomplete" and reason != "steered":
            error = AnswerError("incomplete", f"The response is incomplete: {str(reason or 'no reason given')[:200]}")
        elif status in {"failed", "cancelled"} and error is None:
            error = AnswerError(status, "")
        if error:
            self.fail(error)
        self._completed = self.ended = True

    def _think(self, told: _Event, source: str) -> None:
        key = (told.output_index, source, told.summary_index or told.content_index)
        if told.output_index not in self._done and (kept := self.thought(told.delta or "")):
            self._thinking.setdefault(key, []).append(kept)

    def _take_item(self, index: int, raw: msgspec.Raw) -> None:
        item = _ITEM.read(raw)
        if item is None or len(self._done) > 2 * MOST_ROWS:
            return
        self._done.add(index)
        self._thinking = {key: texts for key, texts in self._thinking.items() if key[0] != index}
        if thoughts := [
            Thought(self.response_id, kept, source)
            for source, text in _thoughts_of(item)
            if (kept := self.thought(text))
        ]:
            self._thoughts[index] = thoughts
        if item.type.endswith("_call"):
            self._calls[index] = self._call(item)

    def _call(self, item: _Item) -> ToolCall:
        return ToolCall(
            self.response_id,
            item.call_id or "",
            item.name or item.type.removesuffix("_call"),
            self.argument(_arguments_of(item)),
            item_id=item.id,
            executor=_executor_of(item),
        )


def _thoughts_of(item: _Item) -> list[tuple[str, str]]:
    """Give the (source, text) pairs of a reasoning item, or of a message that is commentary."""
    if item.type == "reasoning":
        shown = [("reasoning_summary", part.text) for part in item.summary or ()]
        return shown + [("reasoning", text) for text in _texts(item.content, "reasoning_text")]
    if item.type == "message" and item.phase == "commentary":
        return [("commentary", text) for text in _texts(item.content, "output_text")]
    return []


def _texts(raw: msgspec.Raw, kind: str) -> list[str]:
    parts = any_value(raw)
    found = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return [part["text"] for part in found if part.get("type") == kind and isinstance(part.get("text"), str)]


def _arguments_of(item: _Item) -> str:
    """Give what the tool was asked: arguments or input as they are, else a JSON object of that one field."""
    for name in _ARGUMENTS:
        raw: msgspec.Raw = getattr(item, name)
        value = any_value(raw)
        if value is None:
            continue
        if name in {"arguments", "input"}:
            return value.strip() if name == "arguments" and isinstance(value, str) else _text(value, raw)
        return f'{{"{name}":{_text(None, raw)}}}'
    return "{}"


def _text(value: Any, raw: msgspec.Raw) -> str:
    return value if isinstance(value, str) else bytes(raw).decode("utf-8", "replace")


def _executor_of(item: _Item) -> Executor:
    """A call that the client has to answer has a call id; a hosted shell has one too, but a container as well."""
    hosted = str(members(item.environment).get("type", "")).startswith("container")
    return Executor.CLIENT if item.call_id and item.execution != "server" and not hosted else Executor.PROVIDER
