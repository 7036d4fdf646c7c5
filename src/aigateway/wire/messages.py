"""Answers of the Messages API (docs.anthropic.com, "Messages", "Streaming Messages"; data-plane spec 7.4 to 7.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from aigateway.wire.answers import MOST_ROWS, Answer, count, error_in, member, members
from aigateway.wire.facts import AnswerError, Executor, Thought, TokenUsage, ToolCall
from aigateway.wire.lenient import ABSENT, Reader, any_value


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


class _Message(msgspec.Struct):
    """A message: a whole body, or the start of a stream."""

    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


@dataclass(slots=True)
class _Open:
    """A tool call or a thought that is kept."""

    block: _Block
    texts: list[str] = field(default_factory=list)
    stopped: bool = False


_DELTA = b"event: content_block_delta\ndata: "
_DELTA_LINES = 3
"""Its name, its data and the blank line; with more it is more than one event."""

_EVENT = Reader(_Event)
_MESSAGE = Reader(_Message)


class MessagesAnswer(Answer):
    """One answer of the Messages API."""

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Any] | None = None
        self._kept: list[_Open] = []
        self._open: dict[int, _Open] = {}
        self._stopped = False

    def on_event(self, name: bytes, data: bytes) -> None:
        """Take one event. Text needs no reading, nor does a ping."""
        if name == b"ping" or (name == b"content_block_delta" and not self._open):
            return
        try:
            told = _EVENT.strict(data)
        except msgspec.ValidationError as error:
            self.note(f"An event has an unexpected shape ({error}).")
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

    def only_text(self, block: bytes) -> bool:
        """See `Answer`: a delta while neither a tool call nor a thought is open."""
        return not self._open and block.startswith(_DELTA) and block.count(b"\n") == _DELTA_LINES

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
        creation = member(told, "cache_creation")
        read, written = count(told, "cache_read_input_tokens"), count(told, "cache_creation_input_tokens")
        names = ("service_tier", "inference_geo", "speed")
        return TokenUsage(
            self.response_id,
            input_tokens=count(told, "input_tokens"),
            output_tokens=count(told, "output_tokens"),
            cache_read_input_tokens=read,
            cache_write_input_tokens=written,
            extra={
                "web_search_requests": count(member(told, "server_tool_use"), "web_search_requests"),
                "cache_creation_input": written,
                "cache_read_input": read,
                "cache_ephemeral_1h_input": count(creation, "ephemeral_1h_input_tokens"),
                "cache_ephemeral_5m_input": count(creation, "ephemeral_5m_input_tokens"),
            },
            metadata={name: told[name] for name in names if isinstance(told.get(name), str) and told[name]},
        )

    def tool_calls(self) -> list[ToolCall]:
        """Give the calls whose block was ended."""
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
        texts = ("".join(kept.texts) for kept in self._kept if kept.block.type == "thinking")
        return [Thought(self.response_id, text, "thinking") for text in texts if text]

    def _take_message(self, message: _Message) -> None:
        self.response_id = message.id or self.response_id
        self.model = message.model or self.model
        self._take_usage(message.usage)

    def _take_usage(self, raw: msgspec.Raw) -> None:
        if told := members(raw):
            known = {name: value for name, value in told.items() if value is not None}
            self._usage = (self._usage or {}) | known

    def _start(self, index: int, block: _Block) -> None:
        self._open.pop(index, None)
        if (block.type == "thinking" or block.type.endswith("tool_use")) and len(self._kept) <= 2 * MOST_ROWS:
            kept = _Open(block)
            self._open[index] = kept
            self._kept.append(kept)
            if block.thinking:
                kept.texts.append(self.thinking.take(block.thinking))

    def _add(self, told: _Event) -> None:
        kept = self._open.get(told.index)
        if kept is None or told.delta is None:
            return
        if told.delta.partial_json:
            kept.texts.append(self.arguments.take(told.delta.partial_json))
        elif told.delta.thinking:
            kept.texts.append(self.thinking.take(told.delta.thinking))

    def _stop(self, index: int) -> None:
        if kept := self._open.pop(index, None):
            kept.stopped = True


def _json_text(raw: msgspec.Raw) -> str:
    """Give the JSON of a block's input as it was sent; a call without any has an empty object."""
    return bytes(raw).decode("utf-8", "replace") or "{}"
