"""The program `aigateway`: finds the command that is called, and loads nothing else."""

from __future__ import annotations

import importlib
from typing import NamedTuple, cast

import click

from aigateway import __version__


class _Command(NamedTuple):
    module: str
    help: str
    hidden: bool = False


_COMMANDS = {
    "server": _Command("server", "Run the gateway."),
    "providers": _Command("providers", "Look at the providers that the server would use."),
    "login": _Command("login", "Sign in to a gateway."),
    "logout": _Command("logout", "Sign out of a gateway."),
    "tokens": _Command("tokens", "Make, list and remove tokens."),
    "users": _Command("users", "Manage the people who may use a gateway."),
    "external-auth": _Command("external_auth", "Link your accounts at services whose tools the gateway adds."),
    "mcp": _Command("mcp", "Look at MCP servers and what they offer."),
    "journal": _Command("journal", "Look after records that wait on this machine."),
    "audit": _Command("audit", "Prove that the record is as it was written."),
    "dumps": _Command("dumps", "Look at API dumps."),
    "ai-gateway": _Command("ai_gateway", "Look at what the gateway recorded."),
    "aibridge": _Command("ai_gateway", "The old name of ai-gateway.", hidden=True),
}


class _LazyGroup(click.Group):
    """Commands whose modules are imported when they are called: listing tokens must not load a server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"aigateway.cli.{_COMMANDS[cmd_name].module}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in _COMMANDS.items() if not command.hidden])


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aigateway")
def main() -> None:
    """AI Gateway: one place between your people's coding agents and the AI providers."""


def run() -> None:
    """The console script. Whatever name it is called by, it is the same program."""
    main(prog_name="aigateway")
