"""MCP servers from numbered variables, or from lists in the YAML file (control-plane spec 1.8).

`CODER_EXTERNAL_AUTH_<N>_…` are servers at which each person has an account; `CODER_AI_GATEWAY_MCP_<N>_…` are those with
one credential for all, or none.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from aigateway.settings.errors import Problem, SensitiveValueError
from aigateway.settings.kinds import parse_secret, parse_url
from aigateway.settings.numbered import Entry, Family, entries, listed, written
from aigateway.settings.secret import Secret
from aigateway.settings.tool_patterns import parse_tool_pattern
from aigateway.settings.tools import AccountSettings, ToolServerSettings, ToolServersRead
from aigateway.settings.yaml_values import YamlValue

_T = TypeVar("_T")

SERVERS_PREFIX = "CODER_AI_GATEWAY_MCP_"
SERVERS_YAML = "ai_gateway.mcp_servers"
SERVERS = Family(
    one="an MCP server",
    parts=("NAME", "URL", "HEADERS", "TOOL_ALLOW_REGEX", "TOOL_DENY_REGEX"),
    example="NAME",
    secrets=("HEADERS",),
)
ACCOUNTS_PREFIX = "CODER_EXTERNAL_AUTH_"
ACCOUNTS_YAML = "externalAuthProviders"
_NOT_HERE = "accounts are linked for MCP tools only, which need none of it"
ACCOUNTS = Family(
    one="an external auth provider",
    parts=(
        "ID",
        "TYPE",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "AUTH_URL",
        "TOKEN_URL",
        "SCOPES",
        "MCP_URL",
        "MCP_TOOL_ALLOW_REGEX",
        "MCP_TOOL_DENY_REGEX",
    ),
    example="ID",
    secrets=("CLIENT_SECRET",),
    without_effect=dict.fromkeys(
        (
            "APP_INSTALLATIONS_URL",
            "APP_INSTALL_URL",
            "DEVICE_CODE_URL",
            "DEVICE_FLOW",
            "DISPLAY_ICON",
            "DISPLAY_NAME",
            "EXTRA_TOKEN_KEYS",
            "NO_REFRESH",
            "REGEX",
            "VALIDATE_URL",
        ),
        _NOT_HERE,
    ),
)
_PRESETS = {
    "github": ("https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token", "repo"),
    "gitlab": ("https://gitlab.com/oauth/authorize", "https://gitlab.com/oauth/token", "mcp"),
}
"""Where people sign in, where tokens are given, and for what, unless the operator says otherwise."""

_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,30}[a-zA-Z0-9])?", re.ASCII)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
)
"""Headers that the protocol sets, besides those that begin with `mcp-`."""


def tool_servers(environ: Mapping[str, str], yaml: Mapping[str, YamlValue]) -> ToolServersRead:
    """Read every server: those with accounts first, each kind in the order of the numbers."""
    problems: list[Problem] = []
    warnings: list[str] = []
    accounts = _entries(ACCOUNTS, ACCOUNTS_PREFIX, environ, yaml.get(ACCOUNTS_YAML), problems, warnings)
    servers = _entries(SERVERS, SERVERS_PREFIX, environ, yaml.get(SERVERS_YAML), problems, warnings)
    found = [_with_account(entry, problems, warnings) for entry in accounts]
    found += [_server(entry, problems) for entry in servers]
    there = tuple(server for server in found if server)
    problems += _name_conflicts(there)
    return ToolServersRead(there, tuple(problems), tuple(warnings))


def _entries(
    family: Family,
    prefix: str,
    environ: Mapping[str, str],
    yaml: YamlValue | None,
    problems: list[Problem],
    warnings: list[str],
) -> list[Entry]:
    # Without a digit it is an option, or another one's of the documented system; `unknown` speaks of those.
    numbered = re.compile(rf"{prefix}\d")
    variables = [variable for variable in written(environ) if numbered.match(variable.name)]
    in_yaml = listed(family, prefix, yaml, problems)
    return entries(family, prefix, variables, problems, warnings, listed=in_yaml)


def _with_account(entry: Entry, problems: list[Problem], warnings: list[str]) -> ToolServerSettings | None:
    name = entry.first_of(("ID", "TYPE"))
    if "MCP_URL" not in entry.parts:
        first = next(iter(entry.parts.values())).name if entry.parts else entry.called("ID")
        warnings.append(f"{first} and its like have no effect, because {entry.called('MCP_URL')} is not set.")
        return None
    if name is None:
        problems.append(Problem(entry.called("ID"), None, "is needed, because MCP_URL is set; give it a name"))
        return None
    found: list[Problem] = []
    type_ = entry.parts["TYPE"].value.lower() if "TYPE" in entry.parts else ""
    auth_url, token_url, scopes = _PRESETS.get(type_, (None, None, ""))
    given = entry.parts.get("SCOPES")
    client_id = _needed(entry, "CLIENT_ID", str, None, found)
    account = AccountSettings(
        type=type_,
        client_id=client_id or "",
        client_secret=_read(entry, "CLIENT_SECRET", parse_secret, found),
        auth_url=_needed(entry, "AUTH_URL", parse_url, auth_url, found) or "",
        token_url=_needed(entry, "TOKEN_URL", parse_url, token_url, found) or "",
        scopes=tuple(re.split(r"[\s,]+", given.value) if given else scopes.split()),
    )
    server = ToolServerSettings(
        name=_name(name.name, name.value, found),
        url=_read(entry, "MCP_URL", parse_url, found) or "",
        account=account,
        allow=_read(entry, "MCP_TOOL_ALLOW_REGEX", parse_tool_pattern, found),
        deny=_read(entry, "MCP_TOOL_DENY_REGEX", parse_tool_pattern, found),
        sources={part: each.name for part, each in entry.parts.items()} | {"NAME": name.name},
    )
    problems += found
    return server


def _server(entry: Entry, problems: list[Problem]) -> ToolServerSettings | None:
    found: list[Problem] = []
    name = _needed(entry, "NAME", str, None, found)
    url = _needed(entry, "URL", parse_url, None, found)
    server = ToolServerSettings(
        name=_name(entry.parts["NAME"].name, name, found) if name else "",
        url=url or "",
        headers=_read(entry, "HEADERS", _headers, found) or (),
        allow=_read(entry, "TOOL_ALLOW_REGEX", parse_tool_pattern, found),
        deny=_read(entry, "TOOL_DENY_REGEX", parse_tool_pattern, found),
        sources={part: each.name for part, each in entry.parts.items()},
    )
    problems += found
    return server if name else None


def _needed(
    entry: Entry, part: str, parse: Callable[[str], str], default: str | None, problems: list[Problem]
) -> str | None:
    if part in entry.parts or default is not None:
        return _read(entry, part, parse, problems) or default
    problems.append(Problem(entry.called(part), None, f"is needed, because other parts of {entry.index} are set"))
    return None


def _read(entry: Entry, part: str, parse: Callable[[str], _T], problems: list[Problem]) -> _T | None:
    variable = entry.parts.get(part)
    if variable is None:
        return None
    try:
        return parse(variable.value)
    except ValueError as error:
        hidden = isinstance(error, SensitiveValueError) or part in {*ACCOUNTS.secrets, *SERVERS.secrets}
        problems.append(Problem(variable.name, None if hidden else variable.value, str(error)))
        return None


def _name(source: str, name: str, problems: list[Problem]) -> str:
    if not _NAME.fullmatch(name):
        message = "not a name for a server; write up to 32 of a-z, A-Z, 0-9, _ and -, for example github"
        problems.append(Problem(source, name, message))
    return name


def _headers(text: str) -> tuple[tuple[str, Secret], ...]:
    """Read `Name: value`, several by commas; one with a comma in it goes in double quotes."""
    parse_secret(text)
    found: dict[str, tuple[str, Secret]] = {}
    for item in next(csv.reader([text], skipinitialspace=True)):
        name, colon, value = (part.strip() for part in item.partition(":"))
        if not colon or not _HEADER.fullmatch(name):
            raise ValueError('not a list of headers; write for example "Authorization: Bearer abc"')
        secret = parse_secret(value)
        if secret is None:
            raise ValueError(f"the header {name} has no value; write one, or remove it")
        if name.lower() in _OURS or name.lower().startswith("mcp-"):
            raise ValueError(f"the header {name} is the protocol's own; remove it")
        if name.lower() in found:
            raise ValueError(f"the header {name} is there twice; remove one")
        found[name.lower()] = (name, secret)
    return tuple(found.values())


def _name_conflicts(servers: tuple[ToolServerSettings, ...]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for server in servers:
        source = server.sources["NAME"]
        if server.name.lower() in seen:
            message = f"two MCP servers are called so, this one and that of {seen[server.name.lower()]}; rename one"
            yield Problem(source, server.name, message)
        seen.setdefault(server.name.lower(), source)
