from __future__ import annotations

import pytest

from aigateway.accounts import roles
from aigateway.accounts.errors import Invalid
from aigateway.accounts.roles import Permission


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        ("owner", set(Permission)),
        (
            "auditor",
            {Permission.READ_ALL_INTERCEPTIONS, Permission.READ_ALL_USERS, Permission.READ_SERVER_STATE},
        ),
        ("user-admin", {Permission.READ_ALL_USERS, Permission.MANAGE_USERS}),
        ("member", set()),
        ("no-such-role", set()),
    ],
)
def test_what_each_role_may_do(role, granted):
    assert {permission for permission in Permission if roles.allows([role], permission)} == granted


def test_nobody_gives_what_they_do_not_rule_over():
    assert roles.may_rule_over(["owner"], ["owner", "auditor"])
    assert roles.may_rule_over(["user-admin"], [])
    for role in ("owner", "auditor", "user-admin", "no-such-role"):
        assert not roles.may_rule_over(["user-admin"], [role])
        assert not roles.may_rule_over(["auditor"], [role])
    assert not roles.may_rule_over([], [])


def test_roles_are_stored_once_sorted_and_without_member():
    assert roles.checked(["owner", "member", "auditor", "owner"]) == ("auditor", "owner")
    with pytest.raises(Invalid, match="owner, auditor, user-admin, member"):
        roles.checked(["root"])
