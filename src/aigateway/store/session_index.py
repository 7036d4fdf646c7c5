"""Keeps `aibridge_sessions` and `aibridge_session_uses` true: when each session began, and what was used in it.

A session is (session id, initiator): two people who send the same id share nothing. Only interceptions that have ended
count. Both tables hold minima and maxima, so that noting an interception twice changes nothing, and the sums that
`store.session_sums` makes, which are gone when something is noted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Connection, Table, Text, delete, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from aigateway.store.bulk import Insert, as_rows, of_ids
from aigateway.store.rows import Use
from aigateway.store.tables import interceptions, session_uses, sessions
from aigateway.store.times import rfc3339
from aigateway.store.types import Uuid36

SessionKey = tuple[str, str]
"""Session id and initiator id."""

_KEY = ("session_id", "initiator_id")
_USE = (*_KEY, "provider", "provider_name", "model", "client")
_SPAN = ("started_at", "last_started_at")
_ASKED_AT_ONCE = 1000

_T = TypeVar("_T")
_Key = TypeVar("_Key", bound=tuple[str, ...])


def widening(table: Table, key: tuple[str, ...], *sums: str) -> Insert:
    """Adds rows, with sums if any; widens the span of time of those that are there, and takes their sums away."""
    name = table.name
    return Insert(
        table,
        (*key, *_SPAN, *sums),
        key,
        "DO UPDATE SET "
        f"started_at = CASE WHEN excluded.started_at < {name}.started_at "
        f"THEN excluded.started_at ELSE {name}.started_at END, "
        f"last_started_at = CASE WHEN excluded.last_started_at > {name}.last_started_at "
        f"THEN excluded.last_started_at ELSE {name}.last_started_at END, "
        "interceptions = NULL "
        f"WHERE excluded.started_at < {name}.started_at OR excluded.last_started_at > {name}.last_started_at "
        f"OR {name}.interceptions IS NOT NULL",
    )


_SESSIONS, _USES = widening(sessions, _KEY), widening(session_uses, _USE)


def note(connection: Connection, ids: Sequence[str]) -> None:
    """Take in those interceptions of `ids` that have ended; they may have been taken in before."""
    wanted = as_rows(connection, interceptions, (*_USE, "started_at"))
    rows = of_ids(connection, interceptions, f"ended_at IS NOT NULL, {wanted}", sorted(set(ids)))
    take_in(connection, (tuple(use) for is_ended, *use in rows if is_ended))


def sessions_of(connection: Connection, ids: Sequence[str]) -> dict[str, SessionKey]:
    """The session of each of these interceptions."""
    column = interceptions.c
    found: dict[str, SessionKey] = {}
    for some in chunks(ids):
        query = select(column.id, column.session_id, column.initiator_id).where(column.id.in_(some))
        found.update((row.id, (row.session_id, row.initiator_id)) for row in connection.execute(query))
    return found


def follow(connection: Connection, before: Mapping[str, SessionKey]) -> None:
    """Take in that interceptions have moved to another session, as they do when the beginning of a thread turns up.

    Args:
        connection: the transaction in which they moved.
        before: the sessions in which they were (`sessions_of`); those that did not move may be among them.
    """
    after = sessions_of(connection, list(before))
    recount(connection, {key for moved, key in before.items() if after.get(moved) != key})
    note(connection, list(before))


def recount(connection: Connection, keys: Collection[SessionKey]) -> None:
    """Write anew what is known of sessions that some interceptions have left; those without any disappear."""
    for some in chunks(sorted(keys)):
        # Whoever adds to one of these sessions now waits for its row, or is waited for.
        connection.execute(select(sessions.c.session_id).where(among(sessions, some)).with_for_update())
        for table in (session_uses, sessions):
            connection.execute(delete(table).where(among(table, some)))
        _take_in(connection, among(interceptions, some))


def chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """The values, as many at a time as one statement may hold: PostgreSQL takes 65,535, SQLite fewer."""
    for at in range(0, len(values), _ASKED_AT_ONCE):
        yield values[at : at + _ASKED_AT_ONCE]


def among(table: Table, keys: Sequence[SessionKey]) -> ColumnElement[bool]:
    """That a row of `table`, which has both columns of the key, belongs to one of these sessions."""
    return _Among(table, keys)


def take_in(connection: Connection, uses: Iterable[Use]) -> None:
    """Take in interceptions that have ended; they may have been taken in before."""
    used = _spans((use[:-1], use[-1], use[-1]) for use in uses)
    spans = _spans((use[:2], *span) for use, span in used.items())
    # In one order, so that two who do this at the same time do not wait for each other in a circle.
    _SESSIONS.write(connection, sorted((*key, *span) for key, span in spans.items()))
    _USES.write(connection, sorted((*key, *span) for key, span in used.items()))


def _spans(moments: Iterable[tuple[_Key, str, str]]) -> dict[_Key, tuple[str, str]]:
    """The first and the last moment of each key."""
    found: dict[_Key, tuple[str, str]] = {}
    for key, first, last in moments:
        before = found.get(key)
        found[key] = (first, last) if before is None else (min(before[0], first), max(before[1], last))
    return found


def _take_in(connection: Connection, which: ColumnElement[bool]) -> None:
    column = interceptions.c
    group = [column[name] for name in _USE]
    times = (func.min(column.started_at), func.max(column.started_at))
    query = select(*group, *times).where(which, column.ended_at.is_not(None)).group_by(*group)
    uses: list[Use] = []
    for *use, first, last in connection.execute(query):
        uses += [(*use, rfc3339(first)), (*use, rfc3339(last))]
    take_in(connection, uses)


class _Among(FunctionElement[bool]):
    """One parameter for each database: a list of pairs would be written out, compiled and planned anew each time."""

    name = "aigateway_among"
    type = Boolean()
    inherit_cache = True

    def __init__(self, table: Table, keys: Sequence[SessionKey]) -> None:
        pairs = literal(msgspec.json.encode(keys).decode(), Text)
        arrays = (literal([key[0] for key in keys], ARRAY(Text)), literal([key[1] for key in keys], ARRAY(Uuid36)))
        super().__init__(table.c.session_id, table.c.initiator_id, pairs, *arrays)

    def self_group(self, against: object = None) -> Self:  # noqa: ARG002  # SQLAlchemy's signature
        """As it is, not compared with 1."""
        return self


@compiles(_Among, "sqlite")
def _in_sqlite(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    ids, initiators, pairs, *_ = (compiler.process(clause, **more) for clause in element.clauses)
    pair = "json_extract(value, '$[0]'), json_extract(value, '$[1]')"
    return f"({ids}, {initiators}) IN (SELECT {pair} FROM json_each({pairs}))"  # noqa: S608  # a parameter


@compiles(_Among, "postgresql")
def _in_postgresql(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    ids, initiators, _, *arrays = (compiler.process(clause, **more) for clause in element.clauses)
    return f"({ids}, {initiators}) IN (SELECT * FROM unnest({', '.join(arrays)}))"  # noqa: S608  # all are parameters
