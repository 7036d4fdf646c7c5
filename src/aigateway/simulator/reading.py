"""Reading the parts of request bodies that the APIs have in common, without trusting their shape."""

from __future__ import annotations

from typing import Any

from aigateway.simulator.script import Tool


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; nothing if it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or the last text part of a list (earlier ones are context)."""
    if isinstance(content, str):
        return content
    texts = [part["text"] for part in dicts(content) if isinstance(part.get("text"), str)]
    return texts[-1] if texts else ""


def offered(tools: Any) -> tuple[Tool, ...]:
    """The tools of a request in any of the three APIs' shapes; tools that the provider runs are left out."""
    found: list[Tool] = []
    for tool in dicts(tools):
        inner = next((tool[key] for key in ("function", "custom") if isinstance(tool.get(key), dict)), tool)
        name = inner.get("name")
        if not isinstance(name, str):
            continue
        if tool.get("type") == "namespace":
            found.extend(offered(tool.get("tools")))
        elif tool.get("type") == "custom" and "input_schema" not in tool:
            found.append(Tool(name, None))
        elif tool.get("type") in {None, "function", "custom"}:
            schema = inner.get("parameters", inner.get("input_schema"))
            found.append(Tool(name, schema if isinstance(schema, dict) else {}))
    return tuple(found)


def forced(choice: Any) -> str | None:
    """The tool that `tool_choice` demands: a name, `*` for any, None when the model is free."""
    if choice == "required":
        return "*"
    if not isinstance(choice, dict):
        return None
    if choice.get("type") == "any":
        return "*"
    inner = choice.get("function") or choice.get("custom") or choice
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None
