"""Step 1: which provider, and what kind of path (data-plane spec 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aigateway.gateway.refusal import Refusal
from aigateway.providers.provider import Provider
from aigateway.providers.routes import RouteKind
from aigateway.wire.facts import ApiFormat

PREFIXES = ("/api/v2/aibridge/", "/api/v2/ai-gateway/")
"""The data plane's two places; both are the same."""

MANAGEMENT = frozenset({"interceptions", "sessions", "models", "clients", "providers", "keys", "serve", "proxy"})
"""First segments behind a prefix that are the control plane's; no provider may have such a name (decision 21)."""

_SMUGGLED = re.compile(rb"%2f|%5c|%2e|%00|\\", re.IGNORECASE)
"""What could name another path to somebody who decodes once more than we do."""
_SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request is to go."""

    provider: Provider
    kind: RouteKind
    path: str
    """Behind the gateway's, the provider's and the route table's prefix; as the client encoded it."""


def is_data_plane(path: str) -> bool:
    """Whether a path is the data plane's, and not the control plane's."""
    for prefix in PREFIXES:
        if path.startswith(prefix):
            return path[len(prefix) :].split("/", 1)[0] not in MANAGEMENT
    return False


def speaks(providers: Mapping[str, Provider], path: str) -> ApiFormat:
    """In which API's shape errors about this path are told, even when it leads nowhere."""
    if "/messages" in path:
        return ApiFormat.MESSAGES
    if path.endswith(("/responses", "/responses/compact")):
        return ApiFormat.RESPONSES
    provider = providers.get(_provider_name(path))
    return provider.routes.speaks if provider else ApiFormat.CHAT


def takes_logins_alone(providers: Mapping[str, Provider], path: str) -> bool:
    """Whether a path leads to a provider that has no key on purpose, so that forbidding people's own is not meant."""
    provider = providers.get(_provider_name(path))
    return provider is not None and provider.takes_logins_alone


def is_probe(path: str) -> bool:
    """Whether a HEAD of this is how clients ask if anybody is there, before they sign in (decision 34)."""
    _, _, rest = _behind_prefix(path).partition("/")
    return rest in ("", "api/hello", "v1", "v1/")


def find(providers: Mapping[str, Provider], method: str, raw_path: bytes) -> Route:
    """The route of a request.

    The decision is made on the normalised path, and that same path goes upstream.

    Raises:
        Refusal: 404 for everything that is not on a provider's list.

    """
    path = _SLASHES.sub("/", raw_path.decode("ascii", "replace"))
    unsupported = f"route not supported: {method} {path[:200]}"
    name, slash, rest = _behind_prefix(path).partition("/")
    rest = slash + rest
    provider = providers.get(name)
    if provider is None:
        raise Refusal(404, f"{unsupported}. There is no provider {name[:64]!r}: {_known(providers)}")
    if _SMUGGLED.search(raw_path) or any(segment in (".", "..") for segment in rest.split("/")):
        raise Refusal(404, f"{unsupported}. A path must not hold dot segments or encoded slashes.")
    table = provider.routes
    behind = rest.removeprefix(table.prefix) if rest.startswith(f"{table.prefix}/") else None
    kind = table.find(behind) if behind is not None else None
    if behind is None or kind is None:
        hint = ""
        if table.prefix and table.find(rest) is not None:
            hint = f" Let the client's base URL end in /{name}{table.prefix}."
        raise Refusal(404, f"{unsupported}.{hint}")
    return Route(provider, kind, behind)


def _behind_prefix(path: str) -> str:
    for prefix in PREFIXES:
        if path.startswith(prefix):
            return path[len(prefix) :]
    return ""


def _provider_name(path: str) -> str:
    return _behind_prefix(path).split("/", 1)[0]


def _known(providers: Mapping[str, Provider]) -> str:
    if not providers:
        return "no provider is configured, see CODER_AI_GATEWAY_PROVIDER_0_TYPE."
    return f"this gateway has {', '.join(sorted(providers))}."
