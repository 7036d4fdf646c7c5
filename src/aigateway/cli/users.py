"""`aigateway users create | list | show | suspend | activate | delete | edit-roles`."""

from __future__ import annotations

import secrets
from typing import Any

import click

from aigateway.cli.output import output_option, print_json, print_table
from aigateway.cli.rest import connect
from aigateway.cli.tokens import all_users

_COLUMNS = ("username", "email", "status", "roles", "service account", "created at")


@click.group()
def command() -> None:
    """Make, list and change users."""


@command.command()
@click.option(
    "-u", "--username", required=True, prompt="User name", help="The name to sign in with and to be known by."
)
@click.option("-e", "--email", help="E-mail address (not for service accounts).")
@click.option("-p", "--password", help="First password; one is made up and printed when none is given.")
@click.option("-n", "--full-name", help="The person's full name.")
@click.option("--login-type", type=click.Choice(["password", "oidc", "none"]), help="How the user signs in.")
@click.option("--service-account", is_flag=True, help="A program: no e-mail address, no password, tokens only.")
def create(
    username: str,
    email: str | None,
    password: str | None,
    full_name: str | None,
    login_type: str | None,
    *,
    service_account: bool,
) -> None:
    """Make a user."""
    body: dict[str, Any] = {"username": username}
    if full_name:
        body["name"] = full_name
    if service_account:
        if email or password or login_type in {"password", "oidc"}:
            raise click.UsageError("A service account has no e-mail address and no password; leave -e and -p out.")
        body |= {"service_account": True, "login_type": "none"}
    else:
        body |= {"email": email or click.prompt("E-mail address", err=True), "login_type": login_type or "password"}
        if body["login_type"] == "password":
            body["password"] = password or secrets.token_urlsafe(15)
    user = connect().call("POST", "users", body=body)
    click.echo(f"User {user['username']} is made.", err=True)
    if not password and "password" in body:
        click.echo(f"Password: {body['password']}")


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List users."""
    _print(all_users(connect()), output)


@command.command()
@click.argument("user")
@output_option
def show(user: str, output: str) -> None:
    """Show a user, by name, id or `me`."""
    found = connect().get("users", user)
    if output == "json":
        print_json(found)
    else:
        _print([found], output)


@command.command()
@click.argument("user")
def suspend(user: str) -> None:
    """Shut a user out; their tokens are refused at once."""
    connect().call("PUT", "users", user, "status", "suspend")
    click.echo(f"User {user} is suspended.", err=True)


@command.command()
@click.argument("user")
def activate(user: str) -> None:
    """Let a suspended user in again."""
    connect().call("PUT", "users", user, "status", "activate")
    click.echo(f"User {user} is active.", err=True)


@command.command()
@click.argument("user")
def delete(user: str) -> None:
    """Delete a user. What they did stays on record."""
    connect().call("DELETE", "users", user)
    click.echo(f"User {user} is deleted.", err=True)


@command.command("edit-roles")
@click.argument("user")
@click.option("--roles", required=True, help="The roles to have from now on, joined by commas; empty for none.")
def edit_roles(user: str, roles: str) -> None:
    """Set a user's roles: owner, auditor, user-admin."""
    wanted = [role.strip() for role in roles.split(",") if role.strip()]
    changed = connect().call("PUT", "users", user, "roles", body={"roles": wanted})
    click.echo(f"User {changed['username']} has the roles: {', '.join(_roles(changed)) or 'none'}.", err=True)


@command.command("reset-password")
@click.argument("user")
@click.option("-p", "--password", help="The new password; one is made up and printed when none is given.")
def reset_password(user: str, password: str | None) -> None:
    """Give somebody else a new password. Their sessions end; their tokens stay."""
    new = password or secrets.token_urlsafe(15)
    connect().call("PUT", "users", user, "password", body={"password": new})
    click.echo(f"User {user} has a new password.", err=True)
    if not password:
        click.echo(f"Password: {new}")


command.add_command(list_, "ls")
command.add_command(delete, "rm")


def _print(users: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        print_json(users)
        return
    rows = [
        [*_names(user), _roles(user), "yes" if user["is_service_account"] else "", user["created_at"]] for user in users
    ]
    print_table(_COLUMNS, rows)


def _names(user: dict[str, Any]) -> tuple[str, str, str]:
    return user["username"], user["email"], user["status"]


def _roles(user: dict[str, Any]) -> list[str]:
    return [role["name"] for role in user["roles"]]
