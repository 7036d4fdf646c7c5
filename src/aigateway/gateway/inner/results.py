"""What the model is told of a call (data-plane spec 14.4), and what the record says of one that failed."""

from __future__ import annotations

import msgspec

from aigateway.tools.offer import EmbeddedResource, OtherContent, Text, ToolResult
from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.turn import CallResult, HeldCall


def told(api: ApiFormat, call: HeldCall, result: ToolResult) -> CallResult:
    """A result in the words of an API."""
    if api is ApiFormat.MESSAGES:
        return _in_blocks(call, result)
    if result.failure is None:
        text = f"{result.raw}\n"
    elif api is ApiFormat.CHAT:
        text = msgspec.json.encode({"error": True, "message": result.failure}).decode()
    else:
        text = f"invocation error: {msgspec.json.encode(result.failure).decode()}"
    return CallResult(call, (text,), is_error=result.is_error or result.failure is not None)


def _in_blocks(call: HeldCall, result: ToolResult) -> CallResult:
    if result.failure is not None:
        return CallResult(call, (f"Error: calling tool: {result.failure}",), is_error=True)
    texts: list[str] = []
    unshown = False
    for part in result.content:
        match part:
            case Text(text):
                texts.append(text)
            case EmbeddedResource(mime_type, uri, data):
                texts.append(f"Binary resource (MIME: {mime_type}, URI: {uri}): {data}")
            case OtherContent("embedded"):
                texts.append("Error: unknown embedded resource type")
                unshown = True
            case OtherContent():
                texts.append("Error: unsupported tool result type")
                unshown = True
    texts = [text for text in texts if text]
    if not texts:
        return CallResult(call, ("Error: no valid tool result content",), is_error=True)
    return CallResult(call, tuple(texts), is_error=result.is_error or unshown)


def error_of(result: ToolResult) -> str | None:
    """Why a call failed, None where it did not."""
    if result.failure is not None:
        return result.failure
    if not result.is_error:
        return None
    said = "\n".join(part.text for part in result.content if isinstance(part, Text)).strip()
    return said or "The tool reported an error and said nothing of it."
