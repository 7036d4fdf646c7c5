"""The settings in effect as an owner may see them: texts, with secrets masked by their type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from aigateway.settings.load import Loaded
from aigateway.settings.option import Option
from aigateway.settings.options import OPTIONS
from aigateway.settings.providers import ProviderSettings
from aigateway.settings.resolve import DEFAULT, Resolved
from aigateway.settings.secret import Secret
from aigateway.settings.tools import ToolServerSettings
from aigateway.settings.written import as_written


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One option."""

    group: str
    name: str
    """Its flag; for a numbered provider or MCP server, its name and which part of it."""
    env: str | None
    yaml: str | None
    value: str
    """As an operator would write it; masked for secrets, empty for nothing."""
    is_set: bool
    """Whether somebody set it; else it has its default."""
    source: str
    """The flag, the variable or the line of the file that set it, or `default`."""
    help: str
    is_secret: bool


class Effective(msgspec.Struct, frozen=True):
    """Every setting, and what the operator should hear about them."""

    options: tuple[Shown, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, loaded: Loaded) -> Effective:
        """Of loaded settings. Nothing in it is a secret."""
        options = _options(loaded.resolved)
        settings = loaded.settings
        numbered = (*_providers(settings.providers), *_tool_servers(settings.tool_servers))
        return cls((*options, *numbered), loaded.warnings)


def _options(resolved: Mapping[str, Resolved]) -> Iterator[Shown]:
    for option in OPTIONS:
        item = resolved[option.field]
        if option.ignored or (option.hidden and item.source == DEFAULT):
            continue
        yield Shown(
            group=option.group,
            name=option.names.flag,
            env=option.names.env,
            yaml=None if option.kind.is_secret else option.names.yaml,
            value=_value(option, item.value),
            is_set=item.source != DEFAULT,
            source=item.source,
            help=option.help,
            is_secret=option.kind.is_secret,
        )


def _value(option: Option, value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_value(option, item) for item in value)
    if not option.kind.is_secret:
        return as_written(option, value)
    # A secret has no other form than its hint; whatever else such an option may hold is not shown at all.
    if isinstance(value, Secret):
        return value.hint
    return "" if value is None else "…"


def _providers(providers: Iterable[ProviderSettings]) -> Iterator[Shown]:
    for provider in providers:
        values = {
            "type": provider.type.value,
            "base_url": provider.base_url,
            "keys": ", ".join(key.hint for key in provider.keys),
        }
        for part, value in values.items():
            source = provider.sources.get(part, DEFAULT)
            yield _part("The providers in effect", provider.name, part, value, source, is_secret=part == "keys")


def _tool_servers(servers: Iterable[ToolServerSettings]) -> Iterator[Shown]:
    for server in servers:
        account = server.account
        prefix = "MCP_" if account else ""
        parts = {
            "url": (server.url, f"{prefix}URL"),
            "headers": (", ".join(f"{name}: {value.hint}" for name, value in server.headers), "HEADERS"),
            "allow": (server.allow.pattern if server.allow else "", f"{prefix}TOOL_ALLOW_REGEX"),
            "deny": (server.deny.pattern if server.deny else "", f"{prefix}TOOL_DENY_REGEX"),
        }
        if account:
            secret = account.client_secret
            parts |= {
                "type": (account.type, "TYPE"),
                "client_id": (account.client_id, "CLIENT_ID"),
                "client_secret": (secret.hint if secret else "", "CLIENT_SECRET"),
                "auth_url": (account.auth_url, "AUTH_URL"),
                "token_url": (account.token_url, "TOKEN_URL"),
                "scopes": (", ".join(account.scopes), "SCOPES"),
            }
        for part, (value, key) in parts.items():
            if value:
                source = server.sources.get(key, DEFAULT)
                is_secret = part in {"headers", "client_secret"}
                yield _part("The MCP servers in effect", server.name, part, value, source, is_secret=is_secret)


def _part(group: str, name: str, part: str, value: str, source: str, *, is_secret: bool) -> Shown:
    """A part of something numbered, which has no option of its own."""
    return Shown(
        group=group,
        name=f"{name}: {part.replace('_', ' ')}",
        env=None,
        yaml=None,
        value=value,
        is_set=source != DEFAULT,
        source=source,
        help="",
        is_secret=is_secret,
    )
