"""The connection to the database: opening, migrating and transactions."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Concatenate, Generic, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aigateway.store.absence import (
    StoreRefused,
    StoreTooNew,
    StoreUnavailable,
    means_away,
    means_rolled_back,
)
from aigateway.store.database import Changes, Database
from aigateway.store.embedded import READERS, embedded

__all__ = ["Store", "StoreRefused", "StoreTooNew", "StoreUnavailable"]

_TRIES = 3
"""How often a transaction is begun that the database undoes for the sake of another."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where one kind of transactions runs."""

    engine: Engine
    threads: ThreadPoolExecutor
    limit: float | None
    """Seconds after which a transaction is cut."""


class Store:
    """An open database at the current schema. Safe to share between all tasks of one event loop.

    A transaction is a plain function of a `Connection` and whatever else it is given. It runs from beginning to commit
    in one of the store's own threads, so it must not touch what belongs to the event loop, and must return plain data.
    It may run again from its beginning when the database undid it for the sake of another.
    When whoever waits for it is cancelled, it either never runs or runs to its end: there is no half of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = False
        engine = database.engine
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        writers = ThreadPoolExecutor(database.writers, thread_name_prefix="store-write")
        self._asking = _Lane(engine.execution_options(**database.asking), readers, database.read_limit)
        self._reading = _Lane(engine.execution_options(**database.reading), readers, database.read_limit)
        self._writing = _Lane(engine.execution_options(**database.writing), writers, database.write_limit)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open a database, and create or bring up to date its schema.

        Args:
            url: `sqlite:///<path>` of a file, which is made (mode 0600) when it is missing, or the `postgresql://` or
                `postgres://` URL of a database (PostgreSQL manual, section 34.1.1.2).

        Raises:
            StoreUnavailable: it cannot be reached or written now.
            StoreRefused: it will not have us: a wrong address, password or name, missing rights, a wrong encoding.
            StoreTooNew: its schema is of a newer version.
        """
        store = cls(_database(url))
        try:
            await store._migrate()
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._database.engine.dialect.name

    async def close(self) -> None:
        """Let the transactions under way end, and give all connections back. Later calls raise StoreUnavailable."""
        self._closed = True
        await asyncio.to_thread(self._shut)

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: there is none.
        """
        await self.ask(_ask_for_a_sign)

    async def ask(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work(connection, …)`, which is a single statement: one round trip, with no transaction around it.

        Raises:
            StoreUnavailable: the database is away.
        """
        return await self._run(self._asking, lambda connection: work(connection, *args, **kwargs))

    async def read(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work(connection, …)` as a transaction that only reads, and reads one state of the database.

        Raises:
            StoreUnavailable: the database is away.
        """
        return await self._run(self._reading, lambda connection: work(connection, *args, **kwargs))

    async def write(self, work: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work(connection, …)` as a transaction that may write: committed at its end, undone by an exception.

        In SQLite it is the only one that writes, from its start; in PostgreSQL see `store.turns`.

        Raises:
            StoreUnavailable: the database is away. Nothing of the transaction was kept, unless PostgreSQL went away
                in the very moment of the commit: whoever writes again must bear to have written already.
        """
        return await self._run(self._writing, lambda connection: work(connection, *args, **kwargs))

    def changes(self) -> Changes | None:
        """While the context is open, hear of the changes that `store.changes` describes; None where nobody tells.

        Raises:
            StoreUnavailable: the connection cannot be made, or is lost.
        """
        return self._database.listen() if self._database.listen is not None else None

    async def _run(self, lane: _Lane, work: Callable[[Connection], _T]) -> _T:
        if self._closed:
            raise StoreUnavailable("The database was closed.")
        transaction = _Transaction(lane.engine, work, self._database.hang_up)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(lane.threads, transaction.run)
        if lane.limit is not None:
            cutting = loop.call_later(lane.limit, transaction.cut)
            running.add_done_callback(lambda _: cutting.cancel())
        return await running

    def _shut(self) -> None:
        for lane in (self._reading, self._writing):
            lane.threads.shutdown()
        self._database.engine.dispose()

    async def _migrate(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._writing.threads, self._database.migrate, self._database.engine
            )
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            if not means_away(error):
                raise StoreRefused(f"The database's schema cannot be brought up to date: {_cause(error)}") from error
            raise StoreUnavailable(f"The database cannot be used now: {_cause(error)}") from error


class _Transaction(Generic[_T]):
    """One transaction, and the means to cut it."""

    def __init__(self, engine: Engine, work: Callable[[Connection], _T], hang_up: Callable[[Connection], None]) -> None:
        self._engine = engine
        self._work = work
        self._hang_up = hang_up
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_cut = False

    def run(self) -> _T:
        """From beginning to commit, in the thread that calls."""
        tries = _TRIES
        while True:
            tries -= 1
            try:
                return self._once()
            except (DBAPIError, sqlite3.Error, PoolTimeoutError, OSError) as error:
                if tries and means_rolled_back(error):
                    continue
                if not self._is_cut and not means_away(error):
                    raise
                raise StoreUnavailable(f"The database cannot be used now: {_cause(error)}") from error

    def cut(self) -> None:
        """Let the transaction fail at once, whatever it waits for. Called from another thread."""
        with self._lock:
            self._is_cut = True
            if self._connection is not None:
                self._hang_up(self._connection)

    def _once(self) -> _T:
        with self._engine.connect() as connection:
            self._reach(connection)
            try:
                with connection.begin():
                    return self._work(connection)
            finally:
                self._reach(None)

    def _reach(self, connection: Connection | None) -> None:
        """Say on which connection the transaction is now."""
        with self._lock:
            if connection is not None and self._is_cut:
                raise StoreUnavailable("The database cannot be used now: others have waited for it too long.")
            self._connection = connection


def _database(url: str) -> Database:
    if not url.startswith("sqlite:"):
        from aigateway.store.postgresql import postgresql  # noqa: PLC0415  # slow to import, and SQLite needs none

        return postgresql(url)
    try:
        return embedded(make_url(url))
    except ArgumentError as error:
        raise StoreRefused("The database's address is not a URL.") from error


def _cause(error: BaseException) -> object:
    """What the driver said."""
    return error.orig if isinstance(error, DBAPIError) else error


def _ask_for_a_sign(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
