"""Queries on users. Deleted users are not found by any of them, except where said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aigateway.store.tables import users


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A row of `users`, without the password's hash."""

    id: str
    email: str
    """Empty for service accounts."""
    username: str
    name: str
    avatar_url: str
    status: str
    """`active`, `dormant` or `suspended`."""
    roles: tuple[str, ...]
    login_type: str
    """`password`, or `none` for service accounts."""
    is_system: bool
    is_service_account: bool
    last_seen_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UserPage:
    """A part of the list of users, and how many there are in all."""

    count: int
    users: list[User]


_SHOWN = tuple(column for column in users.c if column.name not in {"hashed_password", "deleted"})
_LIVING = users.c.deleted.is_(False)


async def add(connection: AsyncConnection, user: User, hashed_password: str) -> None:
    """Insert a user.

    Raises:
        sqlalchemy.exc.IntegrityError: the name or the e-mail address is taken.
    """
    values = {column.name: getattr(user, "roles" if column.name == "rbac_roles" else column.name) for column in _SHOWN}
    await connection.execute(insert(users).values(**values, hashed_password=hashed_password))


async def by_id(connection: AsyncConnection, user_id: str) -> User | None:
    """The user with an id."""
    return await _one(connection, users.c.id == user_id)


async def by_username(connection: AsyncConnection, username: str) -> User | None:
    """The user with a name, capitals and small letters alike."""
    return await _one(connection, func.lower(users.c.username) == username.lower())


async def by_email(connection: AsyncConnection, email: str) -> User | None:
    """The user with an e-mail address, capitals and small letters alike."""
    return await _one(connection, and_(func.lower(users.c.email) == email.lower(), users.c.email != ""))


async def hashed_password(connection: AsyncConnection, user_id: str) -> str:
    """The hash of a user's password; empty when there is none."""
    found = await connection.execute(select(users.c.hashed_password).where(users.c.id == user_id, _LIVING))
    return found.scalar() or ""


async def exists_any(connection: AsyncConnection) -> bool:
    """Whether there is anybody at all."""
    found = await connection.execute(select(users.c.id).where(_LIVING, users.c.is_system.is_(False)).limit(1))
    return found.first() is not None


async def is_or_was(connection: AsyncConnection, user_id: str) -> bool:
    """Whether there is a user with an id, deleted or not."""
    return (await connection.execute(select(users.c.id).where(users.c.id == user_id))).first() is not None


async def active_with_role(connection: AsyncConnection, role: str) -> set[str]:
    """The ids of the active users with a role."""
    found = await connection.execute(select(users.c.id, users.c.rbac_roles).where(_LIVING, users.c.status == "active"))
    return {row.id for row in found if role in row.rbac_roles}


async def page(
    connection: AsyncConnection, *, only: str | None, search: str, after_id: str | None, offset: int, limit: int
) -> UserPage:
    """Users by name.

    Args:
        connection: a transaction.
        only: the one user who may be seen; None for all.
        search: a part of the name, the full name or the e-mail address; empty for everybody.
        after_id: the last user already seen.
        offset: how many to leave out.
        limit: how many at most.
    """
    conditions: list[ColumnElement[bool]] = [_LIVING, users.c.is_system.is_(False)]
    if only is not None:
        conditions.append(users.c.id == only)
    if search:
        matching = (users.c.username, users.c.name, users.c.email)
        conditions.append(or_(*(column.icontains(search, autoescape=True) for column in matching)))
    count = (await connection.execute(select(func.count()).select_from(users).where(*conditions))).scalar_one()
    name = func.lower(users.c.username)
    if after_id is not None:
        conditions.append(name > select(name).where(users.c.id == after_id).scalar_subquery())
    found = await connection.execute(select(*_SHOWN).where(*conditions).order_by(name).offset(offset).limit(limit))
    return UserPage(count=count, users=[_user(row) for row in found])


async def change(connection: AsyncConnection, user_id: str, changes: Mapping[str, Any]) -> None:
    """Set columns of a user."""
    await connection.execute(update(users).where(users.c.id == user_id).values(**changes))


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> User | None:
    row = (await connection.execute(select(*_SHOWN).where(condition, _LIVING))).first()
    return None if row is None else _user(row)


def _user(row: Row[Any]) -> User:
    values = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it
    return User(roles=tuple(values.pop("rbac_roles")), **values)
