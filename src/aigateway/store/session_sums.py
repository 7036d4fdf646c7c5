"""Sums up sessions, so that a page of them reads none of their requests.

One that is of a single request is summed up when that ends, the others when nothing has begun in them for a while.

Whoever writes or removes something of a session takes its sums away in the same transaction (`store.session_index`).
Until they are made anew, its requests are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, Table, case, cast, func, select, update

from aigateway.store import rows
from aigateway.store.bulk import Insert
from aigateway.store.rows import Row, Use, Whole
from aigateway.store.session_index import SessionKey, among, chunks, widening
from aigateway.store.tables import interceptions, session_uses, sessions, token_usages
from aigateway.store.times import rfc3339
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
_NO_TOKENS = (0,) * len(_TOKENS)
_COUNTS = ("threads", "interceptions", "failures")
_FIGURES = ("ended_at", *_COUNTS)
_METADATA, _ENDED_AT, _ERROR_TYPE = map(rows.INTERCEPTION.index, ("metadata", "ended_at", "error_type"))


def _filling(table: Table, key: tuple[str, ...], *names: str) -> Insert:
    """Fills in the sums of rows that are there: quicker than changing one after the other."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    return Insert(table, (*key, "started_at", "last_started_at", *names), key, f"DO UPDATE SET {changes}")


_NEW_SESSIONS = widening(sessions, _KEY, *_FIGURES, *_TOKENS)
_NEW_USES = widening(session_uses, _USE, "interceptions")
_SESSIONS = _filling(sessions, _KEY, *_FIGURES, *_TOKENS)
_USES = _filling(session_uses, _USE, "interceptions")


def sums(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, Sums]:
    """What these sessions, at most as many as `chunks` yields, come to."""
    query = select(*(sessions.c[name] for name in (*_KEY, "started_at", *_FIGURES, *_TOKENS)))
    found: dict[SessionKey, Sums] = {}
    others: list[SessionKey] = []
    for session, initiator, *figures in connection.execute(query.where(among(sessions, keys))).all():
        if None in figures:
            others.append((session, initiator))
        else:
            found[session, initiator] = _sums(*figures)
    return found | _read(connection, others) if others else found


def in_sessions(keys: Sequence[SessionKey]) -> ColumnElement[bool]:
    """That an interception has ended and is in one of these sessions."""
    return among(interceptions, keys) & interceptions.c.ended_at.is_not(None)


def begin(connection: Connection, alone: Iterable[Whole]) -> list[Use]:
    """Take in sessions that are of one interception, which has ended, with what they come to: it is all at hand.

    Returns:
        The uses of those of which that cannot be told so simply.
    """
    others: list[Use] = []
    begun: list[Row] = []
    uses: list[Row] = []
    for row, (_, usages, *_) in alone:
        use = rows.use(row)
        if len(usages) > 1 or "purpose" in (row[_METADATA] or ""):
            others.append(use)
            continue
        started_at = use[-1]
        failures = 0 if row[_ERROR_TYPE] is None else 1
        tokens = usages[0][-len(_TOKENS) :] if usages else _NO_TOKENS
        begun.append((*use[:2], started_at, started_at, row[_ENDED_AT], 1, 1, failures, *tokens))
        uses.append((*use, started_at, 1))
    _NEW_SESSIONS.write(connection, begun)
    _NEW_USES.write(connection, uses)
    return others


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
    keys = [(row.session_id, row.initiator_id) for row in connection.execute(_waiting(now, most))]
    for some in chunks(keys):
        _write(connection, some)
    return len(keys)


def forget_since(connection: Connection, since: datetime) -> None:
    """Have sessions summed up anew in which something began since: older versions of the program do not forget."""
    wait_for(connection, Turn.INGEST)
    for table in (sessions, session_uses):
        touched = (table.c.last_started_at >= since, table.c.interceptions.is_not(None))
        connection.execute(update(table).where(*touched).values(interceptions=None))


def _waiting(now: datetime, most: int) -> Select[Any]:
    column = sessions.c
    quiet = (column.interceptions.is_(None), column.last_started_at < now - QUIET)
    return select(*(column[name] for name in _KEY)).where(*quiet).order_by(column.started_at.desc()).limit(most)


def _write(connection: Connection, keys: Sequence[SessionKey]) -> None:
    column = interceptions.c
    group = [column[name] for name in _USE]
    times = (func.min(column.started_at), func.max(column.started_at))
    query = select(*group, *times, func.count()).where(in_sessions(keys)).group_by(*group)
    used = [(*use, rfc3339(first), rfc3339(last), count) for *use, first, last, count in connection.execute(query)]
    _USES.write(connection, used)
    _SESSIONS.write(
        connection,
        [
            (
                *key,
                rfc3339(one.started_at),
                rfc3339(one.started_at),
                rfc3339(one.ended_at),
                *(getattr(one, name) for name in _COUNTS),
                *(getattr(one.tokens, name) for name in _TOKENS),
            )
            for key, one in _read(connection, keys).items()
        ],
    )


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

    def which(query: Select[Any]) -> Select[Any]:
        return query.where(in_sessions(keys)).group_by(*group)

    spent, begun = (
        {(session, initiator): found for session, initiator, *found in connection.execute(which(query)).all()}
        for query in (tokens, spans)
    )
    return {key: _sums(*found, *spent.get(key, ())) for key, found in begun.items()}


def _sums(started_at: datetime, ended_at: datetime, *counted: int) -> Sums:
    counts, tokens = counted[: len(_COUNTS)], counted[len(_COUNTS) :]
    return Sums(
        started_at=started_at,
        ended_at=ended_at,
        **dict(zip(_COUNTS, counts, strict=True)),
        tokens=TokenSum(**dict(zip(_TOKENS, tokens, strict=False))),
    )
