"""OpenAI Responses (https://platform.openai.com/docs/api-reference/responses, …/responses-streaming)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from aigateway.simulator.reading import dicts, forced, offered, text_of
from aigateway.simulator.script import Answer, Ask, ToolUse, as_json

_TOOL_OUTPUTS = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")


def read(body: dict[str, Any]) -> Ask:
    """Read a request body."""
    items = body.get("input")
    last = dicts(items)[-1:]
    answers_tool = bool(last) and last[0].get("type") in _TOOL_OUTPUTS
    users = [item for item in dicts(items) if item.get("role") == "user"]
    content = (last[0].get("output") if answers_tool else None) or (users[-1].get("content") if users else items)
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    reasoning = body.get("reasoning")
    extra = [tool for item in dicts(items) for tool in dicts(item.get("tools"))]
    return Ask(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        text=text_of(content),
        answers_tool=answers_tool,
        tools=offered([*dicts(body.get("tools")), *extra]),
        forced_tool=forced(body.get("tool_choice")),
        schema=form.get("schema") if isinstance(form, dict) else None,
        thinking=isinstance(reasoning, dict) and bool(reasoning.get("summary")),
    )


def whole(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    """The answer as one JSON object."""
    status = "incomplete" if answer.cut_by_length else "completed"
    return _response(answer, body, status, _items(answer, body))


def events(answer: Answer, body: dict[str, Any]) -> Iterator[bytes]:
    """The answer as server-sent events with running sequence numbers."""
    return map(_event, _numbered(_values(answer, body)))


def messages(answer: Answer, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as the messages of a WebSocket; a warm-up (`generate: false`) gets an empty one."""
    return _numbered(_warm_up(answer, body) if body.get("generate") is False else _values(answer, body))


def failed(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    """`response.failed`, which ends a stream."""
    response = _response(answer, body, "failed", [])
    response["error"] = {"code": "server_error", "message": "The simulated model failed."}
    return {"type": "response.failed", "sequence_number": 99, "response": response}


def error_event(_: Answer, error: dict[str, Any]) -> bytes:
    """An error inside a stream."""
    inner = error["error"]
    return _event({"type": "error", "sequence_number": 99, **{k: inner[k] for k in ("code", "message", "param")}})


def failed_event(answer: Answer, body: dict[str, Any]) -> bytes:
    """`failed` as a server-sent event."""
    return _event(failed(answer, body))


def compaction(answer: Answer) -> dict[str, Any]:
    """The answer of `/responses/compact`."""
    item = {"type": "compaction", "id": answer.ident("cmp_", 48), "encrypted_content": _sealed(answer)}
    head = {"id": answer.ident("resp_", 48), "object": "response.compaction", "created_at": answer.created}
    return {**head, "output": [item], "usage": usage(answer)}


def usage(answer: Answer) -> dict[str, Any]:
    """The usage object; input tokens include the cached ones."""
    counts = answer.usage
    total = counts.fresh + counts.cache_read + counts.cache_write
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": counts.cache_read},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": total + counts.output,
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + as_json(value) + b"\n\n"


def _numbered(values: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, value in enumerate(values):
        yield {"type": value.pop("type"), "sequence_number": number, **value}


def _warm_up(answer: Answer, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": _response(answer, body, "in_progress", [])}
    done = _response(answer, body, "completed", [])
    yield {"type": "response.completed", "response": done | {"usage": done["usage"] | {"output_tokens": 0}}}


def _sealed(answer: Answer) -> str:
    return base64.urlsafe_b64encode(b"gAAAA" + bytes.fromhex(answer.seed)).decode()


def _response(answer: Answer, body: dict[str, Any], status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    text = body.get("text") if isinstance(body.get("text"), dict) else None
    done = status in {"completed", "incomplete"}
    return {
        "id": answer.ident("resp_", 48),
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": text or {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(answer) if done else None,
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _items(answer: Answer, body: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": "".join(answer.thinking)}]
        item: dict[str, Any] = {"id": answer.ident("rs_", 48), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (body.get("include") or []):
            item["encrypted_content"] = _sealed(answer)
        items.append(item)
    if answer.provider_tool:
        action = {"type": "search", "query": "simulated search"}
        items.append(
            {"id": answer.ident("ws_", 48), "type": "web_search_call", "status": "completed", "action": action}
        )
    if answer.text:
        status = "incomplete" if answer.cut_by_length else "completed"
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "".join(answer.text)}
        head = {"id": answer.ident("msg_", 48), "type": "message", "status": status}
        items.append({**head, "content": [part], "role": "assistant"})
    return items + [_call(answer, use) for use in answer.tool_uses]


def _call(answer: Answer, use: ToolUse) -> dict[str, Any]:
    salt = str(use.number)
    kind, prefix, field = ("custom_tool_call", "ctc_", "input") if use.custom else ("function_call", "fc_", "arguments")
    head = {"id": answer.ident(prefix, 48, salt=salt), "type": kind, "status": "completed", field: use.arguments}
    return {**head, "call_id": answer.ident("call_", salt=salt), "name": use.name}


def _values(answer: Answer, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pending = _response(answer, body, "in_progress", [])
    yield {"type": "response.created", "response": pending}
    yield {"type": "response.in_progress", "response": pending}
    items = _items(answer, body)
    for index, item in enumerate(items):
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        place = {"item_id": item["id"], "output_index": index}
        for value in _inner_values(answer, item):
            yield {"type": value.pop("type"), **place, **value}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    status = "incomplete" if answer.cut_by_length else "completed"
    yield {"type": f"response.{status}", "response": _response(answer, body, status, items)}


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    blanks: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "reasoning": {"summary": []},
        "function_call": {"arguments": ""},
        "custom_tool_call": {"input": ""},
    }
    return {**item, **blanks.get(item["type"], {}), **({"status": "in_progress"} if "status" in item else {})}


def _inner_values(answer: Answer, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = item["type"]
    if kind == "message":
        part = item["content"][0]
        yield {"type": "response.content_part.added", "content_index": 0, "part": {**part, "text": ""}}
        for piece in answer.text:
            yield {"type": "response.output_text.delta", "content_index": 0, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", "content_index": 0, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", "content_index": 0, "part": part}
    elif kind == "reasoning":
        text = item["summary"][0]
        at = {"summary_index": 0}
        yield {"type": "response.reasoning_summary_part.added", **at, "part": {**text, "text": ""}}
        for piece in answer.thinking:
            yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **at, "text": text["text"]}
        yield {"type": "response.reasoning_summary_part.done", **at, "part": text}
    elif kind == "web_search_call":
        for state in ("in_progress", "searching", "completed"):
            yield {"type": f"response.web_search_call.{state}"}
    else:
        name, field = (
            ("custom_tool_call_input", "input")
            if kind == "custom_tool_call"
            else ("function_call_arguments", "arguments")
        )
        text = item[field]
        for at_character in range(0, len(text), 7):
            yield {"type": f"response.{name}.delta", "delta": text[at_character : at_character + 7]}
        yield {"type": f"response.{name}.done", field: text}
