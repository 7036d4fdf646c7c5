"""The connection to the database: opening, migrating, transactions, and telling its absence from a mistake of ours."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from aigateway.store.migrations import HEAD, REVISIONS

_BUSY_TIMEOUT_MS = 5000
_WRITES = "aigateway_writes"

_SQLITE_OUR_MISTAKE = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
_POSTGRES_AWAY = ("08", "53", "57")
"""SQLSTATE classes: connection exception, insufficient resources, operator intervention."""


class StoreUnavailable(Exception):  # a state of the world, not a mistake
    """The database cannot be reached or cannot serve now; the same call may succeed later."""


class StoreTooNew(Exception):  # a state of the world, not a mistake
    """The database was written by a newer version of the program."""


class Store:
    """An open database at the current schema. Safe to share between all tasks of one event loop."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._closed = False
        # SQLite has one writer: waiting here is fair and at once, waiting in SQLite sleeps and polls.
        sqlite = engine.dialect.name == "sqlite"
        self._write_turn: AbstractAsyncContextManager[None] = asyncio.Lock() if sqlite else nullcontext()

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database at an SQLAlchemy `url`, creating an SQLite file (mode 0600) and the schema when missing.

        Raises:
            StoreUnavailable: it cannot be reached or written.
            StoreTooNew: its schema is of a newer version.
        """
        store = cls(_create_engine(url))
        try:
            await store._migrate()
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    async def close(self) -> None:
        """Give all connections back. Later calls raise StoreUnavailable."""
        self._closed = True
        await self._engine.dispose()

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: there is none.
        """
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and reads one state of the database.

        Raises:
            StoreUnavailable: the database is away.
        """
        with self._telling_absence():
            async with self._engine.connect() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end, undone by an exception; in SQLite alone from its start.

        Raises:
            StoreUnavailable: the database is away; nothing of the transaction was kept.
        """
        with self._telling_absence():
            async with self._write_turn, self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    yield connection

    def _telling_absence(self) -> _TellAbsence:
        if self._closed:
            raise StoreUnavailable("The database was closed.")
        return _TellAbsence()

    async def _migrate(self) -> None:
        async with self.read() as connection:
            revision = await connection.run_sync(_revision)
        if revision == HEAD:
            return
        if revision is not None and revision not in REVISIONS:
            raise StoreTooNew(
                f"The database has schema revision {revision}, which this version of AI Gateway does not know "
                f"(it knows up to {HEAD}). Run the newer version that wrote it, or restore a copy made before that."
            )
        from aigateway.store.migrations.run import upgrade  # noqa: PLC0415  # Alembic is slow to import, rarely needed

        async with self.write() as connection:
            await connection.run_sync(upgrade)


class _TellAbsence:
    """Turns the errors that mean "the database is away" into StoreUnavailable, and leaves the others as they are."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None and _means_away(error):
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StoreUnavailable(f"The database cannot be used now: {cause}") from error


def _means_away(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        cause = error.orig
        if isinstance(cause, sqlite3.Error):
            # The low byte is the primary result code, https://sqlite.org/rescode.html
            code = getattr(cause, "sqlite_errorcode", None)
            return code is not None and code & 0xFF not in _SQLITE_OUR_MISTAKE
        state = str(getattr(cause, "sqlstate", None) or "")
        return error.connection_invalidated or state[:2] in _POSTGRES_AWAY
    return isinstance(error, PoolTimeoutError | OSError)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _create_engine(url: str) -> AsyncEngine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable("The database's address is not a URL; check --postgres-url.") from error
    if parsed.get_backend_name() != "sqlite":
        return create_async_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    _create_private_file(Path(parsed.database or ""))
    # An error's text goes to the log, and must not take prompts and hashes along.
    engine = create_async_engine(parsed, hide_parameters=True, connect_args={"isolation_level": None})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


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


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # The journal forgets what the store has taken, so what the store has taken must survive a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes cannot be refused half way."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
