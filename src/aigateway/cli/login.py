"""`aigateway login <url>`, `aigateway login token`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import click

from aigateway.cli import stored_login
from aigateway.cli.rest import Client, RestError, normal_url
from aigateway.cli.stored_login import StoredLogin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """Somebody who signs in with a password."""

    email: str
    password: str


@click.command()
@click.argument("url", metavar="URL | token", required=False)
@click.option("--token", help="Sign in with a token in place of a password.")
@click.option("--email", help="E-mail address to sign in with.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--first-user-username", envvar="CODER_FIRST_USER_USERNAME", help="A new server's first user: user name.")
@click.option(
    "--first-user-full-name", envvar="CODER_FIRST_USER_FULL_NAME", help="A new server's first user: full name."
)
@click.option("--first-user-email", envvar="CODER_FIRST_USER_EMAIL", help="A new server's first user: e-mail address.")
@click.option("--first-user-password", envvar="CODER_FIRST_USER_PASSWORD", help="A new server's first user: password.")
def command(
    url: str | None,
    token: str | None,
    email: str | None,
    *,
    password_stdin: bool,
    first_user_username: str | None,
    first_user_full_name: str | None,
    first_user_email: str | None,
    first_user_password: str | None,
) -> None:
    """Sign in to the gateway at URL and remember the session; `login token` prints the session's token.

    Where people sign in with OpenID Connect, a page of the gateway makes a session to paste; with --email a password
    is asked for instead.

    A server that has no user yet gets its first one, who becomes its owner.
    """
    if url == "token":
        click.echo(_current_token())
        return
    client = Client(_url(url))
    if token is None and not email and not password_stdin and not first_user_username:
        token = _token_of_browser(client)
    if token is None:
        if _has_users(client):
            person = _ask_person(email, from_stdin=password_stdin)
        else:
            person = _create_first_user(
                client, first_user_username, first_user_full_name, first_user_email, first_user_password
            )
        answer = client.call("POST", "users", "login", body={"email": person.email, "password": person.password})
        token = str(answer["session_token"])
    name = _who(client.url, token)
    stored_login.save(StoredLogin(client.url, token))
    click.echo(f"You are signed in to {client.url} as {name}.", err=True)


def _url(given: str | None) -> str:
    stored = stored_login.load()
    url = given or os.environ.get("CODER_URL") or (stored.url if stored else None)
    if not url:
        raise click.UsageError("Say which gateway: `aigateway login https://gateway.example.com`.")
    return url


def _current_token() -> str:
    stored = stored_login.load()
    token = os.environ.get("CODER_SESSION_TOKEN")
    url = os.environ.get("CODER_URL")
    if not token and stored and (not url or normal_url(url) == stored.url):
        token = stored.token
    if not token:
        raise click.ClickException("You are not signed in. Run `aigateway login <url>`.")
    return token


def _token_of_browser(client: Client) -> str | None:
    """The session that somebody made in a browser; None where a password does it."""
    try:
        methods = client.get("users", "authmethods")
    except RestError:
        return None  # An older server; whatever else is wrong is told by the next call.
    if not methods.get("oidc", {}).get("enabled"):
        return None
    page = f"{client.url}/cli-auth"
    click.echo(f"Open this page in a browser, sign in there, and paste what it shows:\n\n  {page}\n", err=True)
    return str(click.prompt("Session", hide_input=True, err=True)).strip()


def _has_users(client: Client) -> bool:
    try:
        client.get("users", "first")
    except RestError as error:
        if error.status == 404:
            return False
        raise
    return True


def _ask_person(email: str | None, *, from_stdin: bool) -> _Person:
    email = email or click.prompt("E-mail address", err=True)
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, err=True)
    return _Person(email=str(email), password=str(password))


def _create_first_user(
    client: Client, username: str | None, full_name: str | None, email: str | None, password: str | None
) -> _Person:
    click.echo(f"{client.url} has no user yet. The first one becomes its owner.", err=True)
    username = username or click.prompt("User name", err=True)
    email = email or click.prompt("E-mail address", err=True)
    password = password or click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    body = {"username": username, "email": email, "password": password, **({"name": full_name} if full_name else {})}
    client.call("POST", "users", "first", body=body)
    return _Person(email=str(email), password=str(password))


def _who(url: str, token: str) -> str:
    """The name of the token's owner, which also proves that the token works."""
    return str(Client(url, token).get("users", "me")["username"])
