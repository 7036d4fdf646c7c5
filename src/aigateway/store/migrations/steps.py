"""Steps of revisions that would hold up a busy PostgreSQL when taken naively."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text


def build_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Add an index to a table that may be large, while others go on writing (CREATE INDEX CONCURRENTLY).

    It may be called again after it was interrupted. It commits what its revision did before it, so it comes first.
    """
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(name, table, columns)
        return
    with op.get_context().autocommit_block():
        # What an interrupted build leaves is an index that is never used, and that IF NOT EXISTS would be content with.
        broken = text(
            "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid",
        )
        if op.get_bind().execute(broken, {"name": name}).first():
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True)
