"""Queries on `user_links`: which users sign in as whom at an OpenID provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from aigateway.store.tables import user_links


def user_of(connection: Connection, issuer: str, subject: str) -> str | None:
    """The id of the user who is connected to a subject of an issuer."""
    found = select(user_links.c.user_id).where(user_links.c.issuer == issuer, user_links.c.subject == subject)
    return connection.execute(found).scalar()


def is_linked(connection: Connection, user_id: str) -> bool:
    """Whether a user is connected to any subject."""
    return connection.execute(select(user_links.c.subject).where(user_links.c.user_id == user_id)).first() is not None


def add(connection: Connection, user_id: str, issuer: str, subject: str, now: datetime) -> None:
    """Connect a user to a subject of an issuer, which nobody must be connected to, in place of any other."""
    remove(connection, user_id)
    connection.execute(
        insert(user_links).values(issuer=issuer, subject=subject, user_id=user_id, login_type="oidc", created_at=now)
    )


def remove(connection: Connection, user_id: str) -> None:
    """Disconnect a user."""
    connection.execute(delete(user_links).where(user_links.c.user_id == user_id))
