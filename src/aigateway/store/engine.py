"""The connection to the database: opening, migrating, transactions, and telling its absence from a mistake of ours."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aigateway.store.migrations import HEAD, REVISIONS

_BUSY_TIMEOUT_MS = 5000
_LOG_BYTES = 16 << 20
"""What SQLite's write-ahead log shrinks to after a burst of writes (a purge) has made it larger."""
_WRITES = "aigateway_writes"
_READERS = 4
"""Reading transactions at the same time; others wait for a thread."""
_POSTGRES_WRITERS = 4

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
_POSTGRES_AWAY = ("08", "25006", "40", "53", "55P03", "57", "58")
"""SQLSTATEs by their beginning: connection lost, only reads here (a standby), transaction rolled back (a deadlock),
insufficient resources, a lock not had in time, operator intervention, system error. PostgreSQL manual, appendix A."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class StoreUnavailable(Exception):  # a state of the world, not a mistake
    """The database cannot be reached or cannot serve now; the same call may succeed later."""


class StoreTooNew(Exception):  # a state of the world, not a mistake
    """The database was written by a newer version of the program."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where one kind of transactions runs."""

    engine: Engine
    threads: ThreadPoolExecutor


class Store:
    """An open database at the current schema. Safe to share between all tasks of one event loop.

    A transaction is a plain function of a `Connection` and whatever else it is given. It runs from beginning to commit
    in one of the store's own threads, so it must not touch what belongs to the event loop, and must return plain data.
    When whoever waits for it is cancelled, it either never runs or runs to its end: there is no half of it.
    """

    def __init__(self, engine: Engine, *, writers: int) -> None:
        self._closed = False
        self._reading = _Lane(engine, ThreadPoolExecutor(_READERS, thread_name_prefix="store-read"))
        self._writing = _Lane(
            engine.execution_options(**{_WRITES: True}), ThreadPoolExecutor(writers, thread_name_prefix="store-write")
        )

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database at an SQLAlchemy `url`, creating an SQLite file (mode 0600) and the schema when missing.

        Raises:
            StoreUnavailable: it cannot be reached or written.
            StoreTooNew: its schema is of a newer version.
        """
        # SQLite has one writer: waiting for the one thread is fair and at once, waiting in SQLite sleeps and polls.
        engine = _create_engine(url)
        store = cls(engine, writers=1 if engine.dialect.name == "sqlite" else _POSTGRES_WRITERS)
        try:
            await store._migrate()
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._reading.engine.dialect.name

    async def close(self) -> None:
        """Let the transactions under way end, and give all connections back. Later calls raise StoreUnavailable."""
        self._closed = True
        await asyncio.to_thread(self._shut)

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: there is none.
        """
        await self.read(_ask_for_a_sign)

    async def read(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work(connection, …)` as a transaction that only reads, and reads one state of the database.

        Raises:
            StoreUnavailable: the database is away.
        """
        return await self._run(self._reading, lambda connection: work(connection, *args, **kwargs))

    async def write(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work(connection, …)` as a transaction that may write: committed at its end, undone by an exception.

        In SQLite it is the only one that writes, from its start.

        Raises:
            StoreUnavailable: the database is away; nothing of the transaction was kept.
        """
        return await self._run(self._writing, lambda connection: work(connection, *args, **kwargs))

    async def _run(self, lane: _Lane, work: Callable[[Connection], _T]) -> _T:
        if self._closed:
            raise StoreUnavailable("The database was closed.")
        return await asyncio.get_running_loop().run_in_executor(lane.threads, _transact, lane.engine, work)

    def _shut(self) -> None:
        for lane in (self._reading, self._writing):
            lane.threads.shutdown()
            lane.engine.dispose()

    async def _migrate(self) -> None:
        revision = await self.read(_revision)
        if revision == HEAD:
            return
        if revision is not None and revision not in REVISIONS:
            raise StoreTooNew(
                f"The database has schema revision {revision}, which this version of AI Gateway does not know "
                f"(it knows up to {HEAD}). Run the newer version that wrote it, or restore a copy made before that."
            )
        from aigateway.store.migrations.run import upgrade  # noqa: PLC0415  # Alembic is slow to import, rarely needed

        await self.write(upgrade)


def _transact(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """One transaction, in the thread that calls."""
    try:
        with engine.begin() as connection:
            return work(connection)
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        if not _means_away(error):
            raise
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(f"The database cannot be used now: {cause}") from error


def _ask_for_a_sign(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


def _means_away(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        cause = error.orig
        if isinstance(cause, sqlite3.Error):
            # The low byte is the primary result code, https://sqlite.org/rescode.html
            code = getattr(cause, "sqlite_errorcode", None)
            return code is not None and code & 0xFF not in _SQLITE_OUR_MISTAKE
        state = str(getattr(cause, "sqlstate", None) or "")
        nobody_answered = isinstance(error, OperationalError) and not state
        return error.connection_invalidated or nobody_answered or state.startswith(_POSTGRES_AWAY)
    return isinstance(error, PoolTimeoutError | OSError)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable("The database's address is not a URL; check --postgres-url.") from error
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            parsed, pool_size=_READERS + _POSTGRES_WRITERS, max_overflow=0, pool_pre_ping=True, hide_parameters=True
        )
    _create_private_file(Path(parsed.database or ""))
    # An error's text goes to the log, and must not take prompts and hashes along.
    engine = create_engine(
        parsed, pool_size=_READERS + 1, max_overflow=0, hide_parameters=True, connect_args={"isolation_level": None}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
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


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes cannot be refused half way."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
