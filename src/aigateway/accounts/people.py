"""Users: who there is, and the rules for making, changing and removing them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from aigateway.accounts import passwords, roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.errors import Conflict, Missing, Refused
from aigateway.accounts.new_user import USERNAME, NewUser
from aigateway.accounts.roles import Permission, Role
from aigateway.store import api_keys, external_auth, user_links, users
from aigateway.store.engine import Store
from aigateway.store.tables import api_keys as key_table
from aigateway.store.times import utc_now
from aigateway.store.turns import Turn, wait_for
from aigateway.store.users import User, UserPage

ME = "me"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class People:
    """The users of a store. A `ref` names one: `me`, a UUID or a username."""

    store: Store
    authenticator: Authenticator
    clock: Callable[[], datetime] = utc_now

    async def is_anybody_there(self) -> bool:
        """Whether the first user was created."""
        return await self.store.read(users.exists_any)

    async def create_first(self, new: NewUser) -> User:
        """Create the first user, who is an active owner.

        Raises:
            Conflict: there is a user already.
        """
        too_late = Conflict("The first user was created already. Sign in, or ask an owner for an account.")
        if await self.is_anybody_there():
            raise too_late  # Anyone may ask this, so it must not cost the hash of a password.
        user, hashed = new.as_first().at(self.clock()), await passwords.hash_password(new.password)

        def add(connection: Connection) -> None:
            wait_for(connection, Turn.PEOPLE)
            if users.exists_any(connection):
                raise too_late
            users.add(connection, user, hashed)

        await self.store.write(add)
        return user

    async def create(self, actor: Actor, new: NewUser) -> User:
        """Create a user.

        Raises:
            Refused: the actor may not, or may not give these roles.
            Conflict: the username or the e-mail address is taken.
        """
        self._require(actor, Permission.MANAGE_USERS, "create users")
        self._require_rule(actor, new.roles)
        return await add_user(self.store, new, self.clock())

    async def get(self, actor: Actor, ref: str) -> User:
        """A user whom the actor may see.

        Raises:
            Missing: there is none.
        """
        return await self.store.read(self.find, actor, ref)

    async def initiator_id(self, actor: Actor, ref: str) -> str:
        """The id of a user to search the record for. One who reads all may also search for deleted users, by UUID.

        Raises:
            Missing: there is none.
        """

        def found(connection: Connection) -> str:
            reads_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)
            if reads_all and _UUID.fullmatch(ref) and users.is_or_was(connection, ref.lower()):
                return ref.lower()
            return self.find(connection, actor, ref).id

        return await self.store.read(found)

    async def page(self, actor: Actor, *, search: str, after_id: str | None, offset: int, limit: int) -> UserPage:
        """The users whom the actor may see, by name."""
        only = None if roles.allows(actor.roles, Permission.READ_ALL_USERS) else actor.user_id
        return await self.store.read(
            users.page, only=only, search=search, after_id=after_id, offset=offset, limit=limit
        )

    async def suspend(self, actor: Actor, ref: str) -> User:
        """Keep a user out, from the next request on.

        Raises:
            Missing, Refused, Conflict: no such user; not allowed; the last active owner.
        """
        return await self._change(actor, ref, "suspend", {"status": "suspended"}, removes_owner=True)

    async def activate(self, actor: Actor, ref: str) -> User:
        """Let a suspended or dormant user in.

        Raises:
            Missing, Refused: no such user; not allowed.
        """
        return await self._change(actor, ref, "activate", {"status": "active"}, removes_owner=False)

    async def set_roles(self, actor: Actor, ref: str, names: Iterable[str]) -> User:
        """Give a user these roles and no others.

        Raises:
            Invalid, Missing, Refused, Conflict: unknown role; no such user; not allowed; the last active owner.
        """
        wanted = roles.checked(names)
        self._require_rule(actor, wanted)
        removes_owner = Role.OWNER not in wanted
        return await self._change(
            actor, ref, "change the roles of", {"rbac_roles": list(wanted)}, removes_owner=removes_owner
        )

    async def delete(self, actor: Actor, ref: str) -> None:
        """Remove a user and their keys. What they did stays on record.

        Raises:
            Missing, Refused, Conflict: no such user; not allowed; the last active owner.
        """
        await self._change(actor, ref, "delete", {"deleted": True}, removes_owner=True)

    def find(self, connection: Connection, actor: Actor, ref: str) -> User:
        """As `get`, inside a transaction."""
        user = _named(connection, actor.user_id if ref == ME else ref)
        visible = user is not None and (
            user.id == actor.user_id or roles.allows(actor.roles, Permission.READ_ALL_USERS)
        )
        if user is None or not visible or user.is_system:
            raise Missing(f'There is no user "{ref}" whom you may see.')
        return user

    async def _change(self, actor: Actor, ref: str, verb: str, changes: dict[str, Any], *, removes_owner: bool) -> User:
        now = self.clock()

        def change(connection: Connection) -> User:
            wait_for(connection, Turn.PEOPLE)
            user = self.find(connection, actor, ref)
            self._require(actor, Permission.MANAGE_USERS, f"{verb} users")
            self._require_rule(actor, user.roles)
            if user.id == actor.user_id:
                raise Refused(f"You cannot {verb} your own account; ask another owner.")
            if removes_owner and users.active_with_role(connection, Role.OWNER) == {user.id}:
                raise Conflict(f"You cannot {verb} {user.username}, the last active owner. Make another owner first.")
            users.change(connection, user.id, changes | {"updated_at": now})
            if changes.get("deleted"):
                api_keys.remove(connection, key_table.c.user_id == user.id)
                external_auth.remove_all(connection, user.id)
                user_links.remove(connection, user.id)
            return user

        user = await self.store.write(change)
        self.authenticator.forget_user(user.id)
        return replace(
            user,
            status=changes.get("status", user.status),
            roles=tuple(changes.get("rbac_roles", user.roles)),
            updated_at=now,
        )

    def _require(self, actor: Actor, permission: Permission, what: str) -> None:
        if not roles.allows(actor.roles, permission):
            raise Refused(f"Your roles do not allow you to {what}. Ask an owner.")

    def _require_rule(self, actor: Actor, others: Iterable[str]) -> None:
        others = tuple(others)
        if others and not roles.may_rule_over(actor.roles, others):
            raise Refused(f"Only an owner may give or manage the roles {', '.join(others)}.")


async def add_user(store: Store, new: NewUser, now: datetime) -> User:
    """Insert a user.

    Raises:
        Conflict: the username or the e-mail address is taken.
    """
    user = new.at(now)
    hashed = await passwords.hash_password(new.password) if new.password else ""
    taken = Conflict(f'The username "{new.username}" or the e-mail address is taken. Choose another.')

    def add(connection: Connection) -> None:
        if users.by_username(connection, new.username):
            raise Conflict(f'The username "{new.username}" is taken. Choose another.')
        if new.email and users.by_email(connection, new.email):
            raise Conflict(f'The e-mail address "{new.email}" is taken. Choose another.')
        users.add(connection, user, hashed)

    try:
        await store.write(add)
    except IntegrityError as error:
        raise taken from error
    return user


def _named(connection: Connection, ref: str) -> User | None:
    if _UUID.fullmatch(ref):
        return users.by_id(connection, ref.lower())
    return users.by_username(connection, ref) if USERNAME.fullmatch(ref) else None
