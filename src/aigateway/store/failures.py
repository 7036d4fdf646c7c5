"""What went wrong lately: the last failures of providers, and answers that could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Text, cast, func, select

from aigateway.store.tables import interceptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that failed at a provider."""

    id: str
    started_at: datetime
    model: str
    status_code: int | None
    error_type: str
    error_message: str | None


_WHAT = tuple(interceptions.c[name] for name in Failure.__dataclass_fields__)
_NOT_THE_PROVIDERS = ("client_disconnected", "interrupted")


def last_failures(connection: Connection, provider_name: str, *, since: datetime, limit: int) -> list[Failure]:
    """Newest first, and only those since a time: whoever looks for a failure of now need not wait for all of them."""
    query = (
        select(*_WHAT)
        .where(
            interceptions.c.started_at >= since,
            interceptions.c.provider_name == provider_name,
            interceptions.c.error_type.is_not(None),
            interceptions.c.error_type.not_in(_NOT_THE_PROVIDERS),
        )
        .order_by(interceptions.c.started_at.desc(), interceptions.c.id.desc())
        .limit(limit)
    )
    return [Failure(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  # SQLAlchemy's public name


def count_unreadable(connection: Connection, *, since: datetime) -> int:
    """How many answers since a time could not be read whole, so that their record lacks something."""
    # Inside a text of the metadata the quotes would be escaped, so that nobody can write it there.
    marked = cast(interceptions.c.metadata, Text).like('%"unreadable":%')
    query = select(func.count()).select_from(interceptions).where(interceptions.c.started_at >= since, marked)
    return connection.execute(query).scalar_one()
