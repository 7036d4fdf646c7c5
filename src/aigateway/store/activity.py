"""What went on in a time, in figures: for the first page that people see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from aigateway.store.tables import interceptions, token_usages, users

_SHOWN_AT_THE_TOP = 5


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of the time."""

    start: datetime
    requests: int = 0
    failures: int = 0
    people: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Top:
    """Something that was used, and in how many requests."""

    name: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The figures of a time. Interceptions that have not ended do not count."""

    buckets: list[Bucket]
    """Oldest first, without gaps."""
    people: int
    models: list[Top]
    clients: list[Top]
    persons: list[Top]
    """By username."""

    @property
    def requests(self) -> int:
        """Of all buckets."""
        return sum(bucket.requests for bucket in self.buckets)

    @property
    def failures(self) -> int:
        """Of all buckets."""
        return sum(bucket.failures for bucket in self.buckets)

    @property
    def input_tokens(self) -> int:
        """Of all buckets."""
        return sum(bucket.input_tokens for bucket in self.buckets)

    @property
    def output_tokens(self) -> int:
        """Of all buckets."""
        return sum(bucket.output_tokens for bucket in self.buckets)


def activity(
    connection: Connection, *, visible_to: str | None, since: datetime, step: timedelta, steps: int
) -> Activity:
    """The figures of `steps` times `step` from `since` on.

    Args:
        connection: a transaction.
        visible_to: the one user whose interceptions count; None for everybody's.
        since: the start of the first bucket.
        step: how long a bucket is.
        steps: how many there are.
    """
    edges = [since + step * number for number in range(steps + 1)]
    meant = _meant(visible_to, edges[0], edges[-1])
    counted = _counted(connection, edges, meant)
    used = _used(connection, edges, meant)
    people = select(func.count(interceptions.c.initiator_id.distinct())).where(*meant)
    return Activity(
        buckets=[Bucket(edges[place], **counted.get(place, {}), **used.get(place, {})) for place in range(steps)],
        people=connection.execute(people).scalar_one(),
        models=_top(connection, interceptions.c.model, meant),
        clients=_top(connection, interceptions.c.client, meant),
        persons=_top(connection, users.c.username, meant),
    )


def _meant(visible_to: str | None, since: datetime, until: datetime) -> list[ColumnElement[bool]]:
    column = interceptions.c
    conditions = [column.ended_at.is_not(None), column.started_at >= since, column.started_at < until]
    if visible_to is not None:
        conditions.append(column.initiator_id == visible_to)
    return conditions


def _place(edges: Sequence[datetime]) -> ColumnElement[int]:
    """Which bucket a row is in. Both databases understand it, unlike each other's words for parts of a time."""
    ends = [(interceptions.c.started_at < end, place) for place, end in enumerate(edges[1:-1])]
    last = len(edges) - 2
    return case(*ends, else_=last).label("place") if ends else func.abs(last).label("place")


def _counted(
    connection: Connection, edges: Sequence[datetime], meant: list[ColumnElement[bool]]
) -> dict[int, dict[str, int]]:
    column = interceptions.c
    failed = case((or_(column.error_type.is_not(None), column.status_code >= 400), 1), else_=0).label("failed")
    rows = select(_place(edges), failed, column.initiator_id).where(*meant).subquery()
    query = select(
        rows.c.place,
        func.count().label("requests"),
        func.sum(rows.c.failed).label("failures"),
        func.count(rows.c.initiator_id.distinct()).label("people"),
    ).group_by(rows.c.place)
    return _by_place(connection, query)


def _used(
    connection: Connection, edges: Sequence[datetime], meant: list[ColumnElement[bool]]
) -> dict[int, dict[str, int]]:
    used = token_usages.c
    rows = (
        select(_place(edges), used.input_tokens, used.output_tokens)
        .join_from(interceptions, token_usages, used.interception_id == interceptions.c.id)
        .where(*meant)
        .subquery()
    )
    query = select(
        rows.c.place,
        func.sum(rows.c.input_tokens).label("input_tokens"),
        func.sum(rows.c.output_tokens).label("output_tokens"),
    ).group_by(rows.c.place)
    return _by_place(connection, query)


def _by_place(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[int, dict[str, int]]:
    found = {}
    for row in connection.execute(query).mappings():
        values = {name: int(value) for name, value in row.items()}
        found[values.pop("place")] = values
    return found


def _top(connection: Connection, name: ColumnElement[str], meant: list[ColumnElement[bool]]) -> list[Top]:
    requests = func.count().label("requests")
    query = select(name.label("name"), requests).select_from(interceptions).where(*meant)
    if name is users.c.username:
        query = query.join(users, users.c.id == interceptions.c.initiator_id)
    query = query.group_by(name).order_by(requests.desc(), name).limit(_SHOWN_AT_THE_TOP)
    return [Top(row.name, row.requests) for row in connection.execute(query)]
