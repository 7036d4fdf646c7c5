"""Sums up each session in which nothing has begun for a while, so that a page of them reads none of their requests.

Whoever writes or removes something of a session takes its sums away in the same transaction (`store.session_index`).
Until they are made anew, its requests are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, case, cast, func, select, update

from aigateway.store.session_index import SessionKey, among, chunks
from aigateway.store.tables import interceptions, session_uses, sessions, token_usages
from aigateway.store.turns import Turn, wait_for
from aigateway.store.types import Uuid36

QUIET = timedelta(minutes=5)
"""How long nothing has begun in a session that is summed up."""

PURPOSE: ColumnElement[str] = interceptions.c.metadata["purpose"].as_string()
"""What a side request is for (decision 29); NULL for what a person or their agent asked."""

THREAD: ColumnElement[str] = func.coalesce(interceptions.c.thread_root_id, interceptions.c.id, type_=Uuid36)
"""The thread that an interception belongs to: the id of its root, which may have been purged."""

_KEY = ("session_id", "initiator_id")
_USE = (*_KEY, "provider", "provider_name", "model", "client")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSum:
    """Tokens of all interceptions of something."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the ended interceptions of a session come to."""

    started_at: datetime
    ended_at: datetime
    threads: int
    """Side requests left out."""
    interceptions: int
    failures: int
    tokens: TokenSum


_TOKENS = tuple(TokenSum.__dataclass_fields__)
_FIGURES = ("ended_at", "threads", "interceptions", "failures")


def sums(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, Sums]:
    """What these sessions, at most as many as `chunks` yields, come to."""
    column = sessions.c
    query = select(*(column[name] for name in (*_KEY, "started_at", *_FIGURES, *_TOKENS)))
    rows = connection.execute(query.where(among(sessions, keys))).mappings().all()
    found = {_key(row): _sums(row, row) for row in rows if row["interceptions"] is not None}
    others = [_key(row) for row in rows if row["interceptions"] is None]
    return found | _read(connection, others) if others else found


def in_sessions(keys: Sequence[SessionKey]) -> ColumnElement[bool]:
    """That an interception has ended and is in one of these sessions."""
    return among(interceptions, keys) & interceptions.c.ended_at.is_not(None)


def is_behind(connection: Connection, now: datetime) -> bool:
    """Whether there is something for `advance` to do. A single statement."""
    return connection.execute(_waiting(now, 1)).first() is not None


def advance(connection: Connection, now: datetime, most: int) -> int:
    """Sum up some of the sessions that are quiet, those that began last first.

    Args:
        connection: a transaction that writes.
        now: the time of day.
        most: how many at most.

    Returns:
        How many were summed up. 0 means that none is left.
    """
    wait_for(connection, Turn.INGEST)
    keys = [_key(row) for row in connection.execute(_waiting(now, most)).mappings()]
    for some in chunks(keys):
        _write(connection, some)
    return len(keys)


def forget_since(connection: Connection, since: datetime) -> None:
    """Have sessions summed up anew in which something began since: older versions of the program do not forget."""
    wait_for(connection, Turn.INGEST)
    for table in (sessions, session_uses):
        touched = (table.c.last_started_at >= since, table.c.interceptions.is_not(None))
        connection.execute(update(table).where(*touched).values(interceptions=None))


def _waiting(now: datetime, most: int) -> Any:
    column = sessions.c
    quiet = (column.interceptions.is_(None), column.last_started_at < now - QUIET)
    return select(*(column[name] for name in _KEY)).where(*quiet).order_by(column.started_at.desc()).limit(most)


def _write(connection: Connection, keys: Sequence[SessionKey]) -> None:
    found = _read(connection, keys)
    figures = [
        {f"of_{name}": value for name, value in zip(_KEY, key, strict=True)}
        | {name: getattr(one, name) for name in _FIGURES}
        | {name: getattr(one.tokens, name) for name in _TOKENS}
        for key, one in found.items()
    ]
    which = (sessions.c[name] == bindparam(f"of_{name}") for name in _KEY)
    connection.execute(update(sessions).where(*which), figures)
    column = interceptions.c
    group = [column[name].label(f"of_{name}") for name in _USE]
    query = select(*group, func.count().label("interceptions")).where(in_sessions(keys)).group_by(*group)
    used = [dict(row) for row in connection.execute(query).mappings()]
    which = (session_uses.c[name] == bindparam(f"of_{name}") for name in _USE)
    connection.execute(update(session_uses).where(*which), used)


def _read(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, Sums]:
    """What the interceptions say."""
    column = interceptions.c
    group = [column[name] for name in _KEY]
    spans = select(
        *group,
        func.min(column.started_at).label("started_at"),
        func.max(column.ended_at).label("ended_at"),
        func.count(case((PURPOSE.is_(None), THREAD)).distinct()).label("threads"),
        func.count().label("interceptions"),
        func.count(column.error_type).label("failures"),
    )
    used = token_usages.c
    tokens = select(*group, *(cast(func.sum(used[name]), BigInteger).label(name) for name in _TOKENS)).join_from(
        interceptions, token_usages, used.interception_id == column.id
    )
    spent, begun = (
        {_key(row): row for row in connection.execute(query.where(in_sessions(keys)).group_by(*group)).mappings()}
        for query in (tokens, spans)
    )
    return {key: _sums(row, spent.get(key, {})) for key, row in begun.items()}


def _sums(row: Any, tokens: Any) -> Sums:
    return Sums(
        started_at=row["started_at"],
        **{name: row[name] for name in _FIGURES},
        tokens=TokenSum(**{name: tokens[name] for name in _TOKENS} if tokens else {}),
    )


def _key(row: Any) -> SessionKey:
    return row["session_id"], row["initiator_id"]
