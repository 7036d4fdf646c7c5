"""Which database the program works on, and opening it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from aigateway.settings.secret import Secret
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.telemetry.logging import get_logger

_WAIT_SECONDS = 30.0
"""How long a start waits for a PostgreSQL that does not answer yet, since both may be starting."""
_LOOK_AGAIN_SECONDS = 1.0

_log = get_logger("server")


def store_url(postgres_url: Secret | None, data_dir: Path) -> str:
    """The database that the operator named, or the embedded one."""
    return f"sqlite:///{data_dir / 'aigateway.sqlite3'}" if postgres_url is None else postgres_url.reveal()


async def open_store(postgres_url: Secret | None, data_dir: Path) -> Store:
    """Open the database, and wait for a while for a PostgreSQL that does not answer.

    Without it nobody can be let in, since nothing is known of tokens yet; so there is no start without it.

    Raises:
        StoreUnavailable, StoreRefused, StoreTooNew: it cannot be opened; the sentence names the option.
    """
    end = time.monotonic() + (_WAIT_SECONDS if postgres_url else 0)
    waited = False
    while True:
        try:
            return await Store.open(store_url(postgres_url, data_dir))
        except StoreUnavailable as error:
            if postgres_url is None:
                raise
            if time.monotonic() > end:
                raise StoreUnavailable(
                    f"{error} (waited {_WAIT_SECONDS:g} s for it; see --postgres-url, CODER_PG_CONNECTION_URL)"
                ) from error
            if not waited:
                _log.warning("waiting for the database", error=str(error), at_most_seconds=_WAIT_SECONDS)
            waited = True
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
