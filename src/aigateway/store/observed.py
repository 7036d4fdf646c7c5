"""What was observed in interceptions, by interception."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from aigateway.store.session_index import chunks

Row = Mapping[str, Any]
"""A row's columns by name."""


def observed(connection: Connection, table: Table, ids: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of a child table by interception id, each interception's oldest first."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for some in chunks(ids):
        query = select(table).where(table.c.interception_id.in_(some)).order_by(table.c.created_at, table.c.id)
        for row in all_rows(connection, query):
            grouped[row["interception_id"]].append(row)
    return grouped


def all_rows(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[Row]:
    """The rows of a query as plain data."""
    return [dict(row) for row in connection.execute(query).mappings()]
