"""Signing in as somebody whom an OpenID provider vouches for."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.errors import Conflict, Invalid, NotSignedIn, SignInFailed
from aigateway.accounts.keys import issue
from aigateway.accounts.new_user import OIDC, NewUser
from aigateway.accounts.oidc.identity import Identity
from aigateway.accounts.roles import Role
from aigateway.store import user_links, users
from aigateway.store.engine import Store
from aigateway.store.times import utc_now
from aigateway.store.turns import Turn, wait_for
from aigateway.store.users import User
from aigateway.telemetry.logging import get_logger

_log = get_logger("accounts.oidc")
_TRIES = 20
"""For a username that is not taken."""


@dataclass(frozen=True, slots=True)
class SignUps:
    """Whether whoever is new gets an account."""

    allowed: bool
    otherwise: str | None
    """What they are told when not; None for our own words."""


@dataclass(frozen=True, slots=True)
class LinkedSignIn:
    """Knows people by issuer and subject, which never change, and never by an address that anybody may get."""

    store: Store
    authenticator: Authenticator
    session_duration: timedelta
    sign_ups: SignUps
    clock: Callable[[], datetime] = utc_now

    async def enter(self, identity: Identity) -> str:
        """Open a session and return its token; whoever is new gets an account first, and the very first is the owner.

        Raises:
            SignInFailed: there is no account, and none is made.
            NotSignedIn: the account is suspended.
        """
        try:
            user_id, token = await self.store.write(self._enter, identity)
        except IntegrityError as error:
            raise SignInFailed(
                "Somebody got this name or address at this moment. Try again.", "account: taken"
            ) from error
        self.authenticator.forget_user(user_id)  # Their roles may be others now.
        return token

    async def connect(self, actor: Actor, identity: Identity) -> None:
        """Let somebody who is signed in sign in as this identity from now on.

        Raises:
            Conflict: it is somebody else's.
        """

        def connected(connection: Connection) -> None:
            wait_for(connection, Turn.PEOPLE)
            owner = user_links.user_of(connection, identity.issuer, identity.subject)
            if owner not in {None, actor.user_id}:
                raise Conflict("Another account here is connected to this sign-in already. Ask an owner.")
            user_links.add(connection, actor.user_id, identity.issuer, identity.subject, self.clock())

        await self.store.write(connected)

    def _enter(self, connection: Connection, identity: Identity) -> tuple[str, str]:
        wait_for(connection, Turn.PEOPLE)
        now = self.clock()
        user = (
            self._known(connection, identity) or self._awaited(connection, identity) or self._new(connection, identity)
        )
        if user.status == "suspended":
            raise NotSignedIn("This account is suspended. Ask an owner to activate it.")
        changes: dict[str, Any] = {"status": "active", "last_seen_at": now}
        if user.login_type == OIDC:
            changes |= self._refreshed(connection, user, identity)
        if identity.roles is not None:
            changes["rbac_roles"] = list(_kept_owner(connection, user, identity.roles))
        users.change(connection, user.id, changes)
        return user.id, issue(connection, user.id, login_type=OIDC, lifetime=self.session_duration, now=now)

    def _known(self, connection: Connection, identity: Identity) -> User | None:
        user_id = user_links.user_of(connection, identity.issuer, identity.subject)
        return users.by_id(connection, user_id) if user_id else None

    def _awaited(self, connection: Connection, identity: Identity) -> User | None:
        """An account that was made for whoever signs in first with its address, and that has no password."""
        user = users.by_email(connection, identity.email)
        if user is None:
            return None
        if user.login_type != OIDC or user_links.is_linked(connection, user.id):
            # Whoever can get the address at the provider must not get the account by it.
            raise SignInFailed(
                "There is an account with your e-mail address already, which is not connected to this sign-in. "
                "Sign in to it as before and connect it under Account, or ask an owner.",
                "account: the address is another account's",
            )
        user_links.add(connection, user.id, identity.issuer, identity.subject, self.clock())
        return user

    def _new(self, connection: Connection, identity: Identity) -> User:
        if not self.sign_ups.allowed:
            told = self.sign_ups.otherwise or "You have no account here, and none is made. Ask an owner for one."
            raise SignInFailed(told, "account: none, and sign-ups are not allowed")
        try:
            new = NewUser(
                username=_free_username(connection, identity.username or "user"),
                email=identity.email,
                name=identity.name,
                login_type=OIDC,
            )
        except Invalid as error:
            raise SignInFailed(str(error), f"account: {error.field} cannot be used") from error
        if not users.exists_any(connection):
            new = new.as_first()
        user = new.at(self.clock())
        users.add(connection, user, "")
        user_links.add(connection, user.id, identity.issuer, identity.subject, self.clock())
        return user

    def _refreshed(self, connection: Connection, user: User, identity: Identity) -> dict[str, Any]:
        """What the provider says of them now; an address that somebody else has here is left alone."""
        changes: dict[str, Any] = {"name": identity.name or user.name}
        if identity.email != user.email:
            holder = users.by_email(connection, identity.email)
            if holder is None or holder.id == user.id:
                changes["email"] = identity.email
        return changes


def _kept_owner(connection: Connection, user: User, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The roles, and the owner's besides for the last one: a mapping must not leave a server to nobody."""
    if Role.OWNER in wanted or users.active_with_role(connection, Role.OWNER) - {user.id}:
        return wanted
    if Role.OWNER not in user.roles:
        return wanted
    _log.warning("the last owner stays one, although the provider's claim says otherwise", username=user.username)
    return roles.checked({*wanted, Role.OWNER})


def _free_username(connection: Connection, wished: str) -> str:
    """The wish, or the wish with something behind it."""
    for _ in range(_TRIES):
        try:
            NewUser(username=wished, is_service_account=True)
        except Invalid:
            pass
        else:
            if users.by_username(connection, wished) is None:
                return wished
        wished = f"{wished[:24].rstrip('-')}-{secrets.token_hex(3)}"
    raise SignInFailed("No username could be found for you. Try again.", "account: no free username")
