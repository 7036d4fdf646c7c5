"""Sums up each past hour once, so that the figures of a month are found without reading its requests.

An hour is summed up when it is over; whoever changes what it counts forgets its sums in the same transaction, and they
are made anew. All of them have the turn of those who write the record, so that no change is overlooked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from aigateway.store.tables import activity_figures, activity_hours, interceptions, token_usages
from aigateway.store.turns import Turn, wait_for
from aigateway.store.types import UtcTime

HOUR = timedelta(hours=1)
_OVER = HOUR
"""How long an hour is over when it is summed up: by then, most of what began in it has ended."""
_KEPT = timedelta(days=32)
"""Nobody asks for older ones."""

_KEY = ("hour", "initiator_id", "model", "client")
FIGURES = ("requests", "failures", "input_tokens", "output_tokens")

# By the driver alone, since each batch of the record is followed by one.
_AMONG = {"postgresql": "hour = ANY(%s::timestamptz[])", "sqlite": "hour IN (SELECT value FROM json_each(?))"}


def hour_of(moment: datetime) -> datetime:
    """The start of its hour; zones of half an hour, in which PostgreSQL may answer, have others."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def missing(connection: Connection, now: datetime) -> list[datetime]:
    """The hours that are to be summed up, newest first."""
    newest = hour_of(now - _OVER) - HOUR
    oldest = hour_of(now - _KEPT)
    summed = set(known(connection, oldest, newest + HOUR))
    every = (newest - HOUR * back for back in range((newest - oldest) // HOUR + 1))
    return [hour for hour in every if hour not in summed]


def known(connection: Connection, since: datetime, until: datetime) -> Sequence[datetime]:
    """The hours that are summed up."""
    column = activity_hours.c.hour
    return connection.execute(select(column).where(column >= since, column < until)).scalars().all()


def advance(connection: Connection, now: datetime, most: int) -> int:
    """Sum up the newest hours that are to be, and drop the sums that nobody asks for any more.

    Args:
        connection: a transaction that writes.
        now: the time of day.
        most: how many hours are read at most.

    Returns:
        How many were summed up. 0 means that none is left.
    """
    wait_for(connection, Turn.INGEST)
    _drop(connection, lambda column: column < hour_of(now - _KEPT))
    hours = missing(connection, now)
    if not hours:
        return 0
    # Those that follow each other: one statement reads them. Before the first request there is nothing to read.
    run = [hour for back, hour in enumerate(hours[:most]) if hour == hours[0] - HOUR * back]
    first = connection.execute(select(func.min(interceptions.c.started_at))).scalar()
    empty = [hour for hour in hours if first is None or hour < hour_of(first)]
    connection.execute(insert(activity_figures).from_select([*_KEY, *FIGURES], read(run[-1], run[0] + HOUR)))
    summed = {*run, *empty}
    connection.execute(insert(activity_hours), [{"hour": hour} for hour in summed])
    return len(summed)


def forget(connection: Connection, moments: Iterable[str]) -> None:
    """What counts in the hours of these moments has changed: they are to be summed up anew."""
    hours = [f"{hour}:00:00.000000Z" for hour in sorted({moment[:13] for moment in moments})]
    if not hours:
        return
    dialect = connection.dialect.name
    given = (hours,) if dialect == "postgresql" else (msgspec.json.encode(hours).decode(),)
    for table in (activity_hours, activity_figures):
        statement = f"DELETE FROM {table.name} WHERE {_AMONG[dialect]}"  # noqa: S608  # our names
        if not connection.exec_driver_sql(statement, given).rowcount:
            return


def forget_since(connection: Connection, since: datetime) -> None:
    """As `forget`, of all hours from `since` on: older versions of the program, serving beside this one, do not."""
    wait_for(connection, Turn.INGEST)
    _drop(connection, lambda column: column >= since)


def read(since: datetime, until: datetime, visible_to: str | None = None) -> Select[Any]:
    """The figures of the interceptions themselves: by hour, person, model and client."""
    column, used = interceptions.c, token_usages.c
    meant = [column.ended_at.is_not(None), column.started_at >= since, column.started_at < until]
    if visible_to is not None:
        meant.append(column.initiator_id == visible_to)
    key = [column.started_at, column.initiator_id, column.model, column.client]
    failed = case((or_(column.error_type.is_not(None), column.status_code >= 400), 1), else_=0)
    none = literal(0)
    counted = select(*key, *_named(literal(1), failed, none, none)).where(*meant)
    tokens = (
        select(*key, *_named(none, none, used.input_tokens, used.output_tokens))
        .join_from(interceptions, token_usages, used.interception_id == column.id)
        .where(*meant)
    )
    every = union_all(counted, tokens).subquery()
    group = [_Hour(every.c.started_at).label("hour"), every.c.initiator_id, every.c.model, every.c.client]
    return select(*group, *(total(every.c[name]).label(name) for name in FIGURES)).group_by(*group)


def total(column: ColumnElement[int]) -> ColumnElement[int]:
    """Its sum, a whole number: PostgreSQL makes a decimal of it, which is slow to read."""
    return cast(func.sum(column), BigInteger)


def _named(*values: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [value.label(name) for name, value in zip(FIGURES, values, strict=True)]


class _Hour(FunctionElement[datetime]):
    """The start of the hour of a time, by means of either database."""

    name = "aigateway_hour"
    type = UtcTime()
    inherit_cache = True


@compiles(_Hour, "sqlite")
def _in_sqlite(element: _Hour, compiler: SQLCompiler, **more: Any) -> str:
    return f"substr({compiler.process(element.clauses, **more)}, 1, 13) || ':00:00.000000Z'"


@compiles(_Hour, "postgresql")
def _in_postgresql(element: _Hour, compiler: SQLCompiler, **more: Any) -> str:
    return f"date_trunc('hour', {compiler.process(element.clauses, **more)}, 'UTC')"


def _drop(connection: Connection, which: Callable[[ColumnElement[datetime]], ColumnElement[bool]]) -> None:
    if connection.execute(delete(activity_hours).where(which(activity_hours.c.hour))).rowcount:
        connection.execute(delete(activity_figures).where(which(activity_figures.c.hour)))
