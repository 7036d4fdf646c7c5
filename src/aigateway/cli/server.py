"""`aigateway server`: reads every setting, then hands over to the server itself."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Sequence
from typing import cast

import click

from aigateway.cli.configuration import given, parameters, read, spelt_out, tell
from aigateway.settings.errors import ConfigurationError, Problem
from aigateway.settings.load import Loaded, load
from aigateway.settings.model import LoggingSettings
from aigateway.settings.option import Group, Option
from aigateway.settings.options import OPTIONS
from aigateway.settings.shown import Effective
from aigateway.settings.written import written_config
from aigateway.telemetry.logging import configure

_COMMANDS = {
    "create-admin-user": (
        "aigateway.cli.admin:create_admin_user",
        "Make an account for an administrator, without a running server.",
    ),
    "dbcrypt": ("aigateway.cli.dbcrypt:command", "Look after the encryption of secrets in the database."),
}
"""Where each is, and what it does."""
_UNKNOWN = "unknown flags"
_CONTAINERS_OF_A_START = 1_000_000
"""More than a start makes: until then the collector of garbage finds nothing to take, and takes a tenth of the time."""
_INSTEAD = {
    "--check-config": "Only say what is wrong with the settings; the exit status is 0 or 1.",
    "--write-config": "Only print the settings in effect as a YAML file, without secrets.",
}


class _ServerGroup(click.Group):
    """A command with the options of the table, which has commands of its own as well."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, but set unknown flags aside, so that they are reported with all other problems."""
        own = min((args.index(name) for name in _COMMANDS if name in args), default=len(args))
        rest = spelt_out(args[:own])
        unknown: list[str] = []
        while True:
            try:
                parsed = super().parse_args(ctx, [*rest, *args[own:]])
            except click.NoSuchOption as error:
                unknown.append(error.option_name)
                rest = _without(error.option_name, rest)
            else:
                ctx.meta[_UNKNOWN] = unknown
                return parsed

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), name))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        for group in Group:
            with formatter.section(group.value):
                for option in OPTIONS:
                    if option.group is group and not option.hidden and not option.ignored:
                        _write_help(option, formatter)
        with formatter.section("Instead of running"):
            formatter.write_dl(list(_INSTEAD.items()))
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in _COMMANDS.items()])


def _without(flag: str, args: Sequence[str]) -> list[str]:
    """`args` without the first use of `flag`, and without the value that follows it."""
    at = next(index for index, arg in enumerate(args) if arg.startswith(flag))
    has_value = "=" not in args[at] and at + 1 < len(args) and not args[at + 1].startswith("-")
    return [*args[:at], *args[at + 1 + has_value :]]


def _write_help(option: Option, formatter: click.HelpFormatter) -> None:
    """Two lines or more: how the option is written and what it is when nobody writes it, then what it does."""
    names = option.names
    flag = f"{names.short}, {names.flag}" if names.short else names.flag
    value = "" if option.kind.is_switch else f" <{option.kind.metavar}>"
    variable = f", ${names.env}" if names.env else ""
    default = option.default_text or option.default
    formatter.write(
        f"{'':{formatter.current_indent}}{flag}{value}{variable}{f' (default: {default})' if default else ''}\n"
    )
    with formatter.indentation(), formatter.indentation():
        formatter.write_text(option.help)


def _run(**_: object) -> None:
    """Run the gateway.

    Each setting comes from its flag, else from its variable, else from the YAML file, else it has its default.
    """
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:
        return
    flags = dict.fromkeys(ctx.meta[_UNKNOWN], ()) | given(ctx)
    if ctx.params["check_config"] or ctx.params["write_config"]:
        _only_say(read(flags), write=ctx.params["write_config"])
        return
    try:
        loaded = load(flags, os.environ)
        _open_logs(loaded.settings.logging)
    except ConfigurationError as error:
        tell(error)
        ctx.exit(1)
    ctx.exit(_serve(loaded))


def _only_say(loaded: Loaded, *, write: bool) -> None:
    if write:
        click.echo(written_config(loaded.resolved, loaded.settings.providers, loaded.settings.tool_servers), nl=False)
    else:
        click.echo("The settings are good.")


def _open_logs(settings: LoggingSettings) -> None:
    try:
        configure(human=settings.human, json=settings.json, stackdriver=settings.stackdriver, debug=settings.filter)
    except OSError as error:
        options = {settings.json: "--log-json", settings.stackdriver: "--log-stackdriver"}
        option = options.get(error.filename, "--log-human")
        message = f"cannot be written: {error.strerror}; name a file in a folder that is there, /dev/stderr or nothing"
        raise ConfigurationError([Problem(option, str(error.filename), message)]) from None


def _serve(loaded: Loaded) -> int:
    # Nearly all that is made while modules are loaded stays; the server sets what holds once it serves.
    gc.set_threshold(_CONTAINERS_OF_A_START)
    from aigateway.app import serve  # noqa: PLC0415 - the server is loaded only to be run

    return serve(loaded.settings, Effective.of(loaded))


command = _ServerGroup(
    name="server",
    callback=_run,
    params=[*parameters(), *(click.Option([flag], is_flag=True) for flag in _INSTEAD)],
    help=_run.__doc__,
    invoke_without_command=True,
    subcommand_metavar=f"[{' | '.join(_COMMANDS)}]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
