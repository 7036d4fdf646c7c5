"""Answers of the Messages API (docs.anthropic.com, "Messages", "Streaming Messages"; data-plane spec 7.4 to 7.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from aigateway.wire.answers import MOST_ROWS, Answer, error_in
from aigateway.wire.facts import AnswerError, Executor, Thought, TokenUsage, ToolCall
from aigateway.wire.lenient import ABSENT, Count, Reader, any_value


class _Block(msgspec.Struct):
    """A content block."""

    type: str = ""
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = ABSENT
    thinking: str | None = None


class _Delta(msgspec.Struct):
    partial_json: str | None = None
    thinking: str | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_1h_input_tokens: Count = None
    ephemeral_5m_input_tokens: Count = None


class _ServerTools(msgspec.Struct):
    web_search_requests: Count = None


class _Usage(msgspec.Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: _CacheCreation | None = None
    server_tool_use: _ServerTools | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None


class _Message(msgspec.Struct):
    """A message: a whole body, or the start of a stream."""

    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = ABSENT


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = ABSENT


@dataclass(slots=True)
class _Open:
    """A tool call or a thought that is kept."""

    block: _Block
    texts: list[str] = field(default_factory=list)
    stopped: bool = False


_DELTA = b"event: content_block_delta\ndata: "
_LINE, _BLANK = b"\n", b"\n\n"
_DELTA_LINES = 3
"""Its name, its data and the blank line; with more it is more than one event."""

_NO_USAGE, _NO_CREATION, _NO_SERVER_TOOLS = _Usage(), _CacheCreation(), _ServerTools()

_EVENT = Reader(_Event)
_MESSAGE = Reader(_Message)


class MessagesAnswer(Answer):
    """One answer of the Messages API."""

    _usage: _Usage | None = None
    _stopped = False

    def __init__(self) -> None:
        self.only_text = self._is_text
        self._kept: list[_Open] = []
        self._open: dict[int, _Open] = {}

    def on_event(self, name: bytes, data: bytes) -> None:
        """Take one event. Text needs no reading, nor does a ping."""
        if name == b"ping" or (name == b"content_block_delta" and not self._open):
            return
        try:
            told = _EVENT.strict(data)
        except msgspec.ValidationError as error:
            self.note_shape("An event", error)
            told = _EVENT.read(data) or _Event()
        match told.type or name.decode("utf-8", "replace"):
            case "content_block_delta":
                self._add(told)
            case "content_block_start" if told.content_block:
                self._start(told.index, told.content_block)
            case "content_block_stop":
                self._stop(told.index)
            case "message_start" if told.message:
                self._take_message(told.message)
            case "message_delta":
                self._take_usage(told.usage)
            case "message_stop":
                self._stopped = self.ended = True
            case "error":
                self.fail(error_in(any_value(data), "error") or AnswerError("error", ""))

    def _is_text(self, block: bytes) -> bool:
        """A delta while neither a tool call nor a thought is open."""
        return (
            not self._open
            and block.startswith(_DELTA)
            and block.endswith(_BLANK)
            and block.count(_LINE) == _DELTA_LINES
        )

    def on_body(self, body: bytes | bytearray) -> None:
        """Take a whole message."""
        message = _MESSAGE.whole(body)
        self._take_message(message)
        for number, block in enumerate(message.content or ()):
            self._start(number, block)
        if message.error is not ABSENT and (error := error_in(any_value(message.error), "error")):
            self.fail(error)
        self._stopped = self.ended = True

    def whole(self) -> bool:
        """Whether `message_stop` came."""
        return self._stopped and self.error is None

    def usage(self) -> TokenUsage | None:
        """Give the usage; that of a `message_delta` is cumulative and has replaced what `message_start` said."""
        told = self._usage
        if told is None:
            return None
        creation, tools = told.cache_creation or _NO_CREATION, told.server_tool_use or _NO_SERVER_TOOLS
        read, written = told.cache_read_input_tokens or 0, told.cache_creation_input_tokens or 0
        metadata: dict[str, Any] = {}
        for name in ("service_tier", "inference_geo", "speed"):
            if value := getattr(told, name):
                metadata[name] = value
        return TokenUsage(
            self.response_id,
            input_tokens=told.input_tokens or 0,
            output_tokens=told.output_tokens or 0,
            cache_read_input_tokens=read,
            cache_write_input_tokens=written,
            extra={
                "web_search_requests": tools.web_search_requests or 0,
                "cache_creation_input": written,
                "cache_read_input": read,
                "cache_ephemeral_1h_input": creation.ephemeral_1h_input_tokens or 0,
                "cache_ephemeral_5m_input": creation.ephemeral_5m_input_tokens or 0,
            },
            metadata=metadata,
        )

    def tool_calls(self) -> list[ToolCall]:
        """Give the calls whose block was ended."""
        if not self._kept:
            return []
        return [
            ToolCall(
                self.response_id,
                kept.block.id or "",
                kept.block.name or "",
                "".join(kept.texts) or _json_text(kept.block.input),
                executor=Executor.CLIENT if kept.block.type == "tool_use" else Executor.PROVIDER,
            )
            for kept in self._kept
            if kept.block.type != "thinking" and (kept.stopped or self._stopped)
        ]

    def thoughts(self) -> list[Thought]:
        """Give one thought for each block that has text."""
        if not self._kept:
            return []
        texts = ("".join(kept.texts) for kept in self._kept if kept.block.type == "thinking")
        return [Thought(self.response_id, text, "thinking") for text in texts if text]

    def _take_message(self, message: _Message) -> None:
        self.response_id = message.id or self.response_id
        self.model = message.model or self.model
        self._take_usage(message.usage)

    def _take_usage(self, told: _Usage | None) -> None:
        if told is None or told == _NO_USAGE:
            return
        if (known := self._usage) is None:
            self._usage = told
            return
        for name in _Usage.__struct_fields__:
            if (value := getattr(told, name)) is not None:
                setattr(known, name, value)

    def _start(self, index: int, block: _Block) -> None:
        self._open.pop(index, None)
        if (block.type == "thinking" or block.type.endswith("tool_use")) and len(self._kept) <= 2 * MOST_ROWS:
            kept = _Open(block)
            self._open[index] = kept
            self._kept.append(kept)
            if block.thinking:
                kept.texts.append(self.thought(block.thinking))

    def _add(self, told: _Event) -> None:
        kept = self._open.get(told.index)
        if kept is None or told.delta is None:
            return
        if told.delta.partial_json:
            kept.texts.append(self.argument(told.delta.partial_json))
        elif told.delta.thinking:
            kept.texts.append(self.thought(told.delta.thinking))

    def _stop(self, index: int) -> None:
        if kept := self._open.pop(index, None):
            kept.stopped = True


def _json_text(raw: msgspec.Raw) -> str:
    """Give the JSON of a block's input as it was sent; a call without any has an empty object."""
    return bytes(raw).decode("utf-8", "replace") or "{}"
