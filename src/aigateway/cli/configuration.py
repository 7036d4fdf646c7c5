"""The options of the server as click takes them, for every command that reads the server's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from aigateway.settings.errors import ConfigurationError
from aigateway.settings.load import Loaded, load
from aigateway.settings.options import OPTIONS

SWITCHES = frozenset(
    names.flag for option in OPTIONS if option.kind.is_switch for names in (option.names, option.old_names) if names
)
_FLAGS = frozenset(names.flag for option in OPTIONS for names in (option.names, option.old_names) if names)


def parameters() -> list[click.Parameter]:
    """A click option for each flag, old flags included, which hands its text on as written."""
    return [
        click.Option(
            [name for name in (names.short, names.flag, names.also) if name],
            multiple=option.kind.is_list,
            hidden=option.hidden or option.ignored or names is not option.names,
        )
        for option in OPTIONS
        for names in (option.names, option.old_names)
        if names
    ]


def spelt_out(words: Sequence[str]) -> list[str]:
    """The command line with a value for each switch that stands alone, which means true."""
    return [f"{word}=true" if word in SWITCHES else word for word in words]


class ServersOptions(click.Command):
    """Takes the options of the server, without listing them again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        own = list(self.params)
        self.params += parameters()
        for parameter in self.params:
            if isinstance(parameter, click.Option):
                parameter.hidden = parameter not in own and parameter.name != "config"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, with switches that stand alone."""
        return super().parse_args(ctx, spelt_out(args))


def given(ctx: click.Context) -> dict[str, Sequence[str]]:
    """What the command line says, by flag."""
    flags = {f"--{name.replace('_', '-')}": value for name, value in ctx.params.items() if value not in {None, ()}}
    return {flag: (value,) if isinstance(value, str) else value for flag, value in flags.items() if flag in _FLAGS}


def read(flags: dict[str, Sequence[str]]) -> Loaded:
    """Read the settings as the server does, and tell the warnings on standard error.

    Raises:
        SystemExit: with status 1, after every problem was told.
    """
    try:
        loaded = load(flags, os.environ)
    except ConfigurationError as error:
        tell(error)
        sys.exit(1)
    for warning in loaded.warnings:
        click.echo(f"aigateway: {warning}", err=True)
    return loaded


def tell(error: ConfigurationError) -> None:
    """Say everything that is wrong, each problem on a line of its own."""
    click.echo("aigateway: the server cannot start with this configuration:", err=True)
    for problem in error.problems:
        click.echo(f"  {problem}", err=True)
