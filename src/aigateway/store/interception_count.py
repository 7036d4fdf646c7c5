"""How many interceptions a filter means, counted without reading millions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal, not_, select, true

from aigateway.store.tables import interceptions, session_uses, sessions

if TYPE_CHECKING:
    from aigateway.store.interceptions import InterceptionFilter

_READ_AT_MOST = 2_000
"""Sessions without sums whose requests are counted one by one; of more, counting all requests is quicker."""
_KEY = ("session_id", "initiator_id")
_WHAT = ("provider", "provider_name", "model", "client")


def count(connection: Connection, wanted: InterceptionFilter) -> int:
    """How many have ended and are wanted.

    Each session, and what was used in it, knows how many it has (`store.session_sums`). Only where that does not tell,
    since the session goes on or is partly in the wanted time, they are counted one by one.
    """
    table = _tells(wanted)
    if table is None or _are_many_without(connection):
        return connection.execute(
            select(func.count()).select_from(interceptions).where(*wanted.conditions())
        ).scalar_one()
    told, of = table.c.interceptions, and_(true(), *_overlaps(table, wanted))
    is_known = and_(told.is_not(None), *_lies_within(table, wanted))
    known = select(func.sum(told)).where(of, is_known)
    same = (interceptions.c[name] == table.c[name] for name in (_KEY if table is sessions else (*_KEY, *_WHAT)))
    # Asked of each in turn: few are left, and an index leads to theirs.
    each = select(func.count()).where(*same, *wanted.conditions()).correlate(table).scalar_subquery()
    others = select(func.sum(each)).select_from(table).where(of, not_(is_known))
    return sum(int(connection.execute(query).scalar() or 0) for query in (known, others))


def _tells(wanted: InterceptionFilter) -> Table | None:
    """The table that knows; None where indexes lead to few interceptions, or nothing knows."""
    whose = (wanted.visible_to, wanted.initiator_id, wanted.session_id)
    used = any(getattr(wanted, name) is not None for name in _WHAT)
    if wanted.error_type is not None or wanted.status_code is not None or wanted.texts:
        return None
    if not used:
        return sessions
    return session_uses if whose == (None, None, None) else None


def _are_many_without(connection: Connection) -> bool:
    without = select(literal(1)).select_from(sessions).where(sessions.c.interceptions.is_(None))
    return connection.execute(without.offset(_READ_AT_MOST).limit(1)).first() is not None


def _overlaps(table: Table, wanted: InterceptionFilter) -> list[ColumnElement[bool]]:
    """That something of a row is wanted, as far as it knows."""
    exact = [(name, getattr(wanted, name)) for name in ("initiator_id", "session_id", *_WHAT)]
    conditions = [
        table.c[name] == value for name, value in (*exact, ("initiator_id", wanted.visible_to)) if value is not None
    ]
    if wanted.started_after is not None:
        conditions.append(table.c.last_started_at >= wanted.started_after)
    if wanted.started_before is not None:
        conditions.append(table.c.started_at <= wanted.started_before)
    return conditions


def _lies_within(table: Table, wanted: InterceptionFilter) -> list[ColumnElement[bool]]:
    """That all of it began in the wanted time."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.started_after is not None:
        conditions.append(table.c.started_at >= wanted.started_after)
    if wanted.started_before is not None:
        conditions.append(table.c.last_started_at <= wanted.started_before)
    return conditions
