from __future__ import annotations

from dataclasses import replace

import pytest

from aigateway.web.site import Oidc
from tests.web.conftest import PASSWORD

GRACE = {"username": "grace", "email": "grace@example.com", "password": PASSWORD}


@pytest.fixture
async def owner(browser, boss):
    await browser.be(boss)
    return browser


async def listed(browser, q=""):
    return {user["username"]: user for user in (await browser.get(f"/people.json?q={q}")).json()["users"]}


@pytest.mark.parametrize(
    ("kind", "email", "login_type", "status"),
    [("password", "grace@example.com", "password", "dormant"), ("none", "", "none", "active")],
)
async def test_accounts_of_each_kind_are_made(owner, kind, email, login_type, status):
    assert (await owner.submit("/people", "/people", **(GRACE | {"kind": kind}))).status_code == 303
    made = (await listed(owner))["grace"]
    assert (made["email"], made["login_type"], made["status"]) == (email, login_type, status)


async def test_a_person_gets_a_new_password(owner, world):
    await owner.submit("/people", "/people", **GRACE)
    session = await world.accounts.sign_in.login("grace@example.com", PASSWORD)
    assert (await owner.submit("/people", "/people/grace/password", password="short")).status_code == 400
    assert (await owner.submit("/people", "/people/grace/password", password="a new battery")).status_code == 303
    assert await world.authenticator.authenticate(session) is None
    assert await world.accounts.sign_in.login("grace@example.com", "a new battery")


async def test_a_person_is_deleted_with_their_tokens(owner, world, ann):
    token = await world.token(ann)
    assert (await owner.submit("/people", "/people/ann/delete")).status_code == 303
    assert "ann" not in await listed(owner)
    assert await world.authenticator.authenticate(token) is None
    assert (await owner.submit("/people", "/people/boss/delete")).status_code == 403


@pytest.mark.parametrize("form", ["password", "delete"])
async def test_members_and_auditors_change_nobody(browser, world, ann, boss, form):
    await browser.be(await world.user("eve", "auditor"))
    answer = await browser.submit("/tokens", f"/people/ann/{form}", password="a new battery")
    assert answer.status_code == 403
    assert "ann" in await listed(browser)
    assert "/delete" not in (await browser.get("/people")).text


async def test_a_search_that_finds_nobody_says_so(owner):
    assert "Nobody is called so." in (await owner.get("/people?q=nobody")).text


class TestWithOpenIdConnect:
    @pytest.fixture
    def site(self, site):
        return replace(site, oidc=Oidc(None, None, "Example ID"))

    async def test_accounts_can_await_their_people(self, owner):
        assert "Example ID, without a password" in (await owner.get("/people")).text
        assert (await owner.submit("/people", "/people", **(GRACE | {"kind": "oidc"}))).status_code == 303
        assert (await listed(owner))["grace"]["login_type"] == "oidc"


class TestBeyondLoopback:
    @pytest.fixture
    def site(self, site):
        return replace(site, is_exposed=True)

    async def test_the_set_up_page_warns_that_others_may_come_first(self, browser):
        assert "Other machines can reach this server" in (await browser.get("/setup")).text


async def test_on_loopback_the_set_up_page_need_not_warn(browser):
    page = (await browser.get("/setup")).text
    assert "Create the owner" in page
    assert "Other machines" not in page
