"""Answers of the three APIs in small, and what a client makes of a turn."""

from __future__ import annotations

import json

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.turns import turn_for

HELD = frozenset({"bmcp_wiki_search", "bmcp_wiki_read"})


def sse(*events, named=True, end="\n"):
    """A stream of events; one that is a string stands for itself."""
    lines = []
    for event in events:
        if isinstance(event, str):
            lines.append(f"data: {event}{end}{end}")
            continue
        name = f"event: {event['type']}{end}" if named else ""
        lines.append(f"{name}data: {json.dumps(event, separators=(',', ':'))}{end}{end}")
    return "".join(lines).encode()


def read(stream):
    """The events of a stream."""
    events = []
    for block in stream.decode().replace("\r\n", "\n").split("\n\n"):
        data = [line.removeprefix("data: ") for line in block.split("\n") if line.startswith("data: ")]
        if data and data[0] != "[DONE]":
            events.append(json.loads(data[0]))
    return events


# Messages


def message_events(ident, *blocks, reason="end_turn", usage=(10, 5)):
    """A streamed message; a block is (text,), ("thinking", text), (id, name, input)."""
    events = [
        {
            "type": "message_start",
            "message": {
                "id": ident,
                "type": "message",
                "role": "assistant",
                "model": "sim",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": usage[0], "cache_read_input_tokens": 3, "output_tokens": 1},
            },
        },
        {"type": "ping"},
    ]
    for index, block in enumerate(blocks):
        events += _block_events(index, block)
    stop = {"stop_reason": reason, "stop_sequence": None}
    return [
        *events,
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": usage[1]}},
        {"type": "message_stop"},
    ]


def _block_events(index, block):
    def delta(kind, **more):
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}

    if len(block) == 1:
        start = {"type": "text", "text": ""}
        half = len(block[0]) // 2
        deltas = [delta("text_delta", text=block[0][:half]), delta("text_delta", text=block[0][half:])]
    elif block[0] == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [delta("thinking_delta", thinking=block[1]), delta("signature_delta", signature=f"sig-{block[1]}==")]
    else:
        start = {"type": "tool_use", "id": block[0], "name": block[1], "input": {}}
        text = json.dumps(block[2])
        deltas = [delta("input_json_delta", partial_json=part) for part in ("", text[:3], text[3:])]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *deltas,
        {"type": "content_block_stop", "index": index},
    ]


def message_body(ident, *blocks, reason="end_turn", usage=(10, 5)):
    """The same as one JSON body."""
    content = []
    for block in blocks:
        if len(block) == 1:
            content.append({"type": "text", "text": block[0]})
        elif block[0] == "thinking":
            content.append({"type": "thinking", "thinking": block[1], "signature": f"sig-{block[1]}=="})
        else:
            content.append({"type": "tool_use", "id": block[0], "name": block[1], "input": block[2]})
    return {
        "id": ident,
        "type": "message",
        "role": "assistant",
        "model": "sim",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": usage[0], "cache_read_input_tokens": 3, "output_tokens": usage[1]},
    }


# Chat Completions


def chat_events(ident, text="", calls=(), *, reason="stop", usage=(10, 5), thinking=""):
    """Chunks as OpenAI sends them, with the usage at the end; a call is (id, name, arguments)."""

    def chunk(delta, finish=None):
        return {
            "id": ident,
            "object": "chat.completion.chunk",
            "created": int(ident[-1]),
            "model": "sim",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            "usage": None,
        }

    events = [chunk({"role": "assistant", "content": "" if text else None})]
    if thinking:
        events.append(chunk({"reasoning_content": thinking}))
    events += [chunk({"content": part}) for part in (text[: len(text) // 2], text[len(text) // 2 :]) if part]
    for index, (call_id, name, arguments) in enumerate(calls):
        written = json.dumps(arguments)
        function = {"name": name, "arguments": ""}
        events.append(
            chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        )
        events += [
            chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
            for part in (written[:2], written[2:])
        ]
    last = chunk({}, reason) | {"choices": []}
    return [*events, chunk({}, reason), last | {"usage": chat_usage(*usage)}, "[DONE]"]


def chat_usage(sent, got):
    return {
        "prompt_tokens": sent,
        "completion_tokens": got,
        "total_tokens": sent + got,
        "prompt_tokens_details": {"cached_tokens": 2},
    }


def chat_body(ident, text="", calls=(), *, reason="stop", usage=(10, 5), thinking=""):
    """The same as one JSON body."""
    message = {"role": "assistant", "content": text or None, "refusal": None, "annotations": []}
    if thinking:
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for call_id, name, arguments in calls
        ]
    return {
        "id": ident,
        "object": "chat.completion",
        "created": int(ident[-1]),
        "model": "sim",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": chat_usage(*usage),
    }


# Responses


def response_items(*blocks):
    """Output items; a block is (text,), ("thinking", text), (call id, name, arguments)."""
    items = []
    for block in blocks:
        if len(block) == 1:
            part = {"type": "output_text", "text": block[0], "annotations": []}
            ident = f"msg_{len(block[0])}{block[0][:3]}"
            items.append(
                {"type": "message", "id": ident, "role": "assistant", "status": "completed", "content": [part]}
            )
        elif block[0] == "thinking":
            items.append(
                {"type": "reasoning", "id": f"rs_{block[1]}", "summary": [], "encrypted_content": f"secret-{block[1]}"}
            )
        else:
            call_id, name, arguments = block
            items.append(
                {
                    "type": "function_call",
                    "id": f"fc_{call_id}",
                    "call_id": call_id,
                    "name": name,
                    "arguments": json.dumps(arguments),
                    "status": "completed",
                }
            )
    return items


def response_body(ident, *blocks, status="completed", usage=(10, 5)):
    """One response as JSON."""
    return {
        "id": ident,
        "object": "response",
        "created_at": int(ident[-1]),
        "model": "sim",
        "status": status,
        "output": response_items(*blocks),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": sum(usage),
        },
    }


def response_events(ident, *blocks, status="completed", usage=(10, 5)):
    """The same as a stream."""
    whole = response_body(ident, *blocks, status=status, usage=usage)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(whole["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        empty = {"content": []} if item["type"] == "message" else {}
        if item["type"] == "function_call":
            empty = {"arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": index, "item": item | empty})
        if item["type"] == "message":
            text = item["content"][0]["text"]
            part = {"type": "output_text", "text": "", "annotations": []}
            events += [
                {"type": "response.content_part.added", **where, "content_index": 0, "part": part},
                {"type": "response.output_text.delta", **where, "content_index": 0, "delta": text},
                {"type": "response.output_text.done", **where, "content_index": 0, "text": text},
                {"type": "response.content_part.done", **where, "content_index": 0, "part": part | {"text": text}},
            ]
        if item["type"] == "function_call":
            written = item["arguments"]
            events += [
                {"type": "response.function_call_arguments.delta", **where, "delta": written},
                {"type": "response.function_call_arguments.done", **where, "arguments": written},
            ]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": f"response.{status}", "response": whole})
    return [event | {"sequence_number": number} for number, event in enumerate(events)]


# Turns


def streamed(api, events, **form):
    """The bytes of an answer."""
    return sse(*events, named=api is not ApiFormat.CHAT, **form)


def tell(api, answers, *, streams=True, cut=lambda data: [data]):
    """A turn of these answers: what the client gets, and the rounds."""
    turn = turn_for(api, HELD, streams=streams)
    shown = b""
    rounds = []
    for number, answer in enumerate(answers):
        if number:
            shown += turn.next_answer()
        for piece in cut(answer):
            shown += turn.feed(piece)
        rounds.append(turn.round())
    return shown + turn.ending(), rounds
