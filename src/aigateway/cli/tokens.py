"""`aigateway tokens create | list | remove`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

from aigateway.cli.output import output_option, print_json, print_table
from aigateway.cli.rest import Client, connect

_TOKEN = re.compile(r"([A-Za-z0-9]{10})-[A-Za-z0-9]{22}")
_COLUMNS = ("id", "name", "scopes", "last used", "expires at", "created at", "owner")
_NANOSECONDS = 1000


class _Duration(click.ParamType[timedelta]):
    """A duration such as `7d` or `720h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from aigateway.settings.durations import parse_duration  # noqa: PLC0415  # only `create` needs it

        try:
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class _Columns(click.ParamType[tuple[str, ...]]):
    """Names of columns, joined by commas."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(name.strip().lower().replace("_", " ") for name in str(value).split(","))
        unknown = [name for name in names if name not in _COLUMNS]
        if unknown:
            self.fail(f"{unknown[0]!r} is no column; there are: {', '.join(_COLUMNS)}.", param, ctx)
        return names


@click.group()
def command() -> None:
    """Make, list and remove the tokens that clients and programs sign in with."""


@command.command()
@click.option("-n", "--name", envvar="CODER_TOKEN_NAME", help="A name to know the token by.")
@click.option(
    "--lifetime", type=_Duration(), envvar="CODER_TOKEN_LIFETIME", help="How long it is valid, for example 30d."
)
@click.option("-u", "--user", default="me", envvar="CODER_TOKEN_USER", help="Make it for another user (owners only).")
def create(name: str | None, lifetime: timedelta | None, user: str) -> None:
    """Make a token and print it. It is shown this once only."""
    body: dict[str, Any] = {}
    if name:
        body["token_name"] = name
    if lifetime is not None:
        body["lifetime"] = lifetime // timedelta(microseconds=1) * _NANOSECONDS
    click.echo(connect().call("POST", "users", user, "keys", "tokens", body=body)["key"])


@command.command("list")
@click.option("-a", "--all", "everybody", is_flag=True, help="The tokens of all users (owners only).")
@click.option("-u", "--user", default="me", help="The tokens of another user (owners only).")
@click.option("--include-expired", is_flag=True, help="Expired tokens too.")
@click.option("-c", "--column", "columns", type=_Columns(), help=f"Which columns: {', '.join(_COLUMNS)}.")
@output_option
def list_(user: str, columns: tuple[str, ...] | None, output: str, *, everybody: bool, include_expired: bool) -> None:
    """List tokens."""
    client = connect()
    owners = all_users(client) if everybody else [client.get("users", user)]
    expired = "true" if include_expired else None
    tokens = [
        {**token, "owner": owner["username"]}
        for owner in owners
        for token in client.get("users", owner["id"], "keys", "tokens", include_expired=expired)
    ]
    if output == "json":
        print_json(tokens)
        return
    columns = columns or (_COLUMNS if everybody else _COLUMNS[:-1])
    print_table(columns, [[_value(token, column) for column in columns] for token in tokens])


@command.command()
@click.argument("token", metavar="NAME | ID | TOKEN")
@click.option("-u", "--user", default="me", help="A token of another user (owners only).")
def remove(token: str, user: str) -> None:
    """Remove a token by its name, its id, or itself. It is refused from then on."""
    whole = _TOKEN.fullmatch(token)
    connect().call("DELETE", "users", user, "keys", whole[1] if whole else token)
    click.echo("The token is removed.", err=True)


command.add_command(list_, "ls")
command.add_command(remove, "rm")
command.add_command(remove, "delete")


def all_users(client: Client) -> list[dict[str, Any]]:
    """Every user that the caller may see, page after page."""
    users: list[dict[str, Any]] = []
    while True:
        page = client.get("users", limit=100, offset=len(users))
        users.extend(page["users"])
        if not page["users"] or len(users) >= page["count"]:
            return users


def _value(token: dict[str, Any], column: str) -> Any:
    if column == "name":
        return token["token_name"]
    if column == "scopes":
        return token.get("scopes") or token.get("scope")
    return token.get(column.replace(" ", "_"))
