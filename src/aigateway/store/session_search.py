"""Which sessions a filter means: how many there are, which are the newest, and when each began.

What tells is the smallest table that can: `aibridge_sessions` itself, `aibridge_session_uses` for what was used in
them, and interceptions only where nothing else knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, literal, or_, select

from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.session_index import SessionKey
from aigateway.store.tables import interceptions, search_documents, session_uses, sessions
from aigateway.store.unindexed import unindexed

FEW = 2000
"""Sessions that are sooner looked up and sorted than met on the way from the newest one on."""


@dataclass(frozen=True, slots=True)
class Search:
    """The rows of a table that mean sessions, each of them one."""

    table: Table
    conditions: tuple[ColumnElement[bool], ...]
    until: datetime | None = None
    """After which none of the sessions began."""

    @classmethod
    def of(cls, wanted: InterceptionFilter) -> Search:
        """Where the sessions of a filter are found."""
        if wanted.error_type is not None or wanted.status_code is not None or wanted.texts:
            return cls(interceptions, tuple(wanted.conditions(by_session=True)), wanted.started_before)
        used = _used(wanted)
        table = session_uses if used else sessions
        return cls(table, (*_whose(table, wanted), *used, *_during(table, wanted)), wanted.started_before)

    def count(self, connection: Connection) -> int:
        """How many sessions there are."""
        rows = self._keys().subquery()
        return connection.execute(select(func.count()).select_from(rows)).scalar_one()

    def few(self, connection: Connection) -> list[SessionKey] | None:
        """All of them, in no order; None when they are too many to be looked up, or may be expected to be."""
        if self.table is sessions and self.until is None:
            return None
        rows = connection.execute(self._keys().limit(FEW + 1)).all()
        return [(session, initiator) for session, initiator in rows] if len(rows) <= FEW else None

    def is_few(self, connection: Connection) -> bool:
        """The same without reading all of them."""
        more = select(literal(1)).select_from(self._keys().offset(FEW).limit(1).subquery())
        return self.table is not sessions and connection.execute(more).first() is None

    def sessions(self, *columns: ColumnElement[Any], few: bool) -> Select[Any]:
        """Columns of the sessions.

        Args:
            columns: of `aibridge_sessions`.
            few: whether to look up those that are found, instead of asking each session in turn.
        """
        own, other = sessions.c, self.table.c
        begun = () if few or self.until is None else (own.started_at <= self.until,)
        if self.table is sessions:
            return select(*columns).where(*self.conditions, *begun)
        if few:
            found = self._keys().subquery()
            same = and_(own.session_id == found.c.session_id, own.initiator_id == found.c.initiator_id)
            return select(*columns).join_from(found, sessions, same)
        same = and_(own.session_id == other.session_id, own.initiator_id == other.initiator_id)
        # With an offset PostgreSQL asks each session in turn, instead of looking up all that are found to begin with.
        each = exists(select(literal(1)).where(same, *self.conditions).correlate(sessions).offset(0))
        return select(*columns).where(each, *begun)

    def _keys(self) -> Select[Any]:
        column = self.table.c
        found = select(column.session_id, column.initiator_id).where(*self.conditions)
        return found if self.table is sessions else found.distinct()


def of_documents(wanted: InterceptionFilter) -> Select[Any]:
    """The sessions of a search for texts, each with the document of the newest interception that is meant."""
    column, document = interceptions.c, search_documents.c
    found = (
        select(column.session_id, column.initiator_id, func.max(document.id).label("document"))
        .join_from(search_documents, interceptions, column.id == document.interception_id)
        .where(wanted.looked().is_document(), *wanted.conditions(found=True))
        .group_by(column.session_id, column.initiator_id)
        .subquery()
    )
    own = sessions.c
    same = and_(own.session_id == found.c.session_id, own.initiator_id == found.c.initiator_id)
    return select(own.session_id, own.initiator_id, found.c.document).join_from(found, sessions, same)


def _whose(table: Table, wanted: InterceptionFilter) -> list[ColumnElement[bool]]:
    column = table.c
    exact = (
        (column.initiator_id, wanted.visible_to),
        (column.initiator_id, wanted.initiator_id),
        (column.session_id, wanted.session_id),
    )
    return [name == value for name, value in exact if value is not None]


def _used(wanted: InterceptionFilter) -> list[ColumnElement[bool]]:
    column = session_uses.c
    exact = (
        (column.provider, wanted.provider),
        (column.provider_name, wanted.provider_name),
        (column.model, wanted.model),
        (column.client, wanted.client),
    )
    return [name == value for name, value in exact if value is not None]


def _during(table: Table, wanted: InterceptionFilter) -> list[ColumnElement[bool]]:
    """That something of it began in the wanted time. `table` knows when the first and the last interception did."""
    after, before = wanted.started_after, wanted.started_before
    first: ColumnElement[datetime] = table.c.started_at
    last = table.c.last_started_at
    if after is not None and before is not None:
        first = unindexed(first)  # Most sessions began before it, and their index does not know their last request.
    conditions: list[ColumnElement[bool]] = []
    if after is not None:
        conditions.append(last >= after)
    if before is not None:
        conditions.append(first <= before)
    if after is not None and before is not None:
        within = exists().where(
            interceptions.c.session_id == table.c.session_id,
            interceptions.c.initiator_id == table.c.initiator_id,
            and_(*wanted.conditions()),
        )
        conditions.append(or_(first >= after, last <= before, within))
    return conditions
