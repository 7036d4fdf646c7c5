"""Queries on sessions: which there are, and what each comes to.

A session is (session id, initiator), control-plane spec 3.2. A page of them is found in `aibridge_sessions`, and only
then are the interceptions of those few read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, func, literal, select, true, tuple_

from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.planning import plan_for_values
from aigateway.store.search.documents import interceptions_of
from aigateway.store.search.snippets import Snippet, snippets
from aigateway.store.session_index import SessionKey, among
from aigateway.store.session_search import Search, of_documents
from aigateway.store.session_summary import Session, summaries
from aigateway.store.tables import interceptions, sessions
from aigateway.store.unindexed import unindexed

Place = tuple[datetime, str, str]
"""Where the list goes on: the start, the session id and the initiator id of the last session that was seen."""

_ORDER = (sessions.c.started_at, sessions.c.session_id, sessions.c.initiator_id)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnknownSession(LookupError):  # an answer, not a failure
    """There is no such session, or none that may be seen."""


class SharedSessionId(LookupError):  # an answer, not a failure
    """Several people have a session with this id, so it has to be said whose is meant."""


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A part of the list, newest first."""

    count: int
    """How many there are in all."""
    sessions: list[Session]
    is_complete: bool = True
    """As in `InterceptionPage`."""
    snippets: dict[SessionKey, Snippet] = field(default_factory=dict)
    """What was found of the texts that are searched for: in the newest interception of each session that is meant."""


def page(
    connection: Connection,
    wanted: InterceptionFilter,
    *,
    after: SessionKey | None,
    offset: int,
    limit: int,
) -> SessionPage:
    """Sessions with at least one ended interception that is wanted, newest first by start and id.

    Args:
        connection: a transaction.
        wanted: which interceptions.
        after: the last session already seen, see `find`; the page begins below it.
        offset: how many to leave out.
        limit: how many at most.

    Raises:
        UnknownSession: `after` is not a session that may be seen.
    """
    place = None if after is None else _place(connection, after, wanted.visible_to)
    plan_for_values(connection)
    if wanted.texts:
        return _with_texts(connection, wanted, after=place, offset=offset, limit=limit)
    search = Search.of(wanted)
    few = search.few(connection)
    if few is not None:
        keys = _in_order(connection, few, place)
        return SessionPage(len(few), summaries(connection, keys[offset : offset + limit]))
    found = _below(connection, search, few=False, after=place, offset=offset, limit=limit)
    return SessionPage(search.count(connection), found)


def below(
    connection: Connection, wanted: InterceptionFilter, *, after: Place | None, offset: int = 0, limit: int
) -> list[Session]:
    """Sessions in the order of `page`, from below a place on."""
    plan_for_values(connection)
    search = Search.of(wanted)
    return _below(connection, search, few=search.is_few(connection), after=after, offset=offset, limit=limit)


def begun(connection: Connection, wanted: InterceptionFilter, step: timedelta) -> dict[datetime, int]:
    """How many of the sessions of `page` began in each step of time, by its start; steps without any are left out."""
    plan_for_values(connection)
    hourly = not step % timedelta(hours=1)
    # By the hour or minute first, by means of either database, since few of those are in what is shown.
    if connection.dialect.name == "sqlite":
        start: Any = func.substr(sessions.c.started_at, 1, 13 if hourly else 16, type_=String)
    else:
        start = func.date_trunc("hour" if hourly else "minute", sessions.c.started_at, "UTC")
    rows = Search.of(wanted).sessions(start.label("start"), few=True).subquery()
    query = select(rows.c.start, func.count().label("sessions")).group_by(rows.c.start)
    found: dict[datetime, int] = defaultdict(int)
    for row in connection.execute(query):
        began = row.start if isinstance(row.start, datetime) else datetime.fromisoformat(f"{row.start}:00"[:16] + "Z")
        found[began - (began - _EPOCH) % step] += row.sessions
    return found


def find(connection: Connection, ref: str, *, visible_to: str | None, initiator_id: str | None = None) -> SessionKey:
    """The one session that is meant.

    Args:
        connection: a transaction.
        ref: a session id, or the id of an interception in the session.
        visible_to: the one user whose sessions may be seen; None for everybody's.
        initiator_id: whose session; None when that needs no saying.

    Raises:
        UnknownSession: there is none that may be seen.
        SharedSessionId: several people have one, and `initiator_id` is None.
    """
    for table, name in ((sessions, "session_id"), (interceptions, "id")):
        column = table.c
        query = select(column.session_id, column.initiator_id).where(column[name] == ref).limit(2)
        if table is interceptions:
            if len(ref) != len("00000000-0000-0000-0000-000000000000"):
                break
            query = query.where(column.ended_at.is_not(None))
        for whose in filter(None, (visible_to, initiator_id)):
            query = query.where(column.initiator_id == whose)
        found = connection.execute(query).all()
        if len(found) > 1:
            raise SharedSessionId(ref)
        if found:
            return found[0].session_id, found[0].initiator_id
    raise UnknownSession(ref)


def _place(connection: Connection, key: SessionKey, visible_to: str | None) -> Place:
    column = sessions.c
    query = select(column.started_at).where(column.session_id == key[0], column.initiator_id == key[1])
    if visible_to is not None:
        query = query.where(column.initiator_id == visible_to)
    started_at = connection.execute(query).scalar()
    if started_at is None:
        raise UnknownSession(key[0])
    return started_at, *key


def _below(
    connection: Connection, search: Search, *, few: bool, after: Place | None, offset: int, limit: int
) -> list[Session]:
    query = _newest(search, few=few).offset(offset).limit(limit)
    if after is not None:
        query = query.where(_is_below(after))
    return summaries(connection, [(row.session_id, row.initiator_id) for row in connection.execute(query)])


def _in_order(connection: Connection, keys: Sequence[SessionKey], after: Place | None) -> list[SessionKey]:
    """Those of the sessions that are below a place, newest first."""
    query = select(*_ORDER[1:]).where(among(sessions, keys)).order_by(*(column.desc() for column in _ORDER))
    if after is not None:
        query = query.where(_is_below(after))
    return [(session, initiator) for session, initiator in connection.execute(query).all()]


def _with_texts(
    connection: Connection, wanted: InterceptionFilter, *, after: Place | None, offset: int, limit: int
) -> SessionPage:
    """Reads the keys of all: that is quicker than looking through texts twice."""
    query = of_documents(wanted).order_by(*(column.desc() for column in _ORDER))
    rows = connection.execute(
        query.add_columns((true() if after is None else _is_below(after)).label("is_below"))
    ).all()
    shown = [row for row in rows if row.is_below][offset : offset + limit]
    found = interceptions_of(connection, [row.document for row in shown])
    told = snippets(connection, list(found.values()), wanted.texts)
    return SessionPage(
        len(rows),
        summaries(connection, [(row.session_id, row.initiator_id) for row in shown]),
        wanted.is_answered_in_full(connection),
        {
            (row.session_id, row.initiator_id): told[ident]
            for row in shown
            if (ident := found.get(row.document)) in told
        },
    )


def _newest(search: Search, *, few: bool) -> Select[Any]:
    started_at, *key = _ORDER
    first = unindexed(started_at) if few else started_at
    return search.sessions(*key, few=few).order_by(*(column.desc() for column in (first, *key)))


def _is_below(place: Place) -> ColumnElement[bool]:
    return tuple_(*_ORDER) < tuple_(
        *(literal(value, column.type) for value, column in zip(place, _ORDER, strict=True)),
    )
