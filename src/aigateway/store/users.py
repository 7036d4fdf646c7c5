"""Queries on users. Deleted users are not found by any of them, except where said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

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
    """`password`, `oidc`, or `none` for service accounts."""
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


def add(connection: Connection, user: User, hashed_password: str) -> None:
    """Insert a user.

    Raises:
        sqlalchemy.exc.IntegrityError: the name or the e-mail address is taken.
    """
    values = {column.name: getattr(user, "roles" if column.name == "rbac_roles" else column.name) for column in _SHOWN}
    connection.execute(insert(users).values(**values, hashed_password=hashed_password))


def by_id(connection: Connection, user_id: str) -> User | None:
    """The user with an id."""
    return _one(connection, users.c.id == user_id)


def by_username(connection: Connection, username: str) -> User | None:
    """The user with a name, capitals and small letters alike."""
    return _one(connection, func.lower(users.c.username) == username.lower())


def by_email(connection: Connection, email: str) -> User | None:
    """The user with an e-mail address, capitals and small letters alike."""
    return _one(connection, and_(func.lower(users.c.email) == email.lower(), users.c.email != ""))


def hashed_password(connection: Connection, user_id: str) -> str:
    """The hash of a user's password; empty when there is none."""
    found = connection.execute(select(users.c.hashed_password).where(users.c.id == user_id, _LIVING))
    return found.scalar() or ""


def exists_any(connection: Connection) -> bool:
    """Whether there is anybody at all."""
    found = connection.execute(select(users.c.id).where(_LIVING, users.c.is_system.is_(False)).limit(1))
    return found.first() is not None


def is_or_was(connection: Connection, user_id: str) -> bool:
    """Whether there is a user with an id, deleted or not."""
    return connection.execute(select(users.c.id).where(users.c.id == user_id)).first() is not None


def active_with_role(connection: Connection, role: str) -> set[str]:
    """The ids of the active users with a role."""
    found = connection.execute(select(users.c.id, users.c.rbac_roles).where(_LIVING, users.c.status == "active"))
    return {row.id for row in found if role in row.rbac_roles}


def page(
    connection: Connection, *, only: str | None, search: str, after_id: str | None, offset: int, limit: int
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
    count = connection.execute(select(func.count()).select_from(users).where(*conditions)).scalar_one()
    name = func.lower(users.c.username)
    if after_id is not None:
        conditions.append(name > select(name).where(users.c.id == after_id).scalar_subquery())
    found = connection.execute(select(*_SHOWN).where(*conditions).order_by(name).offset(offset).limit(limit))
    return UserPage(count=count, users=[_user(row) for row in found])


def change(connection: Connection, user_id: str, changes: Mapping[str, Any]) -> None:
    """Set columns of a user."""
    connection.execute(update(users).where(users.c.id == user_id).values(**changes))


def _one(connection: Connection, condition: ColumnElement[bool]) -> User | None:
    row = connection.execute(select(*_SHOWN).where(condition, _LIVING)).first()
    return None if row is None else _user(row)


def _user(row: Row[Any]) -> User:
    values = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it
    return User(roles=tuple(values.pop("rbac_roles")), **values)
