"""Keeps `aibridge_sessions` and `aibridge_session_uses` true: when each session began, and what was used in it.

A session is (session id, initiator): two people who send the same id share nothing. Only interceptions that have ended
count. Both tables hold nothing but minima and maxima, so that noting an interception twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, case, delete, func, select, tuple_

from aigateway.store.tables import interceptions, session_uses, sessions

SessionKey = tuple[str, str]
"""Session id and initiator id."""

_KEY = ("session_id", "initiator_id")
_USE = (*_KEY, "provider", "provider_name", "model", "client")
_ASKED_AT_ONCE = 1000

_T = TypeVar("_T")


def note(connection: Connection, ids: Sequence[str]) -> None:
    """Take in those interceptions of `ids` that have ended; they may have been taken in before."""
    for some in chunks(sorted(set(ids))):
        _take_in(connection, interceptions.c.id.in_(some))


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
    column = table.c
    # SQLite finds pairs by no index. Few people share an id, so that the ids alone select nearly the same.
    return column.session_id.in_({key[0] for key in keys}) & tuple_(column.session_id, column.initiator_id).in_(keys)


def _take_in(connection: Connection, which: ColumnElement[bool]) -> None:
    column = interceptions.c
    for table, names in ((sessions, _KEY), (session_uses, _USE)):
        group = [column[name] for name in names]
        times = (
            func.min(column.started_at).label("started_at"),
            func.max(column.started_at).label("last_started_at"),
        )
        # In one order, so that two who do this at the same time do not wait for each other in a circle.
        query = select(*group, *times).where(which, column.ended_at.is_not(None)).group_by(*group).order_by(*group)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        if rows:
            connection.execute(_widen(connection, table, names), rows)


def _widen(connection: Connection, table: Table, names: Sequence[str]) -> Any:
    insert = import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)
    new, old = insert.excluded, table.c
    return insert.on_conflict_do_update(
        index_elements=names,
        set_={
            "started_at": case((new.started_at < old.started_at, new.started_at), else_=old.started_at),
            "last_started_at": case(
                (new.last_started_at > old.last_started_at, new.last_started_at), else_=old.last_started_at
            ),
        },
    )
