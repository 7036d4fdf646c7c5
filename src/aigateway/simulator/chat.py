"""OpenAI Chat Completions (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aigateway.simulator.reading import dicts, forced, offered, text_of
from aigateway.simulator.script import Answer, Ask, ToolUse, as_json


def read(body: dict[str, Any]) -> Ask:
    """Read a request body."""
    last = dicts(body.get("messages"))[-1:]
    answers_tool = bool(last) and last[0].get("role") == "tool"
    users = [message for message in dicts(body.get("messages")) if message.get("role") == "user"]
    form = body.get("response_format") or {}
    return Ask(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        text=text_of((last if answers_tool else users[-1:] or [{}])[0].get("content")),
        answers_tool=answers_tool,
        tools=offered(body.get("tools")),
        forced_tool=forced(body.get("tool_choice")),
        schema=_schema(form) if isinstance(form, dict) else None,
    )


def whole(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    """The answer as one JSON object."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(answer.text) or None,
        "refusal": None,
        "annotations": [],
    }
    if answer.thinking:
        message["reasoning_content"] = "".join(answer.thinking)
    if answer.tool_uses:
        message["tool_calls"] = [_tool_call(answer, use) for use in answer.tool_uses]
    return {
        "id": answer.ident("chatcmpl-", 29),
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer)}
            for index in range(_choices(body))
        ],
        "usage": usage(answer),
        "service_tier": "default",
        "system_fingerprint": answer.ident("fp_", 10),
    }


def events(answer: Answer, body: dict[str, Any]) -> Iterator[bytes]:
    """The answer as server-sent events, `[DONE]` included."""
    options = body.get("stream_options")
    with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
    head = {
        "id": answer.ident("chatcmpl-", 29),
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": answer.ident("fp_", 10),
    }

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        tail: dict[str, Any] = {"usage": None} if with_usage else {}
        return _event({**head, "choices": [choice], **tail, "obfuscation": answer.ident("", 9)})

    for index in range(_choices(body)):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
        for piece in answer.thinking:
            yield chunk(index, {"reasoning_content": piece})
        for piece in answer.text:
            yield chunk(index, {"content": piece})
        for use in answer.tool_uses:
            for delta in _tool_deltas(answer, use):
                yield chunk(index, {"tool_calls": [delta]})
        yield chunk(index, {}, _finish_reason(answer))
    if with_usage:
        yield _event({**head, "choices": [], "usage": usage(answer), "obfuscation": answer.ident("", 7)})
    yield b"data: [DONE]\n\n"


def error_event(_: Answer, error: dict[str, Any]) -> bytes:
    """An error inside a stream."""
    return _event(error)


def usage(answer: Answer) -> dict[str, Any]:
    """The usage object; prompt tokens include the cached ones."""
    counts = answer.usage
    prompt = counts.fresh + counts.cache_read + counts.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": counts.output,
        "total_tokens": prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + as_json(value) + b"\n\n"


def _choices(body: dict[str, Any]) -> int:
    number = body.get("n")
    return number if isinstance(number, int) and 1 <= number <= 8 else 1


def _schema(form: dict[str, Any]) -> Any:
    if form.get("type") == "json_schema":
        return (form.get("json_schema") or {}).get("schema") or {}
    return {"properties": {"answer": {"type": "string"}}} if form.get("type") == "json_object" else None


def _finish_reason(answer: Answer) -> str:
    if answer.cut_by_length:
        return "length"
    return "tool_calls" if answer.tool_uses else "stop"


def _tool_call(answer: Answer, use: ToolUse) -> dict[str, Any]:
    ident = answer.ident("call_", salt=str(use.number))
    if use.custom:
        return {"id": ident, "type": "custom", "custom": {"name": use.name, "input": use.arguments}}
    return {"id": ident, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}


def _tool_deltas(answer: Answer, use: ToolUse) -> Iterator[dict[str, Any]]:
    kind, field = ("custom", "input") if use.custom else ("function", "arguments")
    start = {"index": use.number, "id": answer.ident("call_", salt=str(use.number)), "type": kind}
    yield {**start, kind: {"name": use.name, field: ""}}
    for at in range(0, len(use.arguments), 7):
        yield {"index": use.number, kind: {field: use.arguments[at : at + 7]}}
