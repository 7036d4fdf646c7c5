"""A small world of accounts on a real database, with a clock that a test moves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from argon2 import PasswordHasher

from aigateway.accounts import passwords
from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.keys import issue
from aigateway.accounts.new_user import NewUser
from aigateway.accounts.service import Accounts
from aigateway.store import users
from aigateway.store.api_keys import TOKEN
from aigateway.store.engine import Store
from aigateway.store.users import User


@dataclass(frozen=True)
class Limits:
    session_duration: timedelta = timedelta(hours=24)
    default_lifetime: timedelta = timedelta(hours=168)
    max_lifetime: timedelta = timedelta(days=90)


LIMITS = Limits()

_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_NOBODYS = _QUICK.hash("nobody")
"""A real hash costs a quarter of a second of a core; `accounts/test_passwords.py` makes some."""


@dataclass
class Clock:
    """Time that moves when told."""

    at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class World:
    store: Store
    authenticator: Authenticator
    accounts: Accounts
    clock: Clock = field(default_factory=Clock)

    async def user(self, username: str, *roles: str, status: str = "active", service: bool = False) -> User:
        """Insert a user. The password is not hashed, so that tests are quick: there is none."""
        new = NewUser(
            username=username,
            email="" if service else f"{username}@example.com",
            password="" if service else "correct horse",
            roles=roles,
            is_service_account=service,
            status=status,
        )
        user = new.at(self.clock.now())
        await self.store.write(users.add, user, "")
        return user

    async def token(self, user: User, lifetime: timedelta = timedelta(hours=1), *, login_type: str = TOKEN) -> str:
        return await self.store.write(
            issue, user.id, login_type=login_type, lifetime=lifetime, now=self.clock.now(), name=""
        )

    async def actor(self, username: str, *roles: str) -> Actor:
        """A new active user, as the authenticator knows them."""
        user = await self.user(username, *roles)
        actor = await self.authenticator.authenticate(await self.token(user))
        assert actor is not None
        return actor


@asynccontextmanager
async def world(url: str):
    """A new world in a database, in which passwords cost nothing."""
    store = await Store.open(url)
    clock = Clock()
    authenticator = Authenticator(store, clock=clock.now, monotonic=clock.monotonic)
    try:
        with patch.multiple(passwords, _hasher=lambda: _QUICK, NOBODYS_HASH=_NOBODYS):
            yield World(store, authenticator, Accounts(store, authenticator, LIMITS, clock=clock.now), clock)
    finally:
        await authenticator.close()
        await store.close()
