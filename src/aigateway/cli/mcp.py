"""`aigateway mcp list|test`: which MCP servers the server would use, how they do, and what they offer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from aigateway.cli.configuration import ServersOptions, given, read
from aigateway.cli.output import output_option, print_json, print_table
from aigateway.cli.rest import connect
from aigateway.settings.tools import ToolServerSettings

if TYPE_CHECKING:
    from aigateway.tools.probe import Probed

_NONE = "No MCP server is set. Set CODER_AI_GATEWAY_MCP_0_NAME and CODER_AI_GATEWAY_MCP_0_URL."
_json_option = click.option("--json", "as_json", is_flag=True, help="The same as -o json.")


@click.group()
def command() -> None:
    """Look at the MCP servers that are set."""


@command.command("list", cls=ServersOptions)
@click.option("--live", is_flag=True, help="Ask the running gateway how its MCP servers do.")
@output_option
@_json_option
def list_(output: str, *, live: bool, as_json: bool, **_: object) -> None:
    """List the MCP servers that the server would use, and where each setting comes from.

    Reads the same variables, YAML file and options as `aigateway server`. With --live it asks the gateway that you are
    signed in to instead, as an owner or an auditor may.
    """
    servers = connect().get("ai", "mcp", "servers", "status") if live else _configured()
    if as_json or output == "json":
        print_json(servers)
        return
    columns = ("name", "url", "state", "tools", "left_out") if live else ("name", "url", "credential", "allow", "deny")
    rows = [[_live_cell(each, column) if live else each[column] for column in columns] for each in servers]
    print_table([column.replace("_", " ") for column in columns], rows, empty=_NONE)


@command.command("test", cls=ServersOptions)
@click.argument("names", nargs=-1)
@click.option(
    "--token", envvar="CODER_MCP_TEST_TOKEN", default="", help="An account's token, for servers that want accounts."
)
@output_option
@_json_option
def test(names: tuple[str, ...], token: str, output: str, *, as_json: bool, **_: object) -> None:
    """Ask MCP servers what they offer, now and from here: all that are set, or those named.

    Shows which tools people would be offered, under which name, and which are left out and why. The status is 1 when a
    server cannot be used.
    """
    from aigateway.app.tooling import probed  # noqa: PLC0415 - the SDK behind it is loaded only to be used

    settings = read(given(click.get_current_context())).settings
    there = {server.name: server for server in settings.tool_servers}
    for name in names:
        if name not in there:
            raise click.ClickException(f"No MCP server is called {name}. There are: {', '.join(there) or 'none'}.")
    found = probed([there[name] for name in names or there], settings.tools, token)
    if as_json or output == "json":
        print_json([_described(each, found) for each in found])
    else:
        _print(found)
    if any(each.failure and not each.wants_account for each in found):
        sys.exit(1)


def _configured() -> list[dict[str, Any]]:
    settings = read(given(click.get_current_context())).settings
    return [
        {
            "name": server.name,
            "url": server.url,
            "credential": _credential(server),
            "allow": server.allow.pattern if server.allow else None,
            "deny": server.deny.pattern if server.deny else None,
            "sources": dict(server.sources),
        }
        for server in settings.tool_servers
    ]


def _credential(server: ToolServerSettings) -> str:
    if server.account:
        return "each person's own account"
    return ", ".join(f"{name}: {value.hint}" for name, value in server.headers) or "none"


def _live_cell(server: dict[str, Any], column: str) -> Any:
    if column == "state":
        return {None: "not asked yet", True: "reachable", False: server["error"]}[server["reachable"]]
    return len(server[column]) if column in {"tools", "left_out"} else server[column]


def _described(each: Probed, all_of_them: Sequence[Probed]) -> dict[str, Any]:
    renamed = _collisions(all_of_them)
    return {
        "name": each.server.name,
        "url": each.server.url,
        "reachable": not each.failure or each.wants_account,
        "needs_account": each.server.account is not None,
        "error": each.failure,
        "seconds": round(each.seconds, 3),
        "tools": [
            {"tool": tool.tool, "name": renamed.get((tool.server, tool.tool), tool.name)} for tool in each.choice.tools
        ],
        "left_out": [{"tool": left.tool, "reason": left.reason} for left in each.choice.left_out],
        "collisions": [tool for server, tool in renamed if server == each.server.name],
    }


def _collisions(found: Sequence[Probed]) -> dict[tuple[str, str], str]:
    from aigateway.tools.choosing import collisions  # noqa: PLC0415 - as above

    return {(tool.server, tool.tool): tool.name for tool in collisions([each.choice for each in found])}


def _print(found: Sequence[Probed]) -> None:
    states = [_state(each) for each in found]
    print_table(
        ("name", "state", "tools", "left out", "seconds"),
        [
            (each.server.name, state, len(each.choice.tools), len(each.choice.left_out), f"{each.seconds:.2f}")
            for each, state in zip(found, states, strict=True)
        ],
        empty=_NONE,
    )
    renamed = _collisions(found)
    rows = []
    for each in found:
        for tool in each.choice.tools:
            name = renamed.get((tool.server, tool.tool))
            rows.append((tool.server, tool.tool, f"{name} (its name was taken)" if name else tool.name))
        rows += [(left.server, left.tool, f"left out: it {left.reason}") for left in each.choice.left_out]
    if rows:
        click.echo()
        print_table(("server", "tool", "offered as"), rows)


def _state(each: Probed) -> str:
    if each.wants_account:
        return "reachable; it answers accounts only (see --token)"
    return each.failure or "reachable"
