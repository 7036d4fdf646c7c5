"""Which paths of each provider type are intercepted, and which pass through (data-plane spec 2.1, 2.2).

Passing through is an allowlist on purpose: a configured key may have administrative rights, so a path that is not named
here is never sent to a provider. GitHub Copilot has no such list: people call it with their own login, which may do
there what it may do anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from aigateway.settings.providers import ProviderType
from aigateway.wire.facts import ApiFormat


@dataclass(frozen=True, slots=True)
class Intercepted:
    """A path whose requests are attributed and recorded."""

    api: ApiFormat
    purpose: str | None = None
    """What its requests are for on the record, where no person asks for them; None where people do."""


@dataclass(frozen=True, slots=True)
class Passthrough:
    """A path that is relayed and not recorded."""


@dataclass(frozen=True, slots=True)
class Local:
    """A path that the gateway answers itself, because the provider has nothing there."""

    body: bytes
    """JSON."""


RouteKind = Intercepted | Passthrough | Local

PASSTHROUGH = Passthrough()


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The routes of one provider type, relative to the provider's place on the gateway."""

    prefix: str
    """The part that is ours and not the upstream's: the base URL of an OpenAI provider already ends in `/v1`."""
    intercepted: dict[str, Intercepted]
    """Exact paths behind the prefix."""
    passthrough: frozenset[str]
    """Exact paths behind the prefix."""
    subtrees: tuple[str, ...]
    """Beginnings of paths behind the prefix, each with its trailing slash."""
    speaks: ApiFormat
    """The API in whose shape errors are told where the path does not say."""
    local: Mapping[str, Local] = field(default_factory=dict)
    """Exact paths behind the prefix."""
    open: bool = False
    """Whether every other path passes through as well."""

    def find(self, path: str) -> RouteKind | None:
        """The route of a path behind the prefix; None when there is none."""
        if route := self.intercepted.get(path):
            return route
        if local := self.local.get(path):
            return local
        if path in self.passthrough or path.startswith(self.subtrees):
            return PASSTHROUGH
        return PASSTHROUGH if self.open and self._plain(path) not in self.intercepted else None

    def entry(self, path: str) -> str:
        """The entry of this table that a path with a route falls under: `/models/` for `/models/gpt-5`."""
        if path in self.intercepted or path in self.passthrough or path in self.local:
            return path
        return next((subtree for subtree in self.subtrees if path.startswith(subtree)), "/")

    @staticmethod
    def _plain(path: str) -> str:
        """A path as a lenient server may take it: nobody gets past the record by another spelling."""
        return unquote(path).partition(";")[0].rstrip("/").lower()


_CHAT = Intercepted(ApiFormat.CHAT)
_RESPONSES = Intercepted(ApiFormat.RESPONSES)
_COMPACT = Intercepted(ApiFormat.RESPONSES, purpose="compact")
"""A session made short: the model reads all of it, and nobody typed anything new."""
_MESSAGES = Intercepted(ApiFormat.MESSAGES)

ROUTES: dict[ProviderType, RouteTable] = {
    ProviderType.OPENAI: RouteTable(
        prefix="/v1",
        intercepted={"/chat/completions": _CHAT, "/responses": _RESPONSES, "/responses/compact": _COMPACT},
        passthrough=frozenset({"/conversations", "/models"}),
        subtrees=("/conversations/", "/models/", "/responses/"),
        speaks=ApiFormat.CHAT,
    ),
    ProviderType.ANTHROPIC: RouteTable(
        prefix="",
        intercepted={"/v1/messages": _MESSAGES},
        passthrough=frozenset({"/v1/models", "/v1/messages/count_tokens"}),
        subtrees=("/v1/models/", "/api/event_logging/"),
        speaks=ApiFormat.MESSAGES,
    ),
    ProviderType.COPILOT: RouteTable(
        prefix="",
        intercepted={
            f"{version}{path}": kind
            for version in ("", "/v1")
            for path, kind in (
                ("/chat/completions", _CHAT),
                ("/responses", _RESPONSES),
                ("/responses/compact", _COMPACT),
                ("/messages", _MESSAGES),
            )
        },
        passthrough=frozenset({"/models", "/_ping", "/auto"}),
        subtrees=("/models/", "/responses/", "/agents/", "/mcp/", "/.well-known/"),
        speaks=ApiFormat.CHAT,
        open=True,
    ),
}
