"""One session thread by thread (control-plane spec 3.3).

A thread is an interception and those that go on from it by answering its tool calls. Its facts are those of the oldest
interception that is still there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, func, literal, select, tuple_

from aigateway.store.interceptions import Interceptions
from aigateway.store.observed import Row, all_rows, observed
from aigateway.store.session_index import SessionKey, chunks
from aigateway.store.session_summary import Session, summaries
from aigateway.store.session_sums import PURPOSE, THREAD, in_sessions
from aigateway.store.sessions import UnknownSession
from aigateway.store.tables import interceptions, model_thoughts, token_usages, tool_usages, user_prompts
from aigateway.store.types import Uuid36


class UnknownThread(LookupError):  # an answer, not a failure
    """The thread from which to go on is not in the session."""


@dataclass(frozen=True, slots=True)
class Thread:
    """What came of one prompt, or of one agent."""

    id: str
    """The id of the root interception, which may have been purged."""
    started_at: datetime
    ended_at: datetime
    steps: Interceptions
    """All its interceptions, oldest first; at least one."""


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """A session and some of its threads."""

    session: Session
    token_metadata: dict[str, float]
    """The sums of the providers' other counts over the whole session; nested names are joined by dots."""
    threads: list[Thread]
    """Oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRange:
    """Which threads of a session: at most `limit` next to a thread, or the oldest ones."""

    after_id: str | None = None
    """Those that began later than this one; the nearest ones."""
    before_id: str | None = None
    """Those that began earlier, the nearest ones; not together with `after_id`."""
    only_id: str | None = None
    """This one alone; not together with the two."""
    limit: int = 50
    side_requests: bool = False
    """Titles, probes and the like as well (decision 29)."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.after_id, self.before_id, self.only_id))) > 1:
            raise ValueError("A page of threads lies after one thread, or before one, or is one.")


def detail(connection: Connection, key: SessionKey, wanted: ThreadRange) -> SessionDetail:
    """A session (see `sessions.find`) and some of its threads.

    Raises:
        UnknownSession: it has been purged meanwhile.
        UnknownThread: the thread to go on from is not in it.
    """
    found = summaries(connection, [key])
    if not found:
        raise UnknownSession(key[0])
    return SessionDetail(found[0], _token_metadata(connection, key), _threads(connection, key, wanted))


def numeric_sums(rows: Iterable[Mapping[str, Any] | None]) -> dict[str, float]:
    """The sum of the numeric leaves of metadata, nested keys joined by dots. Truth values are no numbers."""
    sums: dict[str, float] = defaultdict(int)
    for row in rows:
        _add(sums, "", row or {})
    return dict(sorted(sums.items()))


def _add(sums: dict[str, float], prefix: str, value: object) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _add(sums, f"{prefix}.{name}" if prefix else str(name), inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        sums[prefix] += value


def _token_metadata(connection: Connection, key: SessionKey) -> dict[str, float]:
    query = (
        select(token_usages.c.metadata)
        .join_from(interceptions, token_usages, token_usages.c.interception_id == interceptions.c.id)
        .where(in_sessions([key]))
    )
    return numeric_sums(connection.execute(query).scalars())


def _threads(connection: Connection, key: SessionKey, wanted: ThreadRange) -> list[Thread]:
    shown = in_sessions([key])
    if not wanted.side_requests:
        shown &= PURPOSE.is_(None)
    column = interceptions.c
    spans = (
        select(
            THREAD.label("id"),
            func.min(column.started_at).label("started_at"),
            func.max(column.ended_at).label("ended_at"),
        )
        .where(shown)
        .group_by(THREAD)
        .subquery()
    )
    found = _page(connection, spans, wanted)
    steps = _steps(connection, shown, [row["id"] for row in found])
    return [Thread(row["id"], row["started_at"], row["ended_at"], steps[row["id"]]) for row in found]


def _page(connection: Connection, spans: Subquery, wanted: ThreadRange) -> list[Row]:
    order = (spans.c.started_at, spans.c.id)
    place = tuple_(*order)
    if wanted.before_id is not None:
        query = select(spans).where(place < _cursor(connection, spans, wanted.before_id))
        newest_first = query.order_by(*(column.desc() for column in order)).limit(wanted.limit)
        return all_rows(connection, newest_first)[::-1]
    query = select(spans).order_by(*order).limit(wanted.limit)
    if wanted.only_id is not None:
        found = all_rows(connection, query.where(spans.c.id == wanted.only_id))
        if not found:
            raise UnknownThread(wanted.only_id)
        return found
    if wanted.after_id is not None:
        query = query.where(place > _cursor(connection, spans, wanted.after_id))
    return all_rows(connection, query)


def _cursor(connection: Connection, spans: Subquery, thread_id: str) -> ColumnElement[Any]:
    started_at = connection.execute(select(spans.c.started_at).where(spans.c.id == thread_id)).scalar()
    if started_at is None:
        raise UnknownThread(thread_id)
    return tuple_(literal(started_at, spans.c.started_at.type), literal(thread_id, Uuid36))


def _steps(connection: Connection, shown: ColumnElement[bool], threads: list[str]) -> dict[str, Interceptions]:
    """The interceptions of threads, by thread."""
    column = interceptions.c
    rows: dict[str, list[Row]] = defaultdict(list)
    for some in chunks(threads):
        query = select(interceptions, THREAD.label("thread")).where(shown, THREAD.in_(some))
        for row in all_rows(connection, query.order_by(column.started_at, column.id)):
            rows[row["thread"]].append(row)
    ids = [row["id"] for steps in rows.values() for row in steps]
    tables = (token_usages, user_prompts, tool_usages, model_thoughts)
    children = [observed(connection, table, ids) for table in tables]
    return {thread: Interceptions(steps, *children) for thread, steps in rows.items()}
