"""`aigateway logout`."""

from __future__ import annotations

import click

from aigateway.cli import stored_login
from aigateway.cli.rest import Client, RestError


@click.command()
def command() -> None:
    """End the session that `login` began, here and on the server."""
    stored = stored_login.load()
    if stored is None:
        raise click.ClickException("You are not signed in.")
    try:
        Client(stored.url, stored.token).call("POST", "users", "logout")
    except RestError as error:
        if error.status != 401:  # an ended session is what was asked for
            raise
    stored_login.forget()
    click.echo(f"You are signed out of {stored.url}.", err=True)
