from __future__ import annotations

from dataclasses import replace

import pytest

from aigateway.accounts.new_user import NewUser
from aigateway.accounts.service import Accounts
from tests.support.people import LIMITS
from tests.web.conftest import PASSWORD

NEW = "another battery staple"


@pytest.fixture
async def grace(world, browser):
    """Somebody who signed in with a password."""
    actor = await world.actor("boss", "owner")
    new = NewUser(username="grace", email="grace@example.com", password=PASSWORD, name="<b>Grace</b>")
    user = await world.accounts.people.create(actor, new)
    await browser.submit("/signin", "/signin", email="grace@example.com", password=PASSWORD)
    return user


async def change(browser, old, new, again=None):
    return await browser.submit("/account", "/account/password", old=old, new=new, again=again or new)


async def test_people_see_who_they_are_and_change_their_password(browser, world, grace):
    page = await browser.get("/account")
    assert "&lt;b&gt;Grace&lt;/b&gt;" in page.text
    assert "a password" in page.text
    answer = await change(browser, PASSWORD, NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?password=1")
    assert "Your password is changed" in (await browser.get("/account?password=1")).text
    assert await world.accounts.sign_in.login("grace@example.com", NEW)


@pytest.mark.parametrize(
    ("old", "new", "again", "sentence"),
    [
        ("wrong", NEW, NEW, "Your old password is not right."),
        (PASSWORD, "short", "short", "A password has 8 to 128 characters."),
        (PASSWORD, NEW, "other", "not the same both times"),
    ],
)
async def test_what_is_no_change_says_why(browser, world, grace, old, new, again, sentence):
    answer = await change(browser, old, new, again)
    assert (answer.status_code, sentence in answer.text) == (400, True)
    assert await world.accounts.sign_in.login("grace@example.com", PASSWORD)


async def test_guessing_the_old_password_gets_slow(browser, grace):
    statuses = [(await change(browser, "wrong", "short")).status_code for _ in range(7)]
    assert statuses[:5] == [400] * 5
    assert 429 in statuses[5:]


async def test_a_session_for_the_command_line_is_made_by_a_click_and_shown_once(browser, world, grace):
    assert "Make a session" in (await browser.get("/cli-auth")).text
    made = await browser.submit("/cli-auth", "/cli-auth")
    [token] = {
        word for word in made.text.replace("<", " ").replace(">", " ").split() if len(word) == 33 and "-" in word
    }
    assert (await world.authenticator.authenticate(token)).username == "grace"
    assert token not in (await browser.get("/cli-auth")).text


async def test_where_passwords_are_off_the_page_says_for_whom_they_are(site, world, browser, grace):
    import httpx2

    from aigateway.web.app import create_web

    accounts = Accounts(world.store, world.authenticator, LIMITS, passwords_of_owners_only=True, clock=world.clock.now)
    transport = httpx2.ASGITransport(create_web(replace(site, accounts=accounts)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        assert "Owners may use a password" in (await client.get("/signin")).text
        sent = {"email": "grace@example.com", "password": PASSWORD}
        answer = await client.post("/signin", data=sent, headers={"Origin": "http://gateway.test"})
        assert answer.status_code == 401
        assert "Passwords are accepted from owners only" in answer.text
