"""API keys: the tokens that people make, and the keys of their sign-in sessions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.errors import Conflict, Invalid, Missing, Refused
from aigateway.accounts.people import People
from aigateway.accounts.roles import Permission
from aigateway.accounts.tokens import mint
from aigateway.store import api_keys
from aigateway.store.api_keys import TOKEN, ApiKey
from aigateway.store.engine import Store
from aigateway.store.tables import api_keys as key_table
from aigateway.store.times import utc_now
from aigateway.store.users import User

SESSION = "password"
"""The login type of a sign-in session's key."""
_TOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Lifetimes(Protocol):
    """How long keys live: the part of the settings that matters here. All positive."""

    @property
    def session_duration(self) -> timedelta:
        """A sign-in session, from its last use."""

    @property
    def default_lifetime(self) -> timedelta:
        """A token that was asked for without a lifetime."""

    @property
    def max_lifetime(self) -> timedelta:
        """The longest that a token may be asked for."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a store's users. A `ref` names a user: `me`, a UUID or a username."""

    store: Store
    authenticator: Authenticator
    people: People
    limits: Lifetimes
    clock: Callable[[], datetime] = utc_now

    async def create_token(self, actor: Actor, ref: str, name: str, lifetime: timedelta | None) -> str:
        """Make a token and return its text, which is shown only now.

        Args:
            actor: who asks.
            ref: whose token it becomes.
            name: unique among the user's tokens; empty for a made-up one.
            lifetime: None for the default.

        Raises:
            Invalid, Missing, Refused, Conflict: a bad name or lifetime; no such user; not allowed; the name is taken.
        """
        lifetime = self._checked(lifetime)
        if name and not _TOKEN_NAME.fullmatch(name):
            raise Invalid(
                "token_name",
                "A token's name has 1 to 64 letters, digits, dots, hyphens and underscores, "
                "and begins with a letter or a digit.",
            )
        return await self.store.write(self._issue, actor, ref, login_type=TOKEN, name=name, lifetime=lifetime)

    async def create_session(self, actor: Actor, ref: str) -> str:
        """Make another session key, as a sign-in would, and return its token.

        Raises:
            Missing, Refused: no such user; not allowed.
        """
        return await self.store.write(
            self._issue, actor, ref, login_type=SESSION, lifetime=self.limits.session_duration
        )

    async def tokens(
        self, actor: Actor, ref: str, *, include_expired: bool, include_all: bool
    ) -> list[tuple[ApiKey, str]]:
        """Tokens, oldest first, each with its user's name: one user's, or everybody's for an owner.

        Raises:
            Missing, Refused: no such user; not allowed.
        """
        valid_at = None if include_expired else self.clock()

        def listed(connection: Connection) -> list[tuple[ApiKey, str]]:
            if include_all and roles.allows(actor.roles, Permission.MANAGE_ALL_TOKENS):
                return api_keys.tokens(connection, user_id=None, valid_at=valid_at)
            user = self._owner(connection, actor, ref)
            return api_keys.tokens(connection, user_id=user.id, valid_at=valid_at)

        return await self.store.read(listed)

    async def remove(self, actor: Actor, ref: str, id_or_name: str) -> None:
        """Remove a key; it is refused from the next request on.

        Raises:
            Missing, Refused: no such user or key; not allowed.
        """
        self.authenticator.forget(await self.store.write(self._remove, actor, ref, id_or_name))

    def _issue(
        self, connection: Connection, actor: Actor, ref: str, *, login_type: str, lifetime: timedelta, name: str = ""
    ) -> str:
        user = self._owner(connection, actor, ref)
        return issue(connection, user.id, login_type=login_type, lifetime=lifetime, now=self.clock(), name=name)

    def _remove(self, connection: Connection, actor: Actor, ref: str, id_or_name: str) -> str:
        """Remove a key and tell its id."""
        user = self._owner(connection, actor, ref)
        key = api_keys.find(connection, user.id, id_or_name) if _TOKEN_NAME.fullmatch(id_or_name) else None
        if key is None:
            raise Missing(f'{user.username} has no token "{id_or_name}".')
        api_keys.remove(connection, key_table.c.id == key.id)
        return key.id

    def _checked(self, lifetime: timedelta | None) -> timedelta:
        if lifetime is None:
            return min(self.limits.default_lifetime, self.limits.max_lifetime)
        if lifetime < timedelta(seconds=1):
            raise Invalid("lifetime", "A token lives for at least a second.")
        if lifetime > self.limits.max_lifetime:
            hours = self.limits.max_lifetime / timedelta(hours=1)
            raise Invalid("lifetime", f"A token lives for at most {hours:g}h here (--max-token-lifetime).")
        return lifetime

    def _owner(self, connection: Connection, actor: Actor, ref: str) -> User:
        """The user, if the actor may handle their keys: one's own, an owner all, a user admin those of services."""
        user = self.people.find(connection, actor, ref)
        if user.id == actor.user_id or roles.allows(actor.roles, Permission.MANAGE_ALL_TOKENS):
            return user
        manages = roles.allows(actor.roles, Permission.MANAGE_USERS)
        if user.is_service_account and manages and roles.may_rule_over(actor.roles, user.roles):
            return user
        raise Refused(f"Only {user.username} and owners may handle the tokens of {user.username}.")


def issue(
    connection: Connection, user_id: str, *, login_type: str, lifetime: timedelta, now: datetime, name: str = ""
) -> str:
    """Insert a new key and return its token.

    Raises:
        Conflict: the user has a token of that name.
    """
    minted = mint()
    key = ApiKey(
        id=minted.key_id,
        user_id=user_id,
        last_used=None,
        expires_at=now + lifetime,
        lifetime_seconds=int(lifetime.total_seconds()),
        login_type=login_type,
        token_name=(name or f"token-{minted.key_id}") if login_type == TOKEN else None,
        created_at=now,
        updated_at=now,
    )
    try:
        api_keys.add(connection, key, minted.hashed_secret)
    except IntegrityError as error:
        raise Conflict(f'There is a token named "{name}" already. Choose another name, or remove it first.') from error
    return minted.text
