"""Which revision a database is at, and the way to the newest."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from aigateway.store.absence import StoreTooNew
from aigateway.store.migrations import HEAD, REVISIONS


def is_current(connection: Connection) -> bool:
    """Whether the schema is the one that this version of the program works with; otherwise it is older, or not there.

    Raises:
        StoreTooNew: it is of a newer version.
    """
    revision = _revision(connection)
    if revision is not None and revision not in REVISIONS:
        raise StoreTooNew(
            f"The database has schema revision {revision}, which this version of AI Gateway does not know "
            f"(it knows up to {HEAD}). Run the newer version that wrote it, or restore a copy made before that."
        )
    return revision == HEAD


def bring_up_to_date(connection: Connection) -> None:
    """Run the revisions that are missing: in the transaction that the caller began, else each in one of its own."""
    from aigateway.store.migrations.run import upgrade  # noqa: PLC0415  # Alembic is slow to import, rarely needed

    upgrade(connection)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
