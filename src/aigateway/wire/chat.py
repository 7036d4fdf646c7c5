"""Answers of the Chat Completions API (platform.openai.com, "Chat"; data-plane spec 7.4 to 7.6; decisions 10, 11, 15).

Besides OpenAI's own this reads what providers that speak its API really send: usage in the finish chunk or in every
chunk, ids that change, tool calls numbered from 1 or not at all, reasoning under three names, streams without `[DONE]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from aigateway.wire.answers import MOST_ROWS, Answer, error_in
from aigateway.wire.facts import Thought, TokenUsage, ToolCall
from aigateway.wire.lenient import ABSENT, Count, Reader, any_value
from aigateway.wire.text_chunk import chunks_like, never


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class _ToolDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Delta(msgspec.Struct):
    """A `delta` of a chunk, or the `message` of a body."""

    tool_calls: list[_ToolDelta] | None = None
    function_call: _Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None


class _CompletionDetails(msgspec.Struct):
    accepted_prediction_tokens: Count = None
    rejected_prediction_tokens: Count = None
    audio_tokens: Count = None
    reasoning_tokens: Count = None


class _Usage(msgspec.Struct):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Chunk(msgspec.Struct):
    """A chunk of a stream, or a whole body."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = ABSENT


_NO_USAGE, _NO_PROMPT_DETAILS, _NO_COMPLETION_DETAILS = _Usage(), _PromptDetails(), _CompletionDetails()
_SILENT = _Delta()
"""A delta of which nothing is kept."""


@dataclass(slots=True)
class _Call:
    choice: int
    index: int | None
    call_id: str
    name: str
    arguments: list[str] = field(default_factory=list)


_CHUNK = Reader(_Chunk)
_MOST_TEXTS = 8
"""How often a chunk is looked at as a pattern for those to come; a provider whose chunks all differ has none."""
_LEGACY_CALL = -1
"""The index of a `function_call`, of which a choice has at most one."""


def _brings_text_alone(chunk: _Chunk) -> bool:
    if chunk.error is not ABSENT or chunk.usage is not None:
        return False
    for choice in chunk.choices or ():
        if choice.delta != _SILENT or choice.message is not None or choice.finish_reason:
            return False
    return bool(chunk.choices)


class ChatAnswer(Answer):
    """One answer of the Chat Completions API."""

    _known_texts = 0
    _service_tier: str | None = None
    _usage: _Usage | None = None

    def __init__(self) -> None:
        self.only_text = never
        self._calls: list[_Call] = []
        self._last: dict[tuple[int, int | None], _Call] = {}
        self._thoughts: dict[tuple[int, str], list[str]] = {}
        self._choices: set[int] = set()
        self._finished: set[int] = set()

    def on_event(self, name: bytes, data: bytes) -> None:  # noqa: ARG002 - chunks have no name
        """Take one chunk, or the closing `[DONE]`."""
        if data.startswith(b"[DONE]"):
            self.ended = True
            return
        try:
            chunk = _CHUNK.strict(data)
        except msgspec.ValidationError as error:
            self.note_shape("A chunk", error)
            chunk = _CHUNK.read(data) or _Chunk()
        self._take(chunk)
        if self._known_texts < _MOST_TEXTS and _brings_text_alone(chunk):
            self._known_texts += 1
            self.only_text = chunks_like(data) or never

    def on_body(self, body: bytes | bytearray) -> None:
        """Take a whole chat completion."""
        completion = _CHUNK.whole(body)
        for choice in completion.choices or ():
            if choice.message is not None and choice.message.tool_calls:
                for number, call in enumerate(choice.message.tool_calls):
                    call.index = number
        self._take(completion)
        self.ended = True

    def whole(self) -> bool:
        """Whether `[DONE]` came, or every choice was finished; not if an error came."""
        return self.error is None and (self.ended or (bool(self._choices) and self._choices <= self._finished))

    def usage(self) -> TokenUsage | None:
        """Give the last usage that was told, without the cached tokens among the input."""
        told = self._usage
        if told is None:
            return None
        prompt = told.prompt_tokens_details or _NO_PROMPT_DETAILS
        completion = told.completion_tokens_details or _NO_COMPLETION_DETAILS
        read, written = prompt.cached_tokens or 0, prompt.cache_write_tokens or 0
        return TokenUsage(
            self.response_id,
            input_tokens=max(0, (told.prompt_tokens or 0) - read - written),
            output_tokens=told.completion_tokens or 0,
            cache_read_input_tokens=read,
            cache_write_input_tokens=written,
            extra={
                "prompt_audio": prompt.audio_tokens or 0,
                "prompt_cached": read,
                "completion_accepted_prediction": completion.accepted_prediction_tokens or 0,
                "completion_rejected_prediction": completion.rejected_prediction_tokens or 0,
                "completion_audio": completion.audio_tokens or 0,
                "completion_reasoning": completion.reasoning_tokens or 0,
            },
            metadata={"service_tier": self._service_tier} if self._service_tier else {},
        )

    def tool_calls(self) -> list[ToolCall]:
        """Give the calls of finished choices, and those of others whose arguments are whole JSON."""
        if not self._calls:
            return []
        whole = self.whole()
        return [
            ToolCall(self.response_id, call.call_id, call.name, arguments)
            for call in self._calls
            if call.name or call.call_id
            for arguments in ("".join(call.arguments),)
            if whole or call.choice in self._finished or any_value(arguments.encode()) is not None
        ]

    def thoughts(self) -> list[Thought]:
        """Give one thought for each choice and each name that it came under."""
        if not self._thoughts:
            return []
        return [Thought(self.response_id, "".join(texts), source) for (_, source), texts in self._thoughts.items()]

    def _take(self, chunk: _Chunk) -> None:
        self.response_id = self.response_id or chunk.id or ""
        self.model = self.model or chunk.model or None
        self._service_tier = chunk.service_tier or self._service_tier
        if chunk.usage is not None:
            self._take_usage(chunk.usage)
        if chunk.error is not ABSENT and (error := error_in(any_value(chunk.error), "error")):
            self.fail(error)
        for choice in chunk.choices or ():
            number = choice.index or 0
            self._choices.add(number)
            for delta in (choice.delta, choice.message):
                if delta is not None and delta != _SILENT:
                    self._take_delta(number, delta)
            if choice.finish_reason:
                self._finished.add(number)

    def _take_usage(self, told: _Usage) -> None:
        """Usage that is told again is cumulative; only zeros after real counts are not."""
        if told.prompt_tokens or told.completion_tokens or (self._usage is None and told != _NO_USAGE):
            self._usage = told

    def _take_delta(self, choice: int, delta: _Delta) -> None:
        if delta.reasoning_content or delta.reasoning_text:
            self._think(choice, "reasoning_content", delta.reasoning_content or delta.reasoning_text or "")
        elif delta.reasoning:
            self._think(choice, "reasoning", delta.reasoning)
        for call in delta.tool_calls or ():
            self._take_call(choice, call.index, call.id or "", call.function or call.custom or _Function())
        if delta.function_call:
            self._take_call(choice, _LEGACY_CALL, "", delta.function_call)

    def _think(self, choice: int, source: str, text: str) -> None:
        if kept := self.thought(text):
            self._thoughts.setdefault((choice, source), []).append(kept)

    def _take_call(self, choice: int, index: int | None, call_id: str, function: _Function) -> None:
        """Add to the call of that index, or begin one: another id at the same index is another call.

        Without an index and an id (Google's endpoint once sent neither) another name begins another call.
        """
        call = self._last.get((choice, index))
        if (
            call is None
            or (call_id and call.call_id and call_id != call.call_id)
            or (index is None and not call_id and function.name and call.name)
        ):
            if len(self._calls) > MOST_ROWS:
                return
            call = _Call(choice, index, call_id, function.name or "")
            self._calls.append(call)
            self._last[choice, index] = call
        call.call_id = call.call_id or call_id
        call.name = call.name or function.name or ""
        if kept := self.argument(function.arguments or function.input or ""):
            call.arguments.append(kept)
