"""More tools in a request, by splicing (data-plane spec 14.3). A request that cannot take them stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.pieces import RAW_LIST, UNREADABLE, is_array, json_object, with_elements
from aigateway.wire.lenient import Reader, any_value
from aigateway.wire.splice import JsonObject, Unspliceable

MOST_TOOLS: Mapping[ApiFormat, int | None] = {ApiFormat.CHAT: 128, ApiFormat.RESPONSES: 128, ApiFormat.MESSAGES: None}
"""How many tools a request may have (platform.openai.com, "Chat", `tools`); Anthropic's API names no number."""
_FREE = frozenset({"auto", "any", "required"})
"""Choices that leave it to the model which tool it calls."""
_DEMANDING = frozenset({"any", "required"})
"""Those of them that make it call one."""


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as the model is told of it."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """A JSON schema of type `object`."""


@dataclass(frozen=True, slots=True)
class WithTools:
    """A request with more tools."""

    body: bytes
    names: frozenset[str]
    """Those that were added."""
    left_out: tuple[str, ...]
    """Those for which there was no room, or whose name is the client's."""


class NotOffered(Exception):
    """The request gets no tools; the message is a clause that says why."""

    def __init__(self, why: str, *, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected
        """Whether that is as the client wants it, and nothing to tell an operator."""


class _Named(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    name: str = ""
    function: _Named | None = None
    custom: _Named | None = None


_TOOL = Reader(_Tool)


def with_tools(api: ApiFormat, body: bytes, tools: Sequence[ToolDefinition]) -> WithTools:
    """The request with as many of the tools as it can have, in their order.

    For Anthropic they stand before the client's own, so that its cache breakpoints stay good, for OpenAI behind them.

    Raises:
        NotOffered: it can have none.

    """
    try:
        request = JsonObject(body)
    except Unspliceable as error:
        raise NotOffered(str(error)) from None
    own = request.raw("tools")
    if own is None or own == b"null":
        own = b"[]"
    if not is_array(own):
        raise NotOffered("its tools are no array")
    names = _names(own)
    _check_choice(request, has_tools=bool(names))
    if api is ApiFormat.CHAT:
        _check_chat(request)
    free = [tool for tool in tools if tool.name not in names]
    most = MOST_TOOLS[api]
    added = free if most is None else free[: max(0, most - len(names))]
    if not added:
        raise NotOffered(f"it has {len(names)} tools of its own and may have {most}" if free else "it has them all")
    definitions = b",".join(_definition(api, tool) for tool in added)
    put = {"tools": with_elements(own, definitions, first=api is ApiFormat.MESSAGES)}
    offered = frozenset(tool.name for tool in added)
    left_out = tuple(tool.name for tool in tools if tool.name not in offered)
    return WithTools(request.splice(put=put), offered, left_out)


def _names(own: bytes) -> list[str]:
    """The names of the client's tools, empty for those that have none."""
    try:
        tools = [_TOOL.read(raw) or _Tool() for raw in RAW_LIST.decode(own)]
    except UNREADABLE:
        raise NotOffered("its tools cannot be read") from None
    return [(tool.function or tool.custom or tool).name for tool in tools]


def _check_choice(request: JsonObject, *, has_tools: bool) -> None:
    raw = request.raw("tool_choice")
    choice = None if raw is None else any_value(raw)
    if isinstance(choice, dict):
        choice = choice.get("type")
    if choice is None:
        return
    if choice == "none":
        raise NotOffered("it wants no tool called (tool_choice)", expected=True)
    if not isinstance(choice, str) or choice not in _FREE:
        raise NotOffered("it wants certain tools called (tool_choice)", expected=True)
    if choice in _DEMANDING and not has_tools:
        raise NotOffered("it demands a call and has no tools (tool_choice)")


def _check_chat(request: JsonObject) -> None:
    if request.value("functions"):
        raise NotOffered("it uses functions, which tools cannot stand beside")
    many = request.value("n")
    if isinstance(many, int | float) and many > 1:
        raise NotOffered("it asks for several choices (n)")


def _definition(api: ApiFormat, tool: ToolDefinition) -> bytes:
    name, description = msgspec.json.encode(tool.name), msgspec.json.encode(tool.description)
    schema = msgspec.json.encode({"type": "object", "properties": {}} | dict(tool.schema))
    if api is ApiFormat.MESSAGES:
        return json_object({"name": name, "description": description, "type": b'"custom"', "input_schema": schema})
    function = {"name": name, "description": description, "strict": b"false", "parameters": schema}
    if api is ApiFormat.CHAT:
        return json_object({"type": b'"function"', "function": json_object(function)})
    return json_object({"type": b'"function"', **function})
