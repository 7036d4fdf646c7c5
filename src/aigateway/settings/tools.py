"""MCP servers as the operator set them: the typed result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from aigateway.settings.errors import Problem
from aigateway.settings.secret import Secret


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where people link an account of theirs, by OAuth 2.0 with PKCE."""

    type: str
    """`github`, `gitlab`, or any other word."""
    client_id: str
    client_secret: Secret | None
    """None for a public client."""
    auth_url: str
    token_url: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerSettings:
    """One MCP server."""

    name: str
    """Unique; part of its tools' names, and the id of its accounts."""
    url: str
    """Of its Streamable HTTP endpoint."""
    headers: tuple[tuple[str, Secret], ...] = ()
    """A credential of the organisation's, sent with every request; none where people have accounts."""
    account: AccountSettings | None = None
    """Set when each person needs an account of their own."""
    allow: re.Pattern[str] | None = None
    """Only tools whose own name it finds are offered; None for all."""
    deny: re.Pattern[str] | None = None
    """Tools whose own name it finds are not offered, whatever `allow` says."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What set each part, by the part's name; parts that nothing set are missing."""


class ToolServersRead(msgspec.Struct, frozen=True):
    """What the configuration says of MCP servers."""

    servers: tuple[ToolServerSettings, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
