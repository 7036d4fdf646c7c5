"""`aigateway server dbcrypt …`: changes the keys of what is encrypted in the database, with or without a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from aigateway.settings.secret import Secret
    from aigateway.store.engine import Store

# Everything that knows the database is imported to be used, and not to be listed.
# ruff: noqa: PLC0415

_ENV = "CODER_EXTERNAL_TOKEN_ENCRYPTION_ENCRYPT_"


@click.group()
def command() -> None:
    """Look after the encryption of secrets in the database."""


def _on_database(make: Any) -> Any:
    """The options that say which database it is."""
    make = click.option("--data-dir", envvar="CODER_AI_GATEWAY_DATA_DIR", help="The server's data directory.")(make)
    return click.option(
        "--postgres-url", envvar="CODER_PG_CONNECTION_URL", help="The server's database, if it has one."
    )(make)


@command.command()
@click.option(
    "--new-key",
    envvar=f"{_ENV}NEW_KEY",
    prompt="New key",
    hide_input=True,
    help="The key to encrypt with from now on: 32 random bytes in base64. Asked for when not given.",
)
@click.option(
    "--old-keys",
    envvar=f"{_ENV}OLD_KEYS",
    help="The keys that were used so far, separated by commas. The data directory's own key needs no mention.",
)
@_on_database
def rotate(new_key: str, old_keys: str | None, data_dir: str | None, postgres_url: str | None) -> None:
    """Encrypt all secrets in the database anew, with a new key."""
    from aigateway.app.sealing import keyring

    keys = [_key(new_key, f"--new-key ({_ENV}NEW_KEY)")]
    keys += [_key(text, f"--old-keys ({_ENV}OLD_KEYS)") for text in (old_keys or "").split(",") if text.strip()]
    path, database = _place(data_dir, postgres_url)

    async def work(store: Store) -> int:
        from aigateway.store.sealed import reseal

        found = keyring(keys, path, may_make=False)
        assert found is not None  # noqa: S101 - there is at least the new key
        total = 0
        while count := await store.write(reseal, found):
            total += count
        return total

    count = _run(database, path, work)
    click.echo(
        f"{count} secrets were encrypted anew. "
        "From now on CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS needs the new key and no other.",
        err=True,
    )


@command.command()
@click.confirmation_option(
    "-y", "--yes", prompt="People will have to link their accounts again. Delete all encrypted secrets?"
)
@_on_database
def delete(data_dir: str | None, postgres_url: str | None) -> None:
    """Delete all encrypted secrets, whose key may be lost. People link their accounts again."""
    path, database = _place(data_dir, postgres_url)

    async def work(store: Store) -> int:
        from aigateway.store.sealed import clear

        return await store.write(clear)

    click.echo(f"{_run(database, path, work)} secrets were deleted.", err=True)


def _place(data_dir: str | None, postgres_url: str | None) -> tuple[Path, Secret | None]:
    from aigateway.settings.load import default_data_dir
    from aigateway.settings.secret import Secret

    database = postgres_url or _of_server("postgres_url")
    given = data_dir or _of_server("data_dir")
    path = Path(given) if given else default_data_dir(os.environ, dev=False)
    if not database and not (path / "aigateway.sqlite3").exists():
        raise click.ClickException(
            f"--data-dir (CODER_AI_GATEWAY_DATA_DIR): there is no database in {path}. "
            "Name the server's data directory, or its --postgres-url (CODER_PG_CONNECTION_URL)."
        )
    return path, Secret(database) if database else None


def _of_server(option: str) -> str | None:
    """`aigateway server --data-dir D dbcrypt rotate` means D as well."""
    context = click.get_current_context().parent
    while context is not None:
        if given := context.params.get(option):
            return str(given)
        context = context.parent
    return None


def _key(text: str, option: str) -> Secret:
    from aigateway.settings.kinds import parse_encryption_key

    try:
        return parse_encryption_key(text)
    except ValueError as error:
        raise click.ClickException(f"{option}: {error}") from None


def _run(database: Secret | None, path: Path, work: Callable[[Store], Awaitable[int]]) -> int:
    from aigateway.app.sealing import KeyUnusable
    from aigateway.app.storage import store_url
    from aigateway.store.engine import Store, StoreRefused, StoreTooNew, StoreUnavailable
    from aigateway.store.envelope import KeyMissing, SealBroken

    async def run() -> int:
        store = await Store.open(store_url(database, path))
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except KeyMissing as error:
        raise click.ClickException(f"{error}: add it to --old-keys ({_ENV}OLD_KEYS).") from None
    except (KeyUnusable, SealBroken, StoreUnavailable, StoreRefused, StoreTooNew) as error:
        raise click.ClickException(str(error)) from None
