"""Queries on API keys: tokens that people make, and the keys of sign-in sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, or_, select, update

from aigateway.store.tables import api_keys, users

TOKEN = "token"  # noqa: S105  # a kind of key
"""The login type of a token that a person made; other keys belong to sign-in sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A row of `api_keys`, without the secret's hash."""

    id: str
    user_id: str
    last_used: datetime | None
    expires_at: datetime
    lifetime_seconds: int
    login_type: str
    """`token`, or `password` or `oidc` for a sign-in session."""
    token_name: str | None
    created_at: datetime
    updated_at: datetime
    ip_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A key with what authentication needs to know of its user."""

    key_id: str
    hashed_secret: bytes
    expires_at: datetime
    lifetime_seconds: int
    login_type: str
    user_id: str
    username: str
    email: str
    roles: tuple[str, ...]
    may_enter: bool
    """The user is active, not deleted and not a system user."""


@dataclass(frozen=True, slots=True)
class Use:
    """That a key was used."""

    key_id: str
    user_id: str
    at: datetime
    expires_at: datetime | None
    """The new end of a session that slides; None leaves it."""


_SHOWN = tuple(api_keys.c[name] for name in ApiKey.__dataclass_fields__)

# Asked for every person every second, so it is made once.
_HOLDER = (
    select(
        api_keys.c.id.label("key_id"),
        api_keys.c.hashed_secret,
        api_keys.c.expires_at,
        api_keys.c.lifetime_seconds,
        api_keys.c.login_type,
        api_keys.c.user_id,
        users.c.username,
        users.c.email,
        users.c.rbac_roles,
        users.c.status,
        users.c.deleted,
        users.c.is_system,
    )
    .join(users, users.c.id == api_keys.c.user_id)
    .where(api_keys.c.id == bindparam("wanted"))
)


def add(connection: Connection, key: ApiKey, hashed_secret: bytes) -> None:
    """Insert a key.

    Raises:
        sqlalchemy.exc.IntegrityError: the user has a token of that name.
    """
    values = {column.name: getattr(key, column.name) for column in _SHOWN}
    connection.execute(
        insert(api_keys).values(**values, hashed_secret=hashed_secret, scopes=["all"], allow_list=["*:*"])
    )


def holder(connection: Connection, key_id: str) -> Holder | None:
    """A key and its user."""
    row = connection.execute(_HOLDER, {"wanted": key_id}).first()
    if row is None:
        return None
    return Holder(
        key_id=row.key_id,
        hashed_secret=row.hashed_secret,
        expires_at=row.expires_at,
        lifetime_seconds=row.lifetime_seconds,
        login_type=row.login_type,
        user_id=row.user_id,
        username=row.username,
        email=row.email,
        roles=tuple(row.rbac_roles),
        may_enter=row.status == "active" and not row.deleted and not row.is_system,
    )


def tokens(connection: Connection, *, user_id: str | None, valid_at: datetime | None) -> list[tuple[ApiKey, str]]:
    """Tokens with their users' names, oldest first: of one user or of everybody, all or those valid at a time."""
    query = select(*_SHOWN, users.c.username).join(users, users.c.id == api_keys.c.user_id)
    query = query.where(api_keys.c.login_type == TOKEN).order_by(api_keys.c.created_at, api_keys.c.id)
    if user_id is not None:
        query = query.where(api_keys.c.user_id == user_id)
    if valid_at is not None:
        query = query.where(api_keys.c.expires_at > valid_at)
    return [(_key(row), row.username) for row in connection.execute(query)]


def find(connection: Connection, user_id: str, id_or_name: str) -> ApiKey | None:
    """A user's key by its id, else by its token's name."""
    for condition in (api_keys.c.id == id_or_name, api_keys.c.token_name == id_or_name):
        row = connection.execute(select(*_SHOWN).where(api_keys.c.user_id == user_id, condition)).first()
        if row is not None:
            return _key(row)
    return None


def remove(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Delete the keys that meet a condition."""
    connection.execute(delete(api_keys).where(condition))


def record_uses(connection: Connection, uses: Sequence[Use]) -> None:
    """Remember when keys were last used and their users last seen. Never back in time."""
    # In one order, so that replicas that do the same at the same time do not wait for each other in a circle.
    rows: list[dict[str, Any]] = [
        {"key": use.key_id, "user": use.user_id, "at": use.at, "until": use.expires_at}
        for use in sorted(uses, key=lambda use: (use.user_id, use.key_id))
    ]
    connection.execute(
        update(api_keys)
        .where(api_keys.c.id == bindparam("key"))
        .values(last_used=bindparam("at"), expires_at=func.coalesce(bindparam("until"), api_keys.c.expires_at)),
        rows,
    )
    seen = users.c.last_seen_at
    connection.execute(
        update(users)
        .where(users.c.id == bindparam("user"), or_(seen.is_(None), seen < bindparam("at")))
        .values(last_seen_at=bindparam("at")),
        rows,
    )


def _key(row: Any) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in ApiKey.__dataclass_fields__})
