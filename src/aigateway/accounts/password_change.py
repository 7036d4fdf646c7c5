"""Changing passwords: one's own by the old one, others' by those who manage them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_

from aigateway.accounts import passwords, roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.errors import Conflict, Invalid, Refused
from aigateway.accounts.new_user import PASSWORD
from aigateway.accounts.people import People
from aigateway.accounts.roles import Permission
from aigateway.store import api_keys, users
from aigateway.store.api_keys import TOKEN
from aigateway.store.engine import Store
from aigateway.store.tables import api_keys as key_table
from aigateway.store.users import User


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """Sets passwords, and ends the sessions that were opened with the old ones."""

    store: Store
    authenticator: Authenticator
    people: People

    async def change(self, actor: Actor, ref: str, new: str, old: str = "") -> None:
        """Set a password. Whoever changes their own must know the old one, and stays signed in here only.

        Raises:
            Invalid: the old one is not right, or the new one is none.
            Missing, Refused, Conflict: no such user; not allowed; the user signs in otherwise.
        """
        passwords.check_strength(new)
        user, hashed = await self.store.read(self._found, actor, ref)
        if user.id == actor.user_id and not await passwords.is_password(old, hashed):
            raise Invalid("old_password", "Your old password is not right.")
        made = await passwords.hash_password(new)

        def change(connection: Connection) -> None:
            found, current = self._found(connection, actor, ref)
            if current != hashed:
                raise Conflict("The password was changed at this moment by somebody else. Try again.")
            changed_at = self.people.clock()
            users.change(connection, found.id, {"hashed_password": made, "updated_at": changed_at})
            of_session = and_(key_table.c.login_type != TOKEN, key_table.c.id != actor.api_key_id)
            api_keys.remove(connection, and_(key_table.c.user_id == found.id, of_session))

        await self.store.write(change)
        self.authenticator.forget_user(user.id)

    def _found(self, connection: Connection, actor: Actor, ref: str) -> tuple[User, str]:
        """The user and the hash of their password, if the actor may change it."""
        user = self.people.find(connection, actor, ref)
        manages = roles.allows(actor.roles, Permission.MANAGE_USERS) and roles.may_rule_over(actor.roles, user.roles)
        if user.id != actor.user_id and not manages:
            raise Refused(f"You may not change the password of {user.username}. Ask an owner.")
        if user.login_type != PASSWORD:
            raise Conflict(f"{user.username} does not sign in with a password.")
        return user, users.hashed_password(connection, user.id)
