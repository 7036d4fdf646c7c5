"""What there is to filter by: the models, clients and providers of interceptions that may be seen."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection, func, select

from aigateway.store.tables import session_uses


class Facet(StrEnum):
    """What can be listed, by its column."""

    MODEL = "model"
    CLIENT = "client"
    PROVIDER = "provider"
    """The provider's type."""
    PROVIDER_NAME = "provider_name"


def values(
    connection: Connection, facet: Facet, *, visible_to: str | None, prefix: str, offset: int, limit: int
) -> list[str]:
    """The distinct values over ended interceptions, ascending (control-plane spec 3.4).

    Args:
        connection: a transaction.
        facet: of what.
        visible_to: the one user whose interceptions may be seen; None for everybody's.
        prefix: what they begin with, in small or capital letters.
        offset: how many to leave out.
        limit: how many at most.
    """
    column = session_uses.c[facet.value]
    query = select(column).distinct().order_by(column).offset(offset).limit(limit)
    if visible_to is not None:
        query = query.where(session_uses.c.initiator_id == visible_to)
    if prefix:
        query = query.where(func.lower(func.substr(column, 1, len(prefix))) == func.lower(prefix))
    return list(connection.execute(query).scalars())
