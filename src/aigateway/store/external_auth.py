"""Queries on people's accounts at other services, whose tokens stay sealed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from aigateway.store.envelope import Sealed
from aigateway.store.sealed import TOKENS
from aigateway.store.tables import external_auth_links as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A row: one person's account at one service."""

    user_id: str
    provider_id: str
    tokens: Sealed
    expires_at: datetime | None
    """When the access token ends; None when the service did not say."""
    failure: str
    """Why the tokens cannot be used any more, in a sentence; empty while they can."""
    created_at: datetime
    updated_at: datetime

    @property
    def place(self) -> str:
        """What its tokens are sealed for."""
        return place(self.user_id, self.provider_id)


def place(user_id: str, provider_id: str) -> str:
    """What the tokens of one person's account at one service are sealed for."""
    return TOKENS.place(user_id, provider_id)


def of_user(connection: Connection, user_id: str) -> list[Link]:
    """All of a person's accounts, by the service's id."""
    query = select(table).where(table.c.user_id == user_id).order_by(table.c.provider_id)
    return [_link(row) for row in connection.execute(query).mappings()]


def find(connection: Connection, user_id: str, provider_id: str) -> Link | None:
    """A person's account at a service."""
    query = select(table).where(table.c.user_id == user_id, table.c.provider_id == provider_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _link(row)


def put(connection: Connection, link: Link) -> None:
    """Insert an account, in place of the one that is there."""
    remove(connection, link.user_id, link.provider_id)
    connection.execute(insert(table).values(_row(link)))


def replace(connection: Connection, old: Link, new: Link) -> bool:
    """Change an account, unless somebody else has changed or removed it since it was read; say whether it was done."""
    same = (
        (table.c.user_id == old.user_id)
        & (table.c.provider_id == old.provider_id)
        & (table.c.oauth_tokens == old.tokens.data)
    )
    return connection.execute(update(table).where(same).values(_row(new))).rowcount == 1


def remove(connection: Connection, user_id: str, provider_id: str) -> bool:
    """Delete an account; say whether it was there."""
    query = delete(table).where(table.c.user_id == user_id, table.c.provider_id == provider_id)
    return connection.execute(query).rowcount == 1


def remove_all(connection: Connection, user_id: str) -> None:
    """Delete all of a person's accounts."""
    connection.execute(delete(table).where(table.c.user_id == user_id))


def _row(link: Link) -> dict[str, Any]:
    return {
        "user_id": link.user_id,
        "provider_id": link.provider_id,
        "oauth_tokens": link.tokens.data,
        "oauth_tokens_key_id": link.tokens.key_id,
        "oauth_expiry": link.expires_at,
        "oauth_refresh_failure_reason": link.failure,
        "created_at": link.created_at,
        "updated_at": link.updated_at,
    }


def _link(row: RowMapping) -> Link:
    return Link(
        user_id=row["user_id"],
        provider_id=row["provider_id"],
        tokens=Sealed(bytes(row["oauth_tokens"]), row["oauth_tokens_key_id"]),
        expires_at=row["oauth_expiry"],
        failure=row["oauth_refresh_failure_reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
