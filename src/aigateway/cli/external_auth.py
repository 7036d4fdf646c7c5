"""`aigateway external-auth list|link|unlink`: one's own accounts at the services behind MCP servers."""

from __future__ import annotations

import time
from typing import Any

import click

from aigateway.cli.output import output_option, print_json, print_table
from aigateway.cli.rest import Client, connect

_LOOK_AGAIN_SECONDS = 1.0


@click.group()
def command() -> None:
    """Link your accounts at the services whose tools the gateway adds."""


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List the services, and whether an account of yours is linked."""
    found = connect().get("external-auth")
    if output == "json":
        print_json(found)
        return
    links = {link["provider_id"]: link for link in found["links"]}
    rows = [
        [each["id"], each["type"], _state(links.get(each["id"])), _since(links.get(each["id"]))]
        for each in found["providers"]
    ]
    print_table(("id", "type", "state", "linked"), rows, empty="No service has accounts to link.")


@command.command()
@click.argument("name")
@click.option("--wait", default=600, show_default=True, help="Seconds to wait until the account is linked.")
def link(name: str, wait: int) -> None:
    """Link an account: prints the address to open in a browser, and waits until it is done there."""
    client = connect()
    before = _linked_at(client, name)
    click.echo(f"Open {client.url}/external-auth/{name}/link in the browser that you are signed in with.", err=True)
    end = time.monotonic() + wait
    while time.monotonic() < end:
        now = _linked_at(client, name)
        if now and now != before:
            click.echo(f"Your account at {name} is linked.", err=True)
            return
        time.sleep(_LOOK_AGAIN_SECONDS)
    raise click.ClickException(f"Your account at {name} was not linked within {wait} seconds. Run this again.")


@command.command()
@click.argument("name")
def unlink(name: str) -> None:
    """Forget an account: its tools are gone from your requests at once."""
    connect().call("DELETE", "external-auth", name)
    click.echo(f"Your account at {name} is not linked any more.", err=True)


def _linked_at(client: Client, name: str) -> str:
    """When a good account was linked; empty while there is none."""
    found = client.get("external-auth", name)
    return str(found["link"]["created_at"]) if found["authenticated"] else ""


def _state(link: dict[str, Any] | None) -> str:
    if link is None:
        return "not linked"
    return str(link["validate_error"]) or "linked"


def _since(link: dict[str, Any] | None) -> str | None:
    return link["created_at"] if link else None
