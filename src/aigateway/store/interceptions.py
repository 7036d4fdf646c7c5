"""Queries on interceptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, select, tuple_

from aigateway.store.interception_count import count
from aigateway.store.observed import Row, all_rows, observed
from aigateway.store.planning import plan_for_values
from aigateway.store.search import index
from aigateway.store.search.matching import MOST, Looked
from aigateway.store.search.snippets import Snippet, snippets
from aigateway.store.search.words import Phrase
from aigateway.store.tables import (
    FAILED,
    interceptions,
    model_thoughts,
    token_usages,
    tool_usages,
    user_prompts,
    users,
)
from aigateway.store.unindexed import unindexed

FIRST_FAILURE = 400
"""The smallest status code of a failure."""
ANY = "any"
"""As an `error_type`: any failure."""

Cursor = tuple[datetime, str]
"""Where a list goes on: the start and the id of the last row that was seen."""


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
    session_id: str | None = None
    error_type: str | None = None
    """One of those in `wire.errors`, or `ANY`."""
    status_code: int | None = None
    texts: tuple[Phrase, ...] = ()
    """What is in the prompt, the thoughts, and the tools with their input: all of it, in one or several of them."""
    started_after: datetime | None = None
    started_before: datetime | None = None
    most_with_texts: int = MOST
    """Of more that match `texts`, the newest ones are found."""

    def conditions(self, *, by_session: bool = False, found: bool = False) -> list[ColumnElement[bool]]:
        """The filter in SQL, and that an interception has ended.

        Args:
            by_session: whether their sessions are wanted; failures and texts have indexes that lead to few.
            found: whether the interceptions are joined to the documents in which the texts were found.
        """
        column = interceptions.c
        whose = (
            (column.initiator_id, self.visible_to),
            (column.initiator_id, self.initiator_id),
            (column.session_id, self.session_id),
        )
        what = (
            (column.provider, self.provider),
            (column.provider_name, self.provider_name),
            (column.model, self.model),
            (column.client, self.client),
            (column.error_type, None if self.error_type == ANY else self.error_type),
            (column.status_code, self.status_code),
        )
        ended = column.ended_at.is_not(None)
        conditions: list[ColumnElement[bool]] = [and_(ended, FAILED) if self.is_of_failures else ended]
        conditions += [
            (unindexed(wanted) if found else wanted) == value for wanted, value in whose if value is not None
        ]
        known = found or (by_session and (self.is_of_failures or self.texts))
        conditions += [(unindexed(wanted) if known else wanted) == value for wanted, value in what if value is not None]
        if self.error_type is not None:
            conditions.append((unindexed(column.error_type) if by_session else column.error_type).is_not(None))
        if self.started_after is not None:
            conditions.append(column.started_at >= self.started_after)
        if self.started_before is not None:
            conditions.append(column.started_at <= self.started_before)
        if self.texts and not found:
            conditions.append(self.looked().is_in())
        return conditions

    @property
    def is_of_failures(self) -> bool:
        """Whether all that is meant has failed."""
        return self.error_type is not None or (self.status_code is not None and self.status_code >= FIRST_FAILURE)

    def is_answered_in_full(self, connection: Connection) -> bool:
        """Whether all that is meant is found: old texts may not be in the index yet, and too many may match."""
        return not self.texts or (index.is_complete(connection) and not self.looked().is_too_common(connection))

    def looked(self) -> Looked:
        """What is looked for in texts."""
        return Looked(
            phrases=self.texts,
            visible_to=self.visible_to or self.initiator_id,
            after=self.started_after,
            before=self.started_before,
            most=self.most_with_texts,
        )


@dataclass(frozen=True, slots=True)
class Interceptions:
    """Some interceptions, with what was observed in each."""

    interceptions: list[Row]
    """With `username`, `name` and `avatar_url` of the initiator, which are None when the user is unknown."""
    token_usages: dict[str, list[Row]] = field(default_factory=dict)
    """By interception id, oldest first, like the next ones."""
    user_prompts: dict[str, list[Row]] = field(default_factory=dict)
    tool_usages: dict[str, list[Row]] = field(default_factory=dict)
    model_thoughts: dict[str, list[Row]] | None = None
    """None where they were not read, since lists do without them."""


@dataclass(frozen=True, slots=True)
class InterceptionPage:
    """A part of the list, newest first, with what was observed in each interception (as in `Interceptions`)."""

    count: int
    """How many there are in all."""
    interceptions: list[Row]
    is_complete: bool = True
    """False when the search could not look through all texts (`InterceptionFilter.is_answered_in_full`)."""
    token_usages: dict[str, list[Row]] = field(default_factory=dict)
    user_prompts: dict[str, list[Row]] = field(default_factory=dict)
    tool_usages: dict[str, list[Row]] = field(default_factory=dict)
    model_thoughts: dict[str, list[Row]] | None = None
    snippets: dict[str, Snippet] = field(default_factory=dict)
    """What was found of the texts that are searched for, by interception id."""


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
    after = None if after_id is None else _cursor(connection, after_id, wanted.visible_to)
    plan_for_values(connection)
    counted = count(connection, wanted)
    found = _below(connection, wanted, after, offset, limit)
    return InterceptionPage(
        counted,
        found.interceptions,
        is_complete=wanted.is_answered_in_full(connection),
        token_usages=found.token_usages,
        user_prompts=found.user_prompts,
        tool_usages=found.tool_usages,
        snippets=snippets(connection, [row["id"] for row in found.interceptions], wanted.texts),
    )


def below(
    connection: Connection, wanted: InterceptionFilter, *, after: Cursor | None, offset: int = 0, limit: int
) -> Interceptions:
    """Ended interceptions in the order of `page`, from below a cursor on, which need not be there any more."""
    plan_for_values(connection)
    return _below(connection, wanted, after, offset, limit)


def _below(
    connection: Connection, wanted: InterceptionFilter, after: Cursor | None, offset: int, limit: int
) -> Interceptions:
    column = interceptions.c
    query = (
        _whole().where(*wanted.conditions()).order_by(column.started_at.desc(), column.id.desc()).limit(limit)
    ).offset(offset)
    if after is not None:
        cursor = tuple_(literal(after[0], column.started_at.type), literal(after[1], column.id.type))
        query = query.where(tuple_(column.started_at, column.id) < cursor)
    rows = all_rows(connection, query)
    ids = [row["id"] for row in rows]
    return Interceptions(
        rows,
        token_usages=observed(connection, token_usages, ids),
        user_prompts=observed(connection, user_prompts, ids),
        tool_usages=observed(connection, tool_usages, ids),
    )


def one(connection: Connection, ident: str, *, visible_to: str | None) -> Interceptions:
    """One interception whole, thoughts included, ended or not; none when it is not there or may not be seen."""
    query = _whole().where(interceptions.c.id == ident)
    if visible_to is not None:
        query = query.where(interceptions.c.initiator_id == visible_to)
    rows = all_rows(connection, query)
    ids = [row["id"] for row in rows]
    return Interceptions(
        rows,
        token_usages=observed(connection, token_usages, ids),
        user_prompts=observed(connection, user_prompts, ids),
        tool_usages=observed(connection, tool_usages, ids),
        model_thoughts=observed(connection, model_thoughts, ids),
    )


def _whole() -> Select[*tuple[Any, ...]]:
    return select(interceptions, users.c.username, users.c.name, users.c.avatar_url).join_from(
        interceptions, users, users.c.id == interceptions.c.initiator_id, isouter=True
    )


def _cursor(connection: Connection, after_id: str, visible_to: str | None) -> Cursor:
    query = select(interceptions.c.started_at).where(interceptions.c.id == after_id)
    if visible_to is not None:
        query = query.where(interceptions.c.initiator_id == visible_to)
    started_at = connection.execute(query).scalar()
    if started_at is None:
        raise UnknownCursor(after_id)
    return started_at, after_id
