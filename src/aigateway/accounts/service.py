"""The services of accounts, put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.keys import Keys, Lifetimes
from aigateway.accounts.password_change import PasswordChange
from aigateway.accounts.people import People
from aigateway.accounts.sign_in import SignIn
from aigateway.store.engine import Store
from aigateway.store.times import utc_now


class Accounts:
    """Users (`people`), their passwords (`password_change`), keys (`keys`) and sessions (`sign_in`).

    Changes are told to `authenticator`, so that they count from the next request on.
    """

    def __init__(
        self,
        store: Store,
        authenticator: Authenticator,
        limits: Lifetimes,
        *,
        passwords_of_owners_only: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.people = People(store, authenticator, clock)
        self.password_change = PasswordChange(store, authenticator, self.people)
        self.keys = Keys(store, authenticator, self.people, limits, clock)
        self.sign_in = SignIn(store, authenticator, limits.session_duration, clock, passwords_of_owners_only)
