"""`aigateway server create-admin-user`: an account for whoever can read the server's files, running or not."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aigateway.settings.secret import Secret


@click.command("create-admin-user")
@click.option("--username", envvar="CODER_USERNAME", prompt="User name", help="The name to be known by.")
@click.option("--email", envvar="CODER_EMAIL", prompt="E-mail address", help="The address to sign in with.")
@click.option(
    "--password",
    envvar="CODER_PASSWORD",
    prompt="Password",
    hide_input=True,
    confirmation_prompt=True,
    help="The password to sign in with; asked for when not given.",
)
@click.option("--data-dir", envvar="CODER_AI_GATEWAY_DATA_DIR", help="The server's data directory.")
@click.option("--postgres-url", envvar="CODER_PG_CONNECTION_URL", help="The server's database, if it has one.")
@click.pass_context
def create_admin_user(
    ctx: click.Context, username: str, email: str, password: str, data_dir: str | None, postgres_url: str | None
) -> None:
    """Make an account for an administrator, without a running server."""
    from aigateway.accounts.errors import AccountError  # noqa: PLC0415  # loaded only to be used
    from aigateway.settings.load import default_data_dir  # noqa: PLC0415
    from aigateway.settings.secret import Secret  # noqa: PLC0415
    from aigateway.store.engine import StoreRefused, StoreTooNew, StoreUnavailable  # noqa: PLC0415

    database = postgres_url or _of_server(ctx, "postgres_url")
    given = data_dir or _of_server(ctx, "data_dir")
    path = Path(given) if given else default_data_dir(os.environ, dev=False)
    try:
        if not database:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = asyncio.run(_create(Secret(database) if database else None, path, username, email, password))
    except (AccountError, StoreUnavailable, StoreRefused, StoreTooNew) as error:
        place = "the database" if database else path
        raise click.ClickException(f"No account was made in {place}: {error}") from None
    except OSError as error:
        raise click.ClickException(
            f"--data-dir (CODER_AI_GATEWAY_DATA_DIR): cannot use {path}: {error.strerror}. "
            "Name the directory that the server uses, as a user who may write there."
        ) from None
    click.echo(f"{name} is an owner now. Sign in with `aigateway login <url>`.", err=True)


def _of_server(ctx: click.Context, option: str) -> str | None:
    """`aigateway server --data-dir D create-admin-user` means D as well."""
    given = ctx.parent.params.get(option) if ctx.parent else None
    return str(given) if given else None


async def _create(postgres_url: Secret | None, data_dir: Path, username: str, email: str, password: str) -> str:
    from aigateway.accounts.bootstrap import create_admin  # noqa: PLC0415
    from aigateway.app.storage import store_url  # noqa: PLC0415
    from aigateway.store.engine import Store  # noqa: PLC0415

    store = await Store.open(store_url(postgres_url, data_dir))
    try:
        return (await create_admin(store, username=username, email=email, password=password)).username
    finally:
        await store.close()
