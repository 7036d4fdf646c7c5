"""What people do on the pages, without JavaScript."""

from __future__ import annotations

import html
import re

import pytest

from aigateway.store import activity_sums
from aigateway.store.ingest import apply
from tests.web.conftest import ORIGIN, PASSWORD, interception, uid

FIRST = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}


async def test_the_first_person_owns_the_server(browser):
    for path in ("/", "/signin", "/people"):
        assert (await browser.get(path)).headers["location"] == "/setup"
    refused = await browser.submit(None, "/setup", **(FIRST | {"password": "short"}))
    assert refused.status_code == 400
    assert "8 to 128 characters" in refused.text
    assert 'value="ada"' in refused.text
    entered = await browser.submit(None, "/setup", **FIRST)
    assert entered.headers["location"] == "/connect"
    assert (await browser.get("/people.json")).json()["users"][0]["roles"][0]["name"] == "owner"
    browser.client.cookies.clear()
    assert (await browser.submit(None, "/setup", **(FIRST | {"username": "eve"}))).headers["location"] == "/signin"


@pytest.mark.parametrize("origin", ["http://evil.test", None])
async def test_other_sites_set_nothing_up(browser, origin):
    assert (await browser.submit(None, "/setup", origin=origin, **FIRST)).status_code == 403
    assert (await browser.get("/")).headers["location"] == "/setup"


async def test_signing_in_and_out(browser):
    await browser.submit(None, "/setup", **FIRST)
    browser.client.cookies.clear()
    wrong = await browser.submit(None, "/signin", email=FIRST["email"], password="wrong")
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    sent = {"email": FIRST["email"], "password": PASSWORD, "next": "/tokens"}
    right = await browser.submit(None, "/signin", **sent)
    assert right.headers["location"] == "/tokens"
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert (await browser.get("/tokens")).status_code == 200
    stolen = dict(browser.client.cookies)
    assert (await browser.submit("/tokens", "/signout")).headers["location"] == "/signin"
    browser.client.cookies.update(stolen)
    assert (await browser.get("/tokens")).headers["location"].startswith("/signin")


async def test_the_cookie_of_people_with_tls_before_the_server_stays_with_tls(browser):
    answer = await browser.client.post("/setup", data=FIRST, headers={"Origin": ORIGIN.replace("http", "https")})
    assert "Secure" in answer.headers["set-cookie"]


async def test_guessing_is_slowed_down(browser, boss):
    answers = [await browser.submit(None, "/signin", email="boss@example.com", password="wrong") for _ in range(7)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_token_is_shown_once_and_removed(browser, boss):
    await browser.be(boss)
    made = await browser.submit("/tokens", "/tokens", name="laptop", days="3")
    assert made.status_code == 201
    shown = re.findall(r"<code>([A-Za-z0-9]{10}-[A-Za-z0-9]{22})</code>", made.text)
    assert len(shown) == 1
    page = await browser.get("/tokens")
    assert shown[0] not in page.text
    assert "laptop" in page.text
    again = await browser.submit("/tokens", "/tokens", name="laptop")
    assert again.status_code == 409
    assert 'role="alert"' in again.text
    assert (await browser.submit("/tokens", "/tokens", days="x")).status_code == 400
    assert (await browser.submit("/tokens", "/tokens/remove", key=shown[0][:10])).status_code == 303
    assert (await browser.get("/tokens.json")).json() == []


async def test_nobody_removes_the_token_of_another(browser, world, boss, ann):
    await world.token(boss)
    await browser.be(ann)
    key = (
        await browser.world.accounts.keys.tokens(
            await world.actor("o", "owner"), "boss", include_expired=False, include_all=False
        )
    )[0][0]
    assert (await browser.submit("/tokens", "/tokens/remove", user=boss.id, key=key.id)).status_code == 404


async def test_people_are_added_given_roles_and_suspended(browser, boss, ann):
    await browser.be(boss)
    new = {"username": "grace", "email": "grace@example.com", "password": PASSWORD, "role": "auditor"}
    assert (await browser.submit("/people", "/people", **new)).status_code == 303
    assert (await browser.submit("/people", "/people", **new)).status_code == 409
    assert (await browser.submit("/people", "/people/grace/roles", role="user-admin")).status_code == 303
    assert (await browser.submit("/people", "/people/grace/suspend")).status_code == 303
    assert (await browser.submit("/people", "/people/boss/suspend")).status_code == 403
    found = {user["username"]: user for user in (await browser.get("/people.json?q=grace")).json()["users"]}
    assert found["grace"]["status"] == "suspended"
    assert [role["name"] for role in found["grace"]["roles"]] == ["user-admin"]
    await browser.be(ann)
    assert (await browser.submit("/tokens", "/people/boss/suspend")).status_code == 403


async def test_connecting_shows_the_lines_for_this_server(browser, world, boss):
    await browser.be(boss)
    page = html.unescape((await browser.get("/connect/codex")).text)
    assert f'base_url = "{ORIGIN}/api/v2/ai-gateway/openai/v1"' in page
    assert "OPENAI_API_KEY=YOUR_TOKEN" in page
    made = html.unescape((await browser.submit("/connect/codex", "/connect/codex")).text)
    key = re.search(r"OPENAI_API_KEY=([A-Za-z0-9]{10})-", made)[1]
    url = f"/connect/received/{key}.json"
    assert (await browser.get(url)).json() == {"received": False}
    await world.store.write(apply, interception(1, boss, world.clock, api_key_id=key))
    assert (await browser.get(url)).json() == {
        "received": True,
        "id": uid(1),
        "client": "Codex",
        "model": "sim",
        "status_code": 200,
        "failed": False,
    }


async def test_nobody_hears_of_the_requests_of_another(browser, world, boss, ann):
    await world.store.write(apply, interception(1, ann, world.clock, api_key_id="abcdefghij"))
    await browser.be(boss)
    assert (await browser.get("/connect/received/abcdefghij.json")).json() == {"received": False}


async def test_sessions_are_searched_and_chips_take_conditions_away(browser, record, boss):
    await browser.be(boss)
    page = await browser.get("/ai-gateway/sessions", params={"q": 'initiator:ann client:"Codex"', "range": "all"})
    assert "now the docs" in page.text
    assert "secret" not in page.text
    chips = re.findall(r'href="([^"]*)" aria-label="Remove (\w+)"', page.text)
    assert [name for _, name in chips] == ["initiator", "client"]
    wider = await browser.get(html.unescape(chips[0][0]))
    assert re.findall(r'aria-label="Remove (\w+)"', wider.text) == ["client"]
    narrow = await browser.get("/ai-gateway/sessions?q=initiator:nobody-there")
    assert narrow.status_code == 400
    assert 'role="alert"' in narrow.text


async def test_a_session_tells_what_happened_in_order(browser, record, boss):
    await browser.be(boss)
    page = (await browser.get("/ai-gateway/sessions/s-ann")).text
    assert (
        page.index("mend the tests</bdi>")
        < page.index("thinking about mend the tests")
        < page.index("&#34;command&#34;")
    )
    assert page.rindex("now the docs</bdi>") > page.index("mend the tests</bdi>")


async def test_home_counts_what_one_may_see(browser, record, boss, ann):
    await browser.be(boss)
    everybodys = (await browser.get("/.json")).json()
    assert (everybodys["requests"], everybodys["failures"], everybodys["people"]) == (4, 1, 2)
    assert everybodys["notices"][0]["what"] == "Records wait in the journal."
    assert len(everybodys["buckets"]) == 24
    await browser.be(ann)
    own = (await browser.get("/.json?range=7d")).json()
    assert (own["requests"], own["people"], own["notices"]) == (3, 1, [])
    assert own["input_tokens"] == 4500


async def test_charts_say_in_words_and_figures_what_they_show(browser, record, boss):
    await browser.be(boss)
    page = html.unescape((await browser.get("/")).text)
    assert 'role="img" aria-label="Requests: 4, most of them from 2 Jan 02:00 UTC on: 4"' in page
    assert 'aria-label="Failures: 1, most of them' in page
    figures = page[page.index("The figures of the charts") :]
    assert re.search(r'2 Jan 02:00 UTC</a></th><td class="num">4</td><td class="num">6,028</td>', figures)
    leads = re.search(r'href="(/ai-gateway/sessions[^"]*)">2 Jan', figures)[1]
    assert "1\u20133 of 3 sessions" in (await browser.get(leads)).text


async def test_home_says_that_hours_are_not_summed_up_yet(browser, world, record, boss):
    await browser.be(boss)
    assert "not complete" not in (await browser.get("/")).text
    page = await browser.get("/?range=30d")
    assert page.status_code == 200
    assert re.search(r"not complete.</strong> 6\d\d of the older hours are still being summed up", page.text)
    twin = (await browser.get("/.json?range=30d")).json()
    assert twin["hours_left_out"] > 600
    assert twin["requests"] == 4
    while await world.store.write(activity_sums.advance, world.clock.now(), 1000):
        pass
    assert "not complete" not in (await browser.get("/?range=30d")).text
    summed = (await browser.get("/.json?range=30d")).json()
    assert summed == twin | {"hours_left_out": 0}


async def test_providers_show_no_secret(browser, boss):
    await browser.be(boss)
    for path in ("/providers", "/providers.json"):
        text = (await browser.get(path)).text
        assert "sk-a...0001" in text
        assert "secret" not in text


async def test_lists_go_on_by_pages(browser, world, boss):
    rows = [row for number in range(1, 56) for row in interception(number, boss, world.clock)]
    await world.store.write(apply, rows)
    await browser.be(boss)
    first = (await browser.get("/ai-gateway/interceptions")).text
    assert "1\u201350 of 55" in first
    second = await browser.get(
        f"/ai-gateway/interceptions{html.unescape(re.search(r'rel=.next. href=.([^ >]*).>', first)[1])}"
    )
    assert "51\u201355 of 55" in second.text
    assert (await browser.get("/ai-gateway/interceptions?page=999999")).status_code == 200
