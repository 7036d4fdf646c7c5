"""`aigateway ai-gateway …` (also `aibridge …`, the name from before): what is on record."""

from __future__ import annotations

import click

from aigateway.cli import interceptions, sessions


@click.group()
def command() -> None:
    """Look at what went through the gateway."""


command.add_command(sessions.command)
command.add_command(interceptions.command)
