"""Telling a database that is away, or that will not have us, from a mistake of ours."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

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
_ROLLED_BACK = "40"
"""SQLSTATEs begin so when the database undid a transaction for the sake of another: a deadlock, above all."""
_POSTGRES_AWAY = ("08", "25006", _ROLLED_BACK, "53", "55P03", "57", "58")
"""SQLSTATEs by their beginning: connection lost, only reads here (a standby), transaction rolled back,
insufficient resources, a lock not had in time, operator intervention, system error. PostgreSQL manual, appendix A."""


class StoreUnavailable(Exception):  # a state of the world, not a mistake
    """The database cannot be reached or cannot serve now; the same call may succeed later."""


class StoreRefused(Exception):  # a state of the world, not a mistake
    """The database will not have us until somebody changes something; the sentence says what."""


class StoreTooNew(Exception):  # a state of the world, not a mistake
    """The database was written by a newer version of the program."""


def means_away(error: BaseException) -> bool:
    """Whether an error of a transaction says that the database is away, not that we asked for nonsense."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        # The low byte is the primary result code, https://sqlite.org/rescode.html
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & 0xFF not in _SQLITE_OUR_MISTAKE
    if isinstance(error, DBAPIError):
        state = sqlstate(error)
        nobody_answered = isinstance(error, OperationalError) and not state
        return error.connection_invalidated or nobody_answered or state.startswith(_POSTGRES_AWAY)
    return isinstance(error, PoolTimeoutError | OSError)


def means_rolled_back(error: BaseException) -> bool:
    """Whether the database undid the transaction for the sake of another, so that it may be tried again at once."""
    return isinstance(error, DBAPIError) and sqlstate(error).startswith(_ROLLED_BACK)


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's code of what went wrong; empty where there is none, such as for an answer that never came."""
    return str(getattr(error.orig, "sqlstate", None) or "")
