"""Which of a server's tools are offered. What a server says is a stranger's word: it never breaks a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from aigateway.settings.tools import ToolServerSettings
from aigateway.tools.names import marked_name, model_name
from aigateway.tools.offer import OfferedTool

MOST_OFFERED = 128
"""Tools of all servers together: the most that OpenAI takes in a request."""
_LONGEST_NAME = 128
"""Characters of a tool's own name; longer ones are not even searched."""
_LONGEST_DESCRIPTION = 1024
"""Characters that every provider takes."""
_LARGEST_SCHEMA = 64 * 1024
_COMBINING = ("oneOf", "anyOf", "allOf", "not", "enum")
"""What providers refuse at the top of a schema."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as its server lists it."""

    name: str
    description: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tool that is not offered."""

    server: str
    tool: str
    reason: str
    """The end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is made of one server's list, or of all servers' together."""

    tools: tuple[OfferedTool, ...] = ()
    """Sorted by the name that models see."""
    left_out: tuple[LeftOut, ...] = ()


NOTHING = Choice()


def choose(server: ToolServerSettings, listed: Iterable[Listed]) -> Choice:
    """The tools of one server that are offered, and those that are not."""
    tools: dict[str, OfferedTool] = {}
    left_out = []
    for tool in listed:
        reason = "is listed twice" if tool.name in tools else _refusal(server, tool)
        if reason:
            left_out.append(LeftOut(server.name, tool.name[:_LONGEST_NAME], reason))
            continue
        tools[tool.name] = OfferedTool(
            name=model_name(server.name, tool.name),
            server=server.name,
            server_url=server.url,
            tool=tool.name,
            description=_shortened(tool.description),
            input_schema=tool.input_schema,
        )
    return Choice(tuple(sorted(tools.values(), key=lambda tool: tool.name)), tuple(left_out))


def together(choices: Sequence[Choice]) -> Choice:
    """The tools of all servers, each under a name of its own, and not more than a request can carry."""
    named: dict[str, OfferedTool] = {}
    for tool in sorted(
        (tool for choice in choices for tool in choice.tools), key=lambda tool: (tool.server, tool.tool)
    ):
        name = tool.name if tool.name not in named else marked_name(tool.server, tool.tool)
        named[name] = replace(tool, name=name)
    tools = [named[name] for name in sorted(named)]
    reason = f"is beyond the {MOST_OFFERED} that a request can carry; offer fewer by the allow and deny expressions"
    too_many = (LeftOut(tool.server, tool.tool, reason) for tool in tools[MOST_OFFERED:])
    left_out = (*(each for choice in choices for each in choice.left_out), *too_many)
    return Choice(tuple(tools[:MOST_OFFERED]), left_out)


def collisions(choices: Sequence[Choice]) -> list[OfferedTool]:
    """The tools that would have had the name of another one, as they are called instead."""
    plain = {(tool.server, tool.tool): tool.name for choice in choices for tool in choice.tools}
    return [tool for tool in together(choices).tools if plain[tool.server, tool.tool] != tool.name]


def _refusal(server: ToolServerSettings, tool: Listed) -> str | None:
    if not tool.name or len(tool.name) > _LONGEST_NAME:
        return f"has no name of 1 to {_LONGEST_NAME} characters"
    if server.deny and server.deny.search(tool.name):
        both = " (it is allowed as well; deny wins)" if server.allow and server.allow.search(tool.name) else ""
        return f"is denied by the server's TOOL_DENY_REGEX{both}"
    if server.allow and not server.allow.search(tool.name):
        return "is not found by the server's TOOL_ALLOW_REGEX"
    return _schema_refusal(tool.input_schema)


def _schema_refusal(schema: Mapping[str, Any]) -> str | None:
    if schema.get("type") != "object":
        return "has an input schema that is not of the type object"
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not all(isinstance(value, dict | bool) for value in properties.values()):
        return "has an input schema whose properties are no schemas"
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return "has an input schema whose required names are no list of names"
    if any(word in schema for word in _COMBINING):
        return f"has an input schema with one of {', '.join(_COMBINING)} at its top, which providers refuse"
    try:
        size = len(msgspec.json.encode(schema))
    except (RecursionError, TypeError, ValueError):
        return "has an input schema that cannot be written as JSON"
    if size > _LARGEST_SCHEMA:
        return f"has an input schema larger than {_LARGEST_SCHEMA} bytes"
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_DESCRIPTION else text[: _LONGEST_DESCRIPTION - 1] + "…"
