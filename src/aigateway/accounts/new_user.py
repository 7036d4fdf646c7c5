"""A user as asked for, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from aigateway.accounts import roles
from aigateway.accounts.errors import Invalid
from aigateway.accounts.passwords import check_strength
from aigateway.store.users import User

USERNAME = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
LONGEST_NAME = 128
PASSWORD, OIDC, NONE = "password", "oidc", "none"
"""How somebody signs in: with a password, with OpenID Connect, or never, as service accounts do."""
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+")
_RESERVED = frozenset({"me", "first", "login", "logout"})
"""Words that stand in a path where a username may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user who is to be created: a person with an address and a password, or a service account with neither.

    Somebody who is to sign in with OpenID Connect has an address and no password.

    Raises:
        Invalid: a field cannot be used.
    """

    username: str
    email: str = ""
    password: str = ""
    name: str = ""
    roles: tuple[str, ...] = ()
    is_service_account: bool = False
    login_type: str = PASSWORD
    """`password` or `oidc`; that of a service account is always `none`."""
    status: str = "dormant"
    """`dormant` until the first sign-in, or `active`. Service accounts, which never sign in, are always active."""

    def __post_init__(self) -> None:
        if not (len(self.username) <= 32 and USERNAME.fullmatch(self.username)) or self.username.lower() in _RESERVED:
            raise Invalid(
                "username",
                "A username has 1 to 32 letters, digits and single hyphens between them, and is not one of "
                f"{', '.join(sorted(_RESERVED))}.",
            )
        if len(self.name) > LONGEST_NAME or not self.name.isprintable():
            raise Invalid("name", f"A name has at most {LONGEST_NAME} printable characters.")
        if self.login_type not in {PASSWORD, OIDC}:
            raise Invalid("login_type", "A person signs in by password or oidc.")
        if self.status not in {"dormant", "active"}:
            raise Invalid("user_status", "A new user is dormant or active.")
        object.__setattr__(self, "roles", roles.checked(self.roles))
        if self.is_service_account:
            self._check_service()
        else:
            self._check_person()

    def _check_service(self) -> None:
        if self.email:
            raise Invalid("email", "A service account has no e-mail address.")
        if self.password:
            raise Invalid("password", "A service account has no password; give it a token instead.")

    def _check_person(self) -> None:
        if not is_email(self.email):
            raise Invalid("email", "An e-mail address is needed, such as ann@example.com.")
        if self.login_type == PASSWORD:
            check_strength(self.password)
        elif self.password:
            raise Invalid("password", "Whoever signs in with OpenID Connect has no password here.")

    def at(self, now: datetime) -> User:
        """The user to insert."""
        return User(
            id=str(uuid4()),
            email=self.email,
            username=self.username,
            name=self.name,
            avatar_url="",
            status="active" if self.is_service_account else self.status,
            roles=self.roles,
            login_type=NONE if self.is_service_account else self.login_type,
            is_system=False,
            is_service_account=self.is_service_account,
            last_seen_at=None,
            created_at=now,
            updated_at=now,
        )

    def as_first(self) -> NewUser:
        """The same person as an active owner."""
        return replace(self, roles=(roles.Role.OWNER,), status="active")


def is_email(text: str) -> bool:
    """Whether it may be somebody's e-mail address."""
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None
