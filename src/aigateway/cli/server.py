"""`aigateway server`: reads every setting, then hands over to the server itself."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import cast

import click

from aigateway.settings.errors import ConfigurationError, Problem
from aigateway.settings.load import Loaded, load
from aigateway.settings.model import LoggingSettings
from aigateway.settings.option import Group, Option
from aigateway.settings.options import OPTIONS
from aigateway.telemetry.logging import configure

_ADMIN = "create-admin-user"
_UNKNOWN = "unknown flags"
_SWITCHES = frozenset(
    names.flag for option in OPTIONS if option.kind.is_switch for names in (option.names, option.old_names) if names
)


class _ServerGroup(click.Group):
    """A command with the options of the table, which has a command of its own as well."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, but set unknown flags aside, so that they are reported with all other problems."""
        own = args.index(_ADMIN) if _ADMIN in args else len(args)
        rest = [f"{arg}=true" if arg in _SWITCHES else arg for arg in args[:own]]
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
        return [_ADMIN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name != _ADMIN:
            return None
        return cast("click.Command", importlib.import_module("aigateway.cli.admin").create_admin_user)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        for group in Group:
            with formatter.section(group.value):
                for option in OPTIONS:
                    if option.group is group and not option.hidden and not option.ignored:
                        _write_help(option, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(_ADMIN, "Make an account for an administrator, without a running server.")])


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


def _parameters() -> list[click.Parameter]:
    """A click option for each flag, old flags included, which hands its text on as written."""
    return [
        click.Option(
            [name for name in (names.short, names.flag) if name],
            multiple=option.kind.is_list,
            hidden=option.hidden or option.ignored or names is not option.names,
        )
        for option in OPTIONS
        for names in (option.names, option.old_names)
        if names
    ]


def _flags(ctx: click.Context) -> dict[str, Sequence[str]]:
    """What was given on the command line, by flag."""
    given: dict[str, Sequence[str]] = dict.fromkeys(ctx.meta[_UNKNOWN], ())
    for name, value in ctx.params.items():
        if value is not None and value != ():
            given[f"--{name.replace('_', '-')}"] = (value,) if isinstance(value, str) else value
    return given


def _run(**_: object) -> None:
    """Run the gateway.

    Each setting comes from its flag, else from its variable, else from the YAML file, else it has its default.
    """
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:
        return
    try:
        loaded = load(_flags(ctx), os.environ)
        _open_logs(loaded.settings.logging)
    except ConfigurationError as error:
        click.echo("aigateway: the server cannot start with this configuration:", err=True)
        for problem in error.problems:
            click.echo(f"  {problem}", err=True)
        ctx.exit(1)
    ctx.exit(_serve(loaded))


def _open_logs(settings: LoggingSettings) -> None:
    try:
        configure(human=settings.human, json=settings.json, stackdriver=settings.stackdriver, debug=settings.filter)
    except OSError as error:
        options = {settings.json: "--log-json", settings.stackdriver: "--log-stackdriver"}
        option = options.get(error.filename, "--log-human")
        message = f"cannot be written: {error.strerror}; name a file in a folder that is there, /dev/stderr or nothing"
        raise ConfigurationError([Problem(option, str(error.filename), message)]) from None


def _serve(loaded: Loaded) -> int:
    from aigateway.app import serve  # noqa: PLC0415 - the server is loaded only to be run

    return serve(loaded.settings, loaded.warnings)


command = _ServerGroup(
    name="server",
    callback=_run,
    params=_parameters(),
    help=_run.__doc__,
    invoke_without_command=True,
    subcommand_metavar=f"[{_ADMIN}]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
