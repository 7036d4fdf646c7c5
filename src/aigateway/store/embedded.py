"""The embedded database: an SQLite file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from aigateway.store.absence import StoreUnavailable
from aigateway.store.database import Database
from aigateway.store.schema import bring_up_to_date, is_current

READERS = 4
"""Reading transactions at the same time; others wait for a thread."""
_BUSY_TIMEOUT_MS = 5000
_LOG_BYTES = 16 << 20
"""What SQLite's write-ahead log shrinks to after a burst of writes (a purge) has made it larger."""
_WRITES = "aigateway_writes"

# The driver looks for what adapts a value that is no number and no text, which costs more than all else that it does
# with it: here it finds, at once, what leaves the value as it is.
sqlite3.register_adapter(type(None), dict[None, None]().get)
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(bytes, bytes)


def embedded(url: URL) -> Database:
    """The database in a file (mode 0600), which is made when it is missing.

    Raises:
        StoreUnavailable: the file cannot be made or opened.
    """
    _create_private_file(Path(url.database or ""))
    # An error's text goes to the log, and must not take prompts and hashes along.
    engine = create_engine(
        url, pool_size=READERS + 1, max_overflow=0, hide_parameters=True, connect_args={"isolation_level": None}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return Database(
        engine=engine,
        asking={},
        reading={},
        writing={_WRITES: True},
        # There is one writer: waiting for the one thread is fair and at once, waiting in SQLite sleeps and polls.
        writers=1,
        migrate=_migrate,
        read_limit=None,
        write_limit=None,
        hang_up=lambda connection: connection.invalidate(),
        listen=None,
    )


def _create_private_file(path: Path) -> None:
    """SQLite gives its `-wal` and `-shm` files the mode of the main file, so setting this one's is enough."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"The database file {path} cannot be created or opened: {error.strerror}. Check --data-dir."
        ) from error


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):
        # So that a purge can give pages back to the file system. Only an empty file takes it, others are locked by it.
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
    # What was deleted is overwritten: it must not be found in the file.
    cursor.execute("PRAGMA secure_delete=ON")
    # The journal forgets what the store has taken, so what the store has taken must survive a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes cannot be refused half way."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    """Two processes at once: the second waits for the lock of the first, and finds nothing to do."""
    with engine.begin() as connection:
        if is_current(connection):
            return
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        if not is_current(connection):
            bring_up_to_date(connection)
