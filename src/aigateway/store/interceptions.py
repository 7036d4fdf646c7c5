"""Queries on interceptions that have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, literal, select, tuple_

from aigateway.store.tables import interceptions, token_usages, tool_usages, user_prompts, users

Row = Mapping[str, Any]
"""A row's columns by name."""


class UnknownCursor(LookupError):  # an answer, not a failure
    """The row after which to go on is not there, or may not be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterceptionFilter:
    """Which interceptions are meant; None does not restrict. Times are inclusive."""

    visible_to: str | None
    """The id of the one user whose interceptions may be seen; None for everybody's."""
    initiator_id: str | None = None
    provider: str | None = None
    """The provider's type."""
    provider_name: str | None = None
    model: str | None = None
    client: str | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter in SQL, and that an interception has ended."""
        column = interceptions.c
        exact = (
            (column.initiator_id, self.visible_to),
            (column.initiator_id, self.initiator_id),
            (column.provider, self.provider),
            (column.provider_name, self.provider_name),
            (column.model, self.model),
            (column.client, self.client),
        )
        conditions: list[ColumnElement[bool]] = [column.ended_at.is_not(None)]
        conditions += [wanted == value for wanted, value in exact if value is not None]
        if self.started_after is not None:
            conditions.append(column.started_at >= self.started_after)
        if self.started_before is not None:
            conditions.append(column.started_at <= self.started_before)
        return conditions


@dataclass(frozen=True, slots=True)
class InterceptionPage:
    """A part of the list, newest first, with what was observed in each interception."""

    count: int
    """How many there are in all."""
    interceptions: list[Row]
    """With `username`, `name` and `avatar_url` of the initiator, which are None when the user is unknown."""
    token_usages: dict[str, list[Row]] = field(default_factory=dict)
    """By interception id, oldest first, like the next two."""
    user_prompts: dict[str, list[Row]] = field(default_factory=dict)
    tool_usages: dict[str, list[Row]] = field(default_factory=dict)


def page(
    connection: Connection, wanted: InterceptionFilter, *, after_id: str | None, offset: int, limit: int
) -> InterceptionPage:
    """Ended interceptions, newest first by start and id.

    Args:
        connection: a transaction.
        wanted: which.
        after_id: the last one already seen; the page begins below it.
        offset: how many to leave out.
        limit: how many at most.

    Raises:
        UnknownCursor: `after_id` is not an interception that may be seen.
    """
    conditions = wanted.conditions()
    order = (interceptions.c.started_at.desc(), interceptions.c.id.desc())
    query = (
        select(interceptions, users.c.username, users.c.name, users.c.avatar_url)
        .join_from(interceptions, users, users.c.id == interceptions.c.initiator_id, isouter=True)
        .where(*conditions)
        .order_by(*order)
        .offset(offset)
        .limit(limit)
    )
    if after_id is not None:
        query = query.where(_below(connection, after_id, wanted.visible_to))
    counted = select(func.count()).select_from(interceptions).where(*conditions)
    count = connection.execute(counted).scalar_one()
    rows = _rows(connection, query)
    ids = [row["id"] for row in rows]
    return InterceptionPage(
        count=count,
        interceptions=rows,
        token_usages=_children(connection, token_usages, ids),
        user_prompts=_children(connection, user_prompts, ids),
        tool_usages=_children(connection, tool_usages, ids),
    )


def _below(connection: Connection, after_id: str, visible_to: str | None) -> ColumnElement[bool]:
    query = select(interceptions.c.started_at).where(interceptions.c.id == after_id)
    if visible_to is not None:
        query = query.where(interceptions.c.initiator_id == visible_to)
    started_at = connection.execute(query).scalar()
    if started_at is None:
        raise UnknownCursor(after_id)
    column = interceptions.c
    cursor = tuple_(literal(started_at, column.started_at.type), literal(after_id, column.id.type))
    return tuple_(column.started_at, column.id) < cursor


def _children(connection: Connection, table: Table, ids: Sequence[str]) -> dict[str, list[Row]]:
    if not ids:
        return {}
    query = select(table).where(table.c.interception_id.in_(ids)).order_by(table.c.created_at, table.c.id)
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(connection, query):
        grouped[row["interception_id"]].append(row)
    return grouped


def _rows(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]
