"""Steps of revisions that would hold up a busy PostgreSQL when taken naively."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op
from sqlalchemy import TextClause, text


def build_index(name: str, table: str, columns: Sequence[str | TextClause], *, where: str | None = None) -> None:
    """Add an index to a table that may be large, while others go on writing (CREATE INDEX CONCURRENTLY).

    It may be called again after it was interrupted. It commits what its revision did before it, so it comes first.
    """
    only = None if where is None else text(where)
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(name, table, columns, sqlite_where=only)
        return
    with op.get_context().autocommit_block():
        # What an interrupted build leaves is an index that is never used, and that IF NOT EXISTS would be content with.
        broken = text(
            "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid",
        )
        if op.get_bind().execute(broken, {"name": name}).first():
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_where=only, postgresql_concurrently=True, if_not_exists=True)


def remove_index(name: str, table: str) -> None:
    """Remove an index without waiting for those who use its table; commits what its revision did before it."""
    if op.get_bind().dialect.name != "postgresql":
        op.drop_index(name, table, if_exists=True)
        return
    with op.get_context().autocommit_block():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
