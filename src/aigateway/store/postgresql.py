"""PostgreSQL, by psycopg: connecting, cutting, migrating and listening."""

from __future__ import annotations

import os
import re
import select as polling
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, DisconnectionError

from aigateway.store.absence import StoreRefused, StoreUnavailable, sqlstate
from aigateway.store.changes import CHANNEL
from aigateway.store.database import Database
from aigateway.store.embedded import READERS
from aigateway.store.schema import bring_up_to_date, is_current
from aigateway.store.turns import Turn

_WRITERS = 4
_READ_LIMIT = 10.0
_WRITE_LIMIT = 30.0
_LOOK_AGAIN_SECONDS = 0.1
_DDL_LOCK_TIMEOUT = "5s"
"""Whoever waits for a table's lock holds up all who come after, so a migration gives up rather than wait long."""
_OPTION = "--postgres-url (CODER_PG_CONNECTION_URL)"

_DEFAULTS: dict[str, Any] = {
    "fallback_application_name": "aigateway",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""What the URL may set otherwise: names and units are libpq's (PostgreSQL manual, section 34.1.2)."""

_REFUSALS = (
    "password authentication failed",
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    " does not exist",
    "permission denied",
    "does not support SSL",
    "certificate",
    "is not permitted to log in",
    "is not currently accepting connections",
)
"""Words of a server that will say the same to the next try. In another language they cost a wait, no more."""


def postgresql(url: str) -> Database:
    """The database at a URL, which libpq reads, so that every option that it documents works.

    Raises:
        StoreRefused: it is no such URL.
    """
    address = _Address(_parameters(url))
    engine = create_engine(
        "postgresql+psycopg://",
        pool_size=READERS + _WRITERS,
        max_overflow=0,
        hide_parameters=True,
        use_native_hstore=False,
    )
    event.listen(engine, "do_connect", address.connect)
    event.listen(engine, "connect", _make_commits_last)
    event.listen(engine, "checkout", _refuse_what_was_closed)
    event.listen(engine, "handle_error", _leave_values_out)
    return Database(
        engine=engine,
        asking={"isolation_level": "AUTOCOMMIT"},
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={},
        writers=_WRITERS,
        migrate=_migrate,
        read_limit=_READ_LIMIT,
        write_limit=_WRITE_LIMIT,
        hang_up=_hang_up,
        listen=address.listen,
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """Where the database is, and how to sign in."""

    parameters: dict[str, Any]

    def connect(self, _dialect: object, _record: object, _args: object, more: dict[str, Any]) -> Any:
        """What SQLAlchemy connects by."""
        return psycopg.connect(**self.parameters, **more)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[str]]:
        """As `Store.changes`."""
        try:
            async with await psycopg.AsyncConnection.connect(**self.parameters, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                yield (told.payload async for told in connection.notifies())
        except (psycopg.Error, OSError) as error:
            raise StoreUnavailable(f"The database tells no changes: {error}") from error


def _parameters(url: str) -> dict[str, Any]:
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error:
        parameters = {}
    ports = str(parameters.get("port", "")).replace(",", "")
    if not parameters or not _is_plain(url) or not (ports.isdecimal() or not ports):
        # What libpq says of it, now or later, may quote a piece of the password, so it is not told.
        raise StoreRefused(
            f"{_OPTION} is not a URL that PostgreSQL's client library can read. Write "
            "postgresql://user:password@host:5432/database?sslmode=require, with special characters of the password "
            "percent-encoded (@ is %40, / is %2F), and only options that the library has."
        )
    return _DEFAULTS | parameters


def _is_plain(url: str) -> bool:
    """Whether a URL has no @ but the one before the host: with any other, a piece of the password is taken for it."""
    scheme, _, rest = url.partition("://")
    return scheme in {"postgres", "postgresql"} and rest.count("@") == re.split("[/?#]", rest)[0].count("@") <= 1


def _make_commits_last(connection: Any, _record: object) -> None:
    """Commit for good, whatever the server's default is: the journal forgets what PostgreSQL has committed.

    See synchronous_commit, PostgreSQL manual, section 29.4. What is stronger than `on` is left.
    """
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()


def _refuse_what_was_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Do not begin on a connection that the server has closed meanwhile: nothing is to be read on one that is idle."""
    poller = polling.poll()
    poller.register(connection.fileno(), polling.POLLIN)
    if poller.poll(0):
        raise DisconnectionError("The server has closed the connection.")


def _leave_values_out(context: ExceptionContext) -> None:
    """Keep the first sentence of an error, which goes to the log: the details after it quote rows, and so prompts."""
    error, said = context.original_exception, context.sqlalchemy_exception
    sentence = getattr(getattr(error, "diag", None), "message_primary", None)
    if sentence and said is not None:
        said.args = (str(said.args[0]).replace(str(error), sentence), *said.args[1:])
        error.args = (sentence,)


def _hang_up(connection: Connection) -> None:
    with suppress(OSError, psycopg.Error):
        driver: Any = connection.connection.dbapi_connection
        with socket.socket(fileno=os.dup(driver.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def _migrate(engine: Engine) -> None:
    try:
        # Statements of their own, so that this connection has no snapshot open: building an index waits for those.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
            _require_utf8(guard)
            if not is_current(guard):
                _migrate_in_turn(engine, guard)
    except DBAPIError as error:
        if _is_refusal(error):
            raise StoreRefused(f"{_OPTION}: PostgreSQL does not let AI Gateway in: {error.orig}") from error
        if sqlstate(error) in {"42501", "3F000"}:
            raise StoreRefused(
                f"{_OPTION}: the role may not create tables in this database: {error.orig}. "
                "Make it the database's owner, or GRANT CREATE, USAGE ON SCHEMA public."
            ) from error
        raise


def _migrate_in_turn(engine: Engine, guard: Connection) -> None:
    """One process migrates. The others look again and again: one that waits in a statement has a snapshot open."""
    turn = int(Turn.MIGRATE)
    while not guard.execute(select(func.pg_try_advisory_lock(turn))).scalar():
        time.sleep(_LOOK_AGAIN_SECONDS)
    try:
        if not is_current(guard):
            with engine.connect() as connection:
                connection.exec_driver_sql(f"SET lock_timeout = '{_DDL_LOCK_TIMEOUT}'")
                connection.commit()
                bring_up_to_date(connection)
                connection.invalidate()  # It has a setting that is for migrations only.
    finally:
        guard.execute(select(func.pg_advisory_unlock(turn)))


def _require_utf8(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise StoreRefused(
            f"{_OPTION}: the database's encoding is {encoding}, which cannot hold every text. Make a database with "
            "ENCODING 'UTF8' (and TEMPLATE template0)."
        )


def _is_refusal(error: DBAPIError) -> bool:
    state = sqlstate(error)
    said = str(error.orig)
    return state.startswith(("28", "3D")) or (not state and any(words in said for words in _REFUSALS))
