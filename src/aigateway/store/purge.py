"""Deletes what is too old, a batch a transaction, so that nobody waits long behind it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, text

from aigateway.store import activity_sums, chain, session_index
from aigateway.store.search import index
from aigateway.store.tables import api_keys, interceptions, model_thoughts, token_usages, tool_usages, user_prompts
from aigateway.store.times import rfc3339
from aigateway.store.turns import Turn, has, wait_for

_LATEST_END = timedelta(days=1)
"""No request takes longer. What of it is recorded at its end must not come when its interception is gone already."""
_KEPT_FREE = 4
"""One part in so many of an SQLite file stays free for rows to come."""


def records(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` interceptions that started earlier than `before`, the oldest first, with all their rows.

    One that has not ended may still be under way; it is left for another day.

    Returns:
        How many rows were deleted, of all tables. 0 means that there are no more, or that another replica does it.
    """
    if not has(connection, Turn.PURGE):
        return 0
    wait_for(connection, Turn.INGEST)
    column = interceptions.c
    ended = or_(column.ended_at.is_not(None), column.started_at < before - _LATEST_END)
    oldest = select(column.id, column.started_at).where(column.started_at < before, ended)
    found = {row.id: row.started_at for row in connection.execute(oldest.order_by(column.started_at).limit(limit))}
    if not found:
        return 0
    ids = list(found)
    activity_sums.forget(connection, map(rfc3339, found.values()))
    index.forget(connection, ids)
    chain.forget(connection, ids)
    deleted = 0
    for child in (model_thoughts, tool_usages, token_usages, user_prompts):
        deleted += connection.execute(delete(child).where(child.c.interception_id.in_(ids))).rowcount
    left = session_index.sessions_of(connection, ids)
    deleted += connection.execute(delete(interceptions).where(column.id.in_(ids))).rowcount
    session_index.recount(connection, set(left.values()))
    return deleted


def expired_api_keys(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` keys that expired earlier than `before`, the oldest first.

    Returns:
        How many were deleted.
    """
    if not has(connection, Turn.PURGE):
        return 0
    expired = select(api_keys.c.id).where(api_keys.c.expires_at < before).order_by(api_keys.c.expires_at).limit(limit)
    return connection.execute(delete(api_keys).where(api_keys.c.id.in_(expired))).rowcount


def release_pages(connection: Connection, limit: int) -> int:
    """Give at most `limit` unused pages of an SQLite file back to the file system; PostgreSQL sees to its own files.

    A quarter of the file stays free, since new rows would only make it grow again. Databases that were made without
    `auto_vacuum` give nothing back, but use their free pages again.

    Returns:
        How many pages were given back.
    """
    if connection.dialect.name != "sqlite":
        return 0
    free, pages, mode = (_pragma(connection, name) for name in ("freelist_count", "page_count", "auto_vacuum"))
    surplus = min(free - pages // _KEPT_FREE, limit)
    if mode != 2 or surplus <= 0:  # 2 is INCREMENTAL
        return 0
    # Each step of this statement frees one page, so its (empty) rows have to be fetched.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA incremental_vacuum({surplus})")
    cursor.fetchall()
    cursor.close()
    return surplus


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
