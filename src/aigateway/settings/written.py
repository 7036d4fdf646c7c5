"""The settings in effect as a YAML file that gives the same settings when it is read (`--write-config`)."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from aigateway.settings import kinds
from aigateway.settings.durations import format_duration
from aigateway.settings.indexed import NEW_PREFIX, OLD_PREFIX
from aigateway.settings.option import Option
from aigateway.settings.options import OPTIONS
from aigateway.settings.providers import ProviderSettings
from aigateway.settings.resolve import DEFAULT, Resolved
from aigateway.settings.sizes import format_size
from aigateway.settings.tool_servers import ACCOUNTS_YAML, SERVERS_YAML
from aigateway.settings.tools import ToolServerSettings

_HEAD = """\
# Settings of AI Gateway as they are in effect. Use them with: aigateway server --config <this file>
# Flags and variables win over this file. Secrets are never written; set their variables."""
_OFF = {kinds.LIMIT: "0", kinds.TIMEOUT: "0"}
"""How nothing is written where an empty text is not."""
_OF_SERVERS = {"name": "name", "url": "url", "allow": "tool_allow_regex", "deny": "tool_deny_regex"}
_OF_ACCOUNTS = {
    "name": "id",
    "type": "type",
    "client_id": "client_id",
    "auth_url": "auth_url",
    "token_url": "token_url",
    "scopes": "scopes",
    "url": "mcp_url",
    "allow": "mcp_tool_allow_regex",
    "deny": "mcp_tool_deny_regex",
}
"""What is written of each kind of server, and under which key."""
_PLAIN = re.compile(r"\d+\w*|true|false", re.ASCII)
"""What needs no quotes; texts are never read as anything but texts."""


class _Listed(msgspec.Struct, frozen=True):
    """A list of things, each with its keys."""

    about: str
    items: list[dict[str, str]]


def written_config(
    resolved: Mapping[str, Resolved],
    providers: Iterable[ProviderSettings],
    servers: Sequence[ToolServerSettings] = (),
) -> str:
    """Return a commented YAML file without any secret; numbered providers stay with their variables."""
    lines = [_HEAD, *_elsewhere(resolved, providers, servers)]
    tree: dict[str, Any] = {}
    for option in OPTIONS:
        if option.names.yaml and not option.kind.is_secret and not option.ignored:
            *groups, key = option.names.yaml.split(".")
            branch = tree
            for group in groups:
                branch = branch.setdefault(group, {})
            branch[key] = option
    if with_account := [_items(server, _OF_ACCOUNTS) for server in servers if server.account]:
        tree[ACCOUNTS_YAML] = _Listed("MCP servers at which each person has an account.", with_account)
    if others := [_items(server, _OF_SERVERS) for server in servers if not server.account]:
        group, key = SERVERS_YAML.split(".")
        tree[group][key] = _Listed("MCP servers with one credential for all, or none.", others)
    return "\n".join([*lines, *_branch(tree, resolved, "")]) + "\n"


def _elsewhere(
    resolved: Mapping[str, Resolved], providers: Iterable[ProviderSettings], servers: Iterable[ToolServerSettings]
) -> Iterator[str]:
    """What is set, but cannot be set by this file."""
    for option in OPTIONS:
        source = resolved[option.field].source
        unwritable = option.kind.is_secret or not option.names.yaml
        if unwritable and not option.ignored and option.field != "config" and source != DEFAULT:
            yield f"# Not in this file: {source}"
    for provider in providers:
        if provider.sources["type"].startswith((NEW_PREFIX, OLD_PREFIX)):
            yield f"# Not in this file: the provider {provider.name}, set by {provider.sources['type']} and its like"
    for server in servers:
        for part in ("CLIENT_SECRET", "HEADERS"):
            if part in server.sources:
                yield f"# Not in this file: {server.sources[part]}"


def _items(server: ToolServerSettings, keys: Mapping[str, str]) -> dict[str, str]:
    """What is set of a server, by its key in the file, without secrets and in the operator's words."""
    values: dict[str, str | None] = {
        "name": server.name,
        "url": server.url,
        "allow": server.allow.pattern if server.allow else None,
        "deny": server.deny.pattern if server.deny else None,
    }
    if account := server.account:
        values |= {
            "type": account.type,
            "client_id": account.client_id,
            "auth_url": account.auth_url,
            "token_url": account.token_url,
            "scopes": " ".join(account.scopes),
        }
    return {key: text for field, key in keys.items() if (text := values[field])}


def _branch(tree: Mapping[str, Any], resolved: Mapping[str, Resolved], indent: str) -> Iterator[str]:
    for index, (key, below) in enumerate(tree.items()):
        if index or not indent:
            yield ""
        if isinstance(below, _Listed):
            yield f"{indent}# {below.about}"
            yield f"{indent}{key}:"
            for listed in below.items:
                for place, (name, text) in enumerate(listed.items()):
                    yield f"{indent}  {'  ' if place else '- '}{name}: {_quoted(text)}"
        elif isinstance(below, Option):
            item = resolved[below.field]
            origin = "" if item.source == DEFAULT else f" Set by {item.source}."
            yield from textwrap.wrap(
                below.help + origin, 118, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
            )
            yield f"{indent}{key}: {_scalar_or_list(below, item.value)}"
        else:
            yield f"{indent}{key}:"
            yield from _branch(below, resolved, f"{indent}  ")


def _scalar_or_list(option: Option, value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_quoted(as_written(option, item)) for item in value)}]"
    text = as_written(option, value)
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def as_written(option: Option, value: object) -> str:
    """The value as an operator would write it."""
    match value:
        case None:
            return _OFF.get(option.kind, "")
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case int() if option.kind is kinds.SIZE:
            return format_size(value)
        case dict():
            return json.dumps(value)
        case re.Pattern():
            return str(value.pattern)
        case _:
            return str(value)


def _quoted(text: str) -> str:
    import yaml  # noqa: PLC0415 - slow to import, and only who prints a file needs it

    scalar: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', width=float("inf"), allow_unicode=True)
    return scalar.strip()
