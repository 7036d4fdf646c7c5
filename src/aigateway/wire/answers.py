"""What the answers of all three APIs share: the facts while they come in, and the bounds they are kept within."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from aigateway.wire.facts import AnswerError, AnswerFacts, Thought, TokenUsage, ToolCall
from aigateway.wire.lenient import any_value
from aigateway.wire.text_chunk import OnlyText

LARGEST_TEXT = 8 * 1024 * 1024
"""Most characters of thoughts, and most of tool arguments, that are kept of one answer."""
MOST_ROWS = 10_000
"""Most tool calls, and most thoughts, that are kept of one answer."""
_LONGEST_MESSAGE = 2000
_LONGEST_TYPE = 100


class Answer(ABC):
    """One answer of one API, read from the events of a stream or from a whole body."""

    ended = False
    """The answer's own end was seen, be it an error."""
    response_id = ""
    model: str | None = None
    error: AnswerError | None = None
    unreadable: str | None = None
    only_text: OnlyText
    """Asked before an event is read, while the one before it has ended."""
    _argument_characters = 0
    _thought_characters = 0
    _cut = False
    """Whether text had to be left out."""

    @abstractmethod
    def on_event(self, name: bytes, data: bytes) -> None:
        """Take one event of a stream (`sse.Event`); may raise one of `UNREADABLE`."""

    @abstractmethod
    def on_body(self, body: bytes | bytearray) -> None:
        """Take the whole JSON body of an answer; may raise one of `UNREADABLE`."""

    @abstractmethod
    def whole(self) -> bool:
        """Whether the answer came to a regular end."""

    @abstractmethod
    def usage(self) -> TokenUsage | None:
        """Give the token usage, as far as it is known."""

    @abstractmethod
    def tool_calls(self) -> list[ToolCall]:
        """Give the tool calls whose arguments are complete."""

    @abstractmethod
    def thoughts(self) -> list[Thought]:
        """Give the thoughts so far."""

    def note_shape(self, what: str, error: msgspec.ValidationError) -> None:
        """Remember that something is not as it should be, unless it is but a count, which is read all the same."""
        if ".usage" not in str(error):
            self.note(f"{what} has an unexpected shape ({error}).")

    def note(self, reason: str) -> None:
        """Remember the first reason why a part could not be read."""
        self.unreadable = self.unreadable or reason

    def fail(self, error: AnswerError) -> None:
        """Take an error that ends the answer."""
        self.error = self.error or error
        self.ended = True

    def argument(self, text: str) -> str:
        """Give as much of a tool call's text as there is room for."""
        kept = self._within(text, self._argument_characters)
        self._argument_characters += len(kept)
        return kept

    def thought(self, text: str) -> str:
        """Give as much of a thought as there is room for."""
        kept = self._within(text, self._thought_characters)
        self._thought_characters += len(kept)
        return kept

    def _within(self, text: str, taken: int) -> str:
        if taken + len(text) <= LARGEST_TEXT:
            return text
        self._cut = True
        return text[: LARGEST_TEXT - taken]

    def facts(self) -> AnswerFacts:
        """Sum up what is known."""
        whole = self.whole()
        usage = self.usage()
        if usage and not whole:
            usage.metadata["partial"] = True
        calls, thoughts = self.tool_calls(), self.thoughts()
        if self._cut or len(calls) > MOST_ROWS or len(thoughts) > MOST_ROWS:
            self.note("The answer's tool arguments or thoughts are too large to keep whole; they were cut.")
        return AnswerFacts(
            complete=whole or self.ended,
            response_id=self.response_id,
            model=self.model,
            usage=usage,
            tool_calls=tuple(calls[:MOST_ROWS]) if calls else (),
            thoughts=tuple(thoughts[:MOST_ROWS]) if thoughts else (),
            error=self.error,
            unreadable=self.unreadable,
        )


def members(raw: bytes | bytearray | msgspec.Raw) -> dict[str, Any]:
    """Give the JSON object in `raw`, or an empty one."""
    value = any_value(raw)
    return value if isinstance(value, dict) else {}


def error_in(value: Any, fallback_type: str) -> AnswerError | None:
    """Give the error in a decoded error answer, event or error object, of any provider's shape, if there is one."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        return AnswerError(fallback_type, excerpt(value)) if value.strip() else None
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    if isinstance(inner, dict | str) and inner:
        outer_type = value.get("code") if isinstance(inner, str) else None
        return error_in(inner, _word(outer_type) or fallback_type)
    words = next((value[name] for name in ("message", "detail", "error_description") if value.get(name)), None)
    names = (_word(value.get(name)) for name in ("type", "code", "status"))
    kind = next((name for name in names if name not in {"", "error"}), fallback_type)
    if words is None:
        return AnswerError(kind, "") if value.get("type") or value.get("code") else None
    text = words if isinstance(words, str) else msgspec.json.encode(words).decode("utf-8", "replace")
    return AnswerError(kind, excerpt(text))


def excerpt(text: str) -> str:
    """Give the start of a text, short enough for a record."""
    text = text.strip()
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"


def _word(value: Any) -> str:
    return str(value)[:_LONGEST_TYPE] if isinstance(value, str | int) and not isinstance(value, bool) else ""
