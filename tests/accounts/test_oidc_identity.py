"""From claims to a person. What refuses them is told in tests/web/test_oidc.py."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aigateway.accounts.errors import SignInFailed
from aigateway.accounts.oidc.identity import identity_of
from aigateway.accounts.roles import Role
from aigateway.settings.sign_in_kinds import ROLES
from tests.web.test_oidc import DEFAULTS

CLAIMS = {"iss": "https://id.example.com", "sub": "1", "email": "grace.hopper@example.com", "email_verified": True}


def identity(settings=None, **claims):
    return identity_of(CLAIMS | claims, replace(DEFAULTS, **settings or {}))


@pytest.mark.parametrize(
    ("claimed", "username"),
    [
        ("grace", "grace"),
        ("grace@example.com", "grace"),
        ("Grace Hopper (Navy)", "Grace-Hopper-Navy"),
        ("--a__b--", "a-b"),
        ("x" * 99, "x" * 24),
        ("ü", "grace-hopper"),
        (None, "grace-hopper"),
        (7, "grace-hopper"),
    ],
)
def test_usernames_are_made_of_what_the_provider_says(claimed, username):
    assert identity(preferred_username=claimed).username == username


def test_claims_have_the_names_that_the_operator_gives():
    settings = {"username_field": "upn", "email_field": "mail", "name_field": "display"}
    found = identity(settings, upn="amazing", mail="other@example.com", display="Amazing\nGrace")
    assert (found.username, found.email, found.name) == ("amazing", "other@example.com", "AmazingGrace")


@pytest.mark.parametrize("verified", [True, "true"])
def test_some_providers_say_true_in_a_word(verified):
    assert identity(email_verified=verified).email == "grace.hopper@example.com"


@pytest.mark.parametrize("verified", [False, "false", "yes", None, [], {}])
def test_what_is_not_true_is_not_verified_unless_the_operator_trusts_it(verified):
    with pytest.raises(SignInFailed, match="--oidc-ignore-email-verified"):
        identity(email_verified=verified)
    assert identity({"ignore_email_verified": True}, email_verified=verified)


MAPPED = {"user_role_field": "groups", "user_role_mapping": {"admins": ("owner",), "audit": ("auditor", "member")}}


@pytest.mark.parametrize(
    ("settings", "groups", "roles"),
    [
        ({}, ["owner"], None),
        (MAPPED, ["admins", "others"], ("owner",)),
        (MAPPED, ["audit", "admins"], ("auditor", "owner")),
        (MAPPED, "audit", ("auditor",)),
        (MAPPED, ["owner", "auditor"], ()),
        (MAPPED, [], ()),
        (MAPPED | {"user_role_default": ("auditor",)}, [], ("auditor",)),
        ({"user_role_field": "groups"}, ["auditor", "strangers"], ("auditor",)),
    ],
)
def test_roles_come_from_the_claim_where_the_operator_says_so(settings, groups, roles):
    assert identity(settings, groups=groups).roles == roles


def test_a_claim_that_is_not_there_gives_no_role():
    assert identity(MAPPED).roles == ()


@pytest.mark.parametrize("groups", [{"a": 1}, [1], 5, None, [["admins"]]])
def test_roles_from_what_is_no_list_are_refused(groups):
    with pytest.raises(SignInFailed, match="no list of words"):
        identity(MAPPED, groups=groups)


def test_the_settings_know_the_roles():
    assert set(ROLES) == set(Role)
