"""What the tables know of how interceptions began, for those who tell of them one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from aigateway.store.tables import interceptions


@dataclass(frozen=True, slots=True)
class Beginning:
    """How an interception began; None is unknown, or no thread."""

    thread_parent_id: str | None = None
    """The interception whose tool call this one answers."""
    thread_root_id: str | None = None
    """The first interception of that thread."""
    streaming: bool | None = None
    request_bytes: int | None = None


def beginnings(connection: Connection, ids: Sequence[str]) -> dict[str, Beginning]:
    """The beginnings of those of `ids` (at most some thousands) that are in the tables."""
    if not ids:
        return {}
    column = interceptions.c
    wanted = select(
        column.id, column.thread_parent_id, column.thread_root_id, column.streaming, column.request_bytes
    ).where(column.id.in_(ids))
    return {
        row.id: Beginning(row.thread_parent_id, row.thread_root_id, row.streaming, row.request_bytes)
        for row in connection.execute(wanted)
    }
