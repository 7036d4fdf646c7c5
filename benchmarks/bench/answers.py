"""The answers of the upstream, in the shapes of the three APIs, made once and sent often.

A piece of a stream holds the moment at which it was sent, so that whoever gets it knows how long it was on the way.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from typing import Any, NamedTuple

from benchmarks.bench.plan import Plan

MARK = b"@"
"""Stands before a moment, and nowhere else in an answer."""
DIGITS = 20
"""Of a moment, in nanoseconds."""
_HOLE = "@" + "0" * DIGITS
_WORDS = ("the", "gateway", "keeps", "what", "was", "asked", "and", "what", "came", "of", "it")
_USED = 57


class Piece(NamedTuple):
    """A chunk of a chunked body. The moment goes between the two parts; without a second one there is none."""

    before: bytes
    after: bytes | None


class Answer(NamedTuple):
    """A whole answer: the head, then the pieces with a pause before each but the first."""

    head: bytes
    pieces: tuple[Piece, ...]


@lru_cache(maxsize=64)
def answer(api: str, plan: Plan) -> Answer:
    """Give the answer of an API ("chat", "messages" or "responses")."""
    return _stream(api, plan) if plan.events else _whole(api, plan)


def _whole(api: str, plan: Plan) -> Answer:
    text = " ".join(_WORDS[number % len(_WORDS)] for number in range(plan.size // 6))
    body = json.dumps(_BODIES[api](plan.model, text)).encode()
    headers = ["content-type: application/json"]
    if plan.gzip:
        body = zlib.compress(body, wbits=31)
        headers.append("content-encoding: gzip")
    return Answer(_head([*headers, f"content-length: {len(body)}"]) + body, ())


def _stream(api: str, plan: Plan) -> Answer:
    events = _EVENTS[api](plan.model, plan.events)
    headers = [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-cache",
        "transfer-encoding: chunked",
    ]
    compress = zlib.compressobj(wbits=31) if plan.gzip else None
    pieces = []
    for number, event in enumerate(events, 1):
        data = event.encode()
        if compress is not None:
            data = compress.compress(data) + compress.flush(
                zlib.Z_FINISH if number == len(events) else zlib.Z_SYNC_FLUSH
            )
        chunk = b"%x\r\n%b\r\n" % (len(data), data)
        before, hole, after = (chunk, b"", b"") if compress else chunk.partition(_HOLE.encode())
        pieces.append(Piece(before + MARK, after) if hole else Piece(before, None))
    last = pieces[-1]
    end = b"0\r\n\r\n"
    pieces[-1] = Piece(last.before + end, None) if last.after is None else Piece(last.before, last.after + end)
    if plan.gzip:
        headers.append("content-encoding: gzip")
    return Answer(_head(headers), tuple(pieces))


def _head(headers: list[str]) -> bytes:
    lines = ["HTTP/1.1 200 OK", "x-request-id: req_0123456789abcdef", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _word(number: int) -> str:
    return f" {_WORDS[number % len(_WORDS)]} {_HOLE}"


def _chat_body(model: str, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion", "created": 1, "model": model} | {
        "choices": [choice],
        "usage": _chat_usage(90),
    }


def _messages_body(model: str, text: str) -> dict[str, Any]:
    return {"id": "msg_0123456789abcdef", "type": "message", "role": "assistant", "model": model} | {
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": _USED, "output_tokens": 90} | _CACHE,
    }


def _responses_body(model: str, text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    return {"id": "resp_0123456789abcdef", "object": "response", "created_at": 1, "status": "completed"} | {
        "error": None,
        "model": model,
        "output": [item],
        "usage": {
            "input_tokens": _USED,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 90,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": _USED + 90,
        },
    }


_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def _chat_usage(output: int) -> dict[str, Any]:
    return {
        "prompt_tokens": _USED,
        "completion_tokens": output,
        "total_tokens": _USED + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _chat_events(model: str, words: int) -> list[str]:
    def event(choices: list[Any], usage: dict[str, Any] | None = None) -> str:
        common = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk", "created": 1, "model": model}
        return f"data: {json.dumps(common | {'choices': choices, 'usage': usage})}\n\n"

    def choice(delta: dict[str, Any], finish: str | None = None) -> list[Any]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    return [
        event(choice({"role": "assistant", "content": "", "refusal": None})),
        *(event(choice({"content": _word(number)})) for number in range(words)),
        event(choice({}, "stop")),
        event([], _chat_usage(words)) + "data: [DONE]\n\n",
    ]


def _messages_events(model: str, words: int) -> list[str]:
    def event(kind: str, **more: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | more)}\n\n"

    message = _messages_body(model, "") | {"content": [], "stop_reason": None}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        event("message_start", message=message),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}) + event("ping"),
        *(
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": _word(number)})
            for number in range(words)
        ),
        event("content_block_stop", index=0),
        event("message_delta", delta=delta, usage={"output_tokens": words}) + event("message_stop"),
    ]


def _responses_events(model: str, words: int) -> list[str]:
    def event(kind: str, number: int, **more: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number} | more)}\n\n"

    begun = _responses_body(model, "") | {"status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return [
        event("response.created", 0, response=begun) + event("response.in_progress", 1, response=begun),
        *(
            event("response.output_text.delta", number + 2, **place, delta=_word(number), logprobs=[])
            for number in range(words)
        ),
        event("response.completed", words + 2, response=_responses_body(model, "word " * words)),
    ]


_BODIES = {"chat": _chat_body, "messages": _messages_body, "responses": _responses_body}
_EVENTS = {"chat": _chat_events, "messages": _messages_events, "responses": _responses_events}
