"""The embedded database of a server that has its first user: made once in a test process, and copied for each server.

Making it anew costs a server two seconds of a core: migrations, a password's hash, the management API for one token.
"""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path

from aigateway.accounts.bootstrap import create_admin, create_token
from aigateway.store.engine import Store

OWNER = {"username": "ada", "email": "ada@example.com", "password": "correct horse battery staple"}


def move_in(data_dir: Path) -> str:
    """Put the database where a server will look for it, and return the owner's token."""
    database, token = _made()
    data_dir.mkdir(mode=0o700)
    (data_dir / "aigateway.sqlite3").touch(mode=0o600)
    (data_dir / "aigateway.sqlite3").write_bytes(database)
    return token


@cache
def _made() -> tuple[bytes, str]:
    with ThreadPoolExecutor(1) as elsewhere:  # who asks may be in an event loop
        return elsewhere.submit(asyncio.run, _make()).result()


async def _make() -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory(prefix="aigateway-owned-") as folder:
        path = Path(folder) / "aigateway.sqlite3"
        store = await Store.open(f"sqlite:///{path}")
        owner = await create_admin(store, **OWNER)
        token = await create_token(store, owner, name="", lifetime=timedelta(days=7))
        await store.close()
        return path.read_bytes(), token
