"""Accounts made by whoever has the database at hand, without signing in."""

from __future__ import annotations

from datetime import timedelta

from aigateway.accounts.keys import issue
from aigateway.accounts.new_user import NewUser
from aigateway.accounts.people import add_user
from aigateway.store.api_keys import TOKEN
from aigateway.store.engine import Store
from aigateway.store.times import utc_now
from aigateway.store.users import User


async def create_admin(store: Store, *, username: str, email: str, password: str, name: str = "") -> User:
    """Create an active owner, whoever else there is.

    Raises:
        Invalid, Conflict: a field cannot be used; the username or the address is taken.
        StoreUnavailable: the database is away.
    """
    new = NewUser(username=username, email=email, password=password, name=name)
    return await add_user(store, new.as_first(), utc_now())


async def create_token(store: Store, user: User, *, name: str, lifetime: timedelta) -> str:
    """Make a token for a user and return its text.

    Raises:
        Conflict: the user has a token of that name.
        StoreUnavailable: the database is away.
    """
    return await store.write(issue, user.id, login_type=TOKEN, name=name, lifetime=lifetime, now=utc_now())
