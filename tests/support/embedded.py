"""Embedded databases that are there at once: made once in a test process, and copied for each test and each server.

Migrating a new one costs a fifth of a second of a core, and a server that does it, and is then asked over HTTP for its
first user and a token, two seconds.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

from aigateway.accounts.bootstrap import create_admin, create_token
from aigateway.store.engine import Store

OWNER = {"username": "ada", "email": "ada@example.com", "password": "correct horse battery staple"}

_T = TypeVar("_T")


def migrated(path: Path) -> str:
    """Put a database with the schema and nothing in it there, and return its URL."""
    path.touch(mode=0o600)
    path.write_bytes(_migrated()[0])
    return f"sqlite:///{path}"


def move_in(data_dir: Path) -> str:
    """Put a database with an owner where a server will look for it, and return the owner's token."""
    data_dir.mkdir(mode=0o700)
    database, token = _owned()
    path = data_dir / "aigateway.sqlite3"
    path.touch(mode=0o600)
    path.write_bytes(database)
    return token


@cache
def _migrated() -> tuple[bytes, None]:
    return _made(_nothing)


@cache
def _owned() -> tuple[bytes, str]:
    return _made(_owner)


def _made(fill: Callable[[Store], Awaitable[_T]]) -> tuple[bytes, _T]:
    """The bytes of a new database, and what filling it gave."""

    async def make() -> tuple[bytes, _T]:
        with tempfile.TemporaryDirectory(prefix="aigateway-embedded-") as folder:
            path = Path(folder) / "aigateway.sqlite3"
            store = await Store.open(f"sqlite:///{path}")
            given = await fill(store)
            await store.close()
            return path.read_bytes(), given

    with ThreadPoolExecutor(1) as elsewhere:  # who asks may be in an event loop
        return elsewhere.submit(asyncio.run, make()).result()


async def _nothing(store: Store) -> None:
    del store


async def _owner(store: Store) -> str:
    owner = await create_admin(store, **OWNER)
    return await create_token(store, owner, name="", lifetime=timedelta(days=7))
