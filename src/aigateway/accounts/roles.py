"""Roles and what each may do (control-plane spec 9.5), as data. Everybody is a member besides."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from aigateway.accounts.errors import Invalid


class Role(StrEnum):
    """A role that a user can have."""

    OWNER = "owner"
    AUDITOR = "auditor"
    USER_ADMIN = "user-admin"
    MEMBER = "member"


DISPLAY_NAMES = {
    Role.OWNER: "Owner",
    Role.AUDITOR: "Auditor",
    Role.USER_ADMIN: "User Admin",
    Role.MEMBER: "Member",
}


class Permission(StrEnum):
    """What a role may allow. Nobody needs one for their own account, tokens and interceptions."""

    READ_ALL_INTERCEPTIONS = "read all interceptions"
    READ_ALL_USERS = "read all users"
    MANAGE_USERS = "manage users"
    MANAGE_ALL_TOKENS = "manage everybody's tokens"
    READ_SERVER_STATE = "read the server's state"
    READ_SETTINGS = "read the server's settings"
    TEST_PROVIDERS = "call providers to test them"


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.AUDITOR: frozenset(
        {Permission.READ_ALL_INTERCEPTIONS, Permission.READ_ALL_USERS, Permission.READ_SERVER_STATE}
    ),
    Role.USER_ADMIN: frozenset({Permission.READ_ALL_USERS, Permission.MANAGE_USERS}),
    Role.MEMBER: frozenset(),
}

RULES_OVER: dict[Role, frozenset[Role]] = {
    Role.OWNER: frozenset(Role),
    Role.USER_ADMIN: frozenset({Role.MEMBER}),
}
"""Which roles a role may give, and whose holders it may manage: nobody raises themselves or touches those above."""


def allows(roles: Iterable[str], permission: Permission) -> bool:
    """Whether any of these roles grants a permission. An unknown role grants nothing."""
    return any(permission in GRANTS.get(role, ()) for role in _known(roles))


def may_rule_over(roles: Iterable[str], others: Iterable[str]) -> bool:
    """Whether holders of `roles` may give all of the roles `others`, and manage users who have them."""
    ruled: set[str] = set()
    for role in _known(roles):
        ruled |= RULES_OVER.get(role, frozenset())
    return bool(ruled) and ruled.issuperset(others)


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """Roles as they are stored: known, once each, sorted, and without `member`, which everybody is.

    Raises:
        Invalid: a role is unknown.
    """
    wanted = set(names)
    for name in sorted(wanted):
        if name not in set(Role):
            raise Invalid("roles", f'There is no role "{name}". The roles are: {", ".join(Role)}.')
    return tuple(sorted(wanted - {Role.MEMBER}))


def _known(roles: Iterable[str]) -> set[Role]:
    return {Role(role) for role in roles if role in set(Role)}
