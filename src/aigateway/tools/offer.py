"""What one person may be offered, and what came of a call: all that the way of a request knows of MCP servers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from aigateway.accounts.actor import Actor

PREFIX = "bmcp_"
"""Every offered tool's name begins with it."""
_NAME = re.compile(r"bmcp_[a-zA-Z0-9_-]{1,59}")


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool as the model is told of it, and where it really is."""

    name: str
    """As the model sees it: `bmcp_<server>_<tool>`, within what every provider takes."""
    server: str
    server_url: str
    tool: str
    """Its own name at its server."""
    description: str
    input_schema: Mapping[str, Any]
    """A JSON schema of type `object`."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"no provider takes the tool name {self.name!r}")
        if self.input_schema.get("type") != "object":
            raise ValueError(f"the input schema of {self.name} is not of type object")


@dataclass(frozen=True, slots=True)
class Text:
    """Text that a tool answered with."""

    text: str


@dataclass(frozen=True, slots=True)
class EmbeddedResource:
    """A resource inside an answer: its text, or its bytes in base64."""

    mime_type: str
    uri: str
    data: str


@dataclass(frozen=True, slots=True)
class OtherContent:
    """What no model is shown: images, audio, links and what is not known yet."""

    kind: Literal["image", "audio", "link", "embedded", "unknown"]


Content: TypeAlias = Text | EmbeddedResource | OtherContent


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call: a server's answer, or why there is none."""

    content: tuple[Content, ...] = ()
    is_error: bool = False
    """The server's own flag."""
    raw: str = ""
    """The whole answer as compact JSON; empty when there is none."""
    failure: str | None = None
    """A sentence that says why the call itself failed: no connection, too slow, too large."""

    def __post_init__(self) -> None:
        if (self.failure is None) != bool(self.raw):
            raise ValueError("a call has either an answer or a reason why there is none")


class Toolbox(Protocol):
    """Offers the tools of the organisation's servers, and calls them in a person's name."""

    async def offered(self, actor: Actor) -> Sequence[OfferedTool]:
        """What this person has now, sorted by name; it never raises, and takes two seconds at the most."""

    async def call(self, actor: Actor, tool: OfferedTool, arguments: str) -> ToolResult:
        """Call a tool with JSON text; it never raises but when it is cancelled."""
