"""Signing in with a password, and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from aigateway.accounts import passwords
from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.errors import NotSignedIn
from aigateway.accounts.keys import SESSION, issue
from aigateway.accounts.roles import Role
from aigateway.store import api_keys, users
from aigateway.store.engine import Store
from aigateway.store.tables import api_keys as key_table
from aigateway.store.times import utc_now
from aigateway.store.turns import Turn, wait_for


@dataclass(frozen=True, slots=True)
class SignIn:
    """Sign-in sessions of a store's users."""

    store: Store
    authenticator: Authenticator
    session_duration: timedelta
    clock: Callable[[], datetime] = utc_now
    owners_only: bool = False
    """Whether nobody else may use a password (--disable-password-auth)."""

    async def login(self, email: str, password: str) -> str:
        """Open a session and return its token. The first sign-in makes a dormant user active.

        Raises:
            NotSignedIn: the password is not theirs (or there is no such user, which takes as long and says the same),
                or the user is suspended.
        """
        user_id, hashed = await self.store.read(_password_of, email)
        if not await passwords.is_password(password, hashed) or user_id is None:
            raise NotSignedIn("The e-mail address or the password is not right.")
        return await self.store.write(self._enter, user_id)

    async def logout(self, actor: Actor) -> None:
        """End the session, or remove the token, that the actor came with."""
        await self.store.write(api_keys.remove, key_table.c.id == actor.api_key_id)
        self.authenticator.forget(actor.api_key_id)

    def _enter(self, connection: Connection, user_id: str) -> str:
        wait_for(connection, Turn.PEOPLE)  # Whoever is suspended at this moment must not become active by it.
        user, now = users.by_id(connection, user_id), self.clock()
        if user is None or user.status == "suspended":
            raise NotSignedIn("This account is suspended. Ask an owner to activate it.")
        if self.owners_only and Role.OWNER not in user.roles:
            raise NotSignedIn(
                "Passwords are accepted from owners only here (--disable-password-auth). Sign in otherwise."
            )
        users.change(connection, user.id, {"status": "active", "last_seen_at": now})
        return issue(connection, user.id, login_type=SESSION, lifetime=self.session_duration, now=now)


def _password_of(connection: Connection, email: str) -> tuple[str | None, str]:
    """The id of a user and the hash of their password; None and nothing when there is no such user."""
    user = users.by_email(connection, email)
    return (user.id, users.hashed_password(connection, user.id)) if user else (None, "")
