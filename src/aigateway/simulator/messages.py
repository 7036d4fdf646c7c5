"""Anthropic Messages (https://docs.anthropic.com/en/api/messages, …/messages-streaming)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from aigateway.simulator.reading import dicts, forced, offered, text_of
from aigateway.simulator.script import Answer, Ask, as_json


def read(body: dict[str, Any]) -> Ask:
    """Read a request body."""
    users = [message for message in dicts(body.get("messages")) if message.get("role") == "user"]
    content = users[-1].get("content") if users else None
    results = [part for part in dicts(content) if part.get("type") == "tool_result"]
    thinking = body.get("thinking")
    config = body.get("output_config")
    form = (config.get("format") if isinstance(config, dict) else None) or body.get("output_format")
    return Ask(
        model=str(body.get("model", "")),
        stream=body.get("stream") is True,
        text=text_of(results[-1].get("content")) if results else text_of(content),
        answers_tool=bool(results),
        tools=offered(body.get("tools")),
        forced_tool=forced(body.get("tool_choice")),
        schema=form.get("schema") if isinstance(form, dict) else None,
        thinking=isinstance(thinking, dict) and thinking.get("type") in {"enabled", "adaptive"},
    )


def whole(answer: Answer, _: dict[str, Any]) -> dict[str, Any]:
    """The answer as one JSON object."""
    return {
        **_head(answer),
        "content": _blocks(answer),
        "stop_reason": _stop_reason(answer),
        "stop_sequence": None,
        "usage": usage(answer, answer.usage.output),
    }


def events(answer: Answer, _: dict[str, Any]) -> Iterator[bytes]:
    """The answer as server-sent events; `message_delta` carries the cumulative counts."""
    start = {**_head(answer), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage(answer, 1)}
    yield _event({"type": "message_start", "message": start})
    for index, block in enumerate(_blocks(answer)):
        yield _event({"type": "content_block_start", "index": index, "content_block": _empty(block)})
        if index == 0:
            yield _event({"type": "ping"})
        for delta in _deltas(answer, block):
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    counts = usage(answer, answer.usage.output)
    fields = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    closing = {name: counts[name] for name in (*fields, "server_tool_use") if name in counts}
    delta = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": delta, "usage": closing})
    yield _event({"type": "message_stop"})


def error_event(_: Answer, error: dict[str, Any]) -> bytes:
    """An error inside a stream."""
    return _event(error)


def usage(answer: Answer, output: int) -> dict[str, Any]:
    """The usage object; input tokens exclude cached ones."""
    counts = answer.usage
    searches: dict[str, Any] = {"server_tool_use": {"web_search_requests": 1}} if answer.provider_tool else {}
    return {
        "input_tokens": counts.fresh,
        "cache_creation_input_tokens": counts.cache_write,
        "cache_read_input_tokens": counts.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": counts.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        **searches,
        "service_tier": "standard",
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + as_json(value) + b"\n\n"


def _head(answer: Answer) -> dict[str, Any]:
    return {"model": answer.model, "id": answer.ident("msg_01", 22), "type": "message", "role": "assistant"}


def _stop_reason(answer: Answer) -> str:
    if answer.cut_by_length:
        return "max_tokens"
    return "tool_use" if answer.tool_uses else "end_turn"


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        signature = base64.b64encode(bytes.fromhex(answer.seed)).decode()
        blocks.append({"type": "thinking", "thinking": "".join(answer.thinking), "signature": signature})
    if answer.provider_tool:
        ident = answer.ident("srvtoolu_01", 22)
        found = {"type": "web_search_result", "title": "Example ✓", "url": "https://example.com/", "page_age": None}
        found["encrypted_content"] = base64.b64encode(b"simulated").decode()
        query = {"query": "simulated search"}
        blocks.append({"type": "server_tool_use", "id": ident, "name": "web_search", "input": query})
        blocks.append({"type": "web_search_tool_result", "tool_use_id": ident, "content": [found]})
    if answer.text:
        blocks.append({"type": "text", "text": "".join(answer.text)})
    blocks.extend(
        {
            "type": "tool_use",
            "id": answer.ident("toolu_01", 22, salt=str(use.number)),
            "name": use.name,
            "input": msgspec.json.decode(use.arguments) if not use.custom else {"text": use.arguments},
        }
        for use in answer.tool_uses
    )
    return blocks


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    blank = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
    return {**block, **blank.get(block["type"], {"input": {}} if "input" in block else {})}


def _deltas(answer: Answer, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in answer.text)
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in answer.thinking)
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif "input" in block:
        text = as_json(block["input"]).decode()
        yield {"type": "input_json_delta", "partial_json": ""}
        for at in range(0, len(text), 7):
            yield {"type": "input_json_delta", "partial_json": text[at : at + 7]}
