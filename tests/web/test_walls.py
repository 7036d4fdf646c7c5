from __future__ import annotations

import re

import pytest

from aigateway.web.walls import CONTENT_SECURITY_POLICY
from tests.web.conftest import ORIGIN, uid

EVERYBODYS = [
    "/",
    "/ai-gateway/sessions",
    "/ai-gateway/sessions/s-ann",
    "/ai-gateway/interceptions",
    f"/ai-gateway/interceptions/{uid(1)}",
    "/connect",
    "/connect/claude-code",
    "/connect/received/abcdefghij",
    "/tokens",
    "/account",
    "/cli-auth",
]
PAGES = {
    **{path: {"member", "auditor", "user-admin", "owner"} for path in EVERYBODYS},
    "/ai-gateway/sessions/s-ann": {"auditor", "owner"},
    f"/ai-gateway/interceptions/{uid(1)}": {"auditor", "owner"},
    "/ai-gateway/sessions/s-bob": {"auditor", "owner"},
    f"/ai-gateway/interceptions/{uid(4)}": {"auditor", "owner"},
    "/people": {"auditor", "user-admin", "owner"},
    "/providers": {"auditor", "owner"},
    "/settings": {"owner"},
}
FORMS = [
    "/signout",
    "/account/password",
    "/cli-auth",
    "/tokens",
    "/tokens/remove",
    "/connect/codex",
    "/people",
    "/people/ann/suspend",
    "/people/ann/password",
    "/people/ann/delete",
    "/providers/anthropic/test",
]


def without_times(html):
    return re.sub(r"<time.*?</time>", "", html)


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_sees_a_page_without_signing_in(browser, boss, record, path):
    page = await browser.get(path)
    assert page.status_code == 303
    assert page.headers["location"].startswith("/signin")
    twin = await browser.get(path, headers={"Accept": "application/json"})
    assert twin.status_code == 401
    assert set(twin.json()) == {"message", "detail"}


@pytest.mark.parametrize("role", ["member", "auditor", "user-admin", "owner"])
@pytest.mark.parametrize("path", PAGES)
async def test_each_role_sees_its_pages(browser, world, record, path, role):
    await browser.be(await world.user("eve", *({role} - {"member"})))
    seen = role in PAGES[path]
    for answer in (
        await browser.get(path),
        await browser.get(path.rstrip("/") + "/.json" if path == "/" else f"{path}.json"),
    ):
        if path.startswith("/connect/received"):
            assert answer.status_code in {200, 303}
        elif seen:
            assert answer.status_code == 200
        else:
            assert answer.status_code in {403, 404}
            assert "secret of Bob" not in answer.text


@pytest.mark.parametrize("path", ["/ai-gateway/sessions?range=all", "/ai-gateway/interceptions", "/"])
async def test_members_see_their_own(browser, record, ann, path):
    await browser.be(ann)
    page = await browser.get(path)
    assert page.status_code == 200
    assert "Bob" not in page.text
    assert "other" not in re.sub(r"<[^>]*>", "", page.text)


async def test_what_one_may_not_see_is_answered_like_what_is_not_there(browser, record, ann):
    await browser.be(ann)
    for hidden, missing in (
        (f"/ai-gateway/interceptions/{uid(4)}", f"/ai-gateway/interceptions/{uid(99)}"),
        ("/ai-gateway/sessions/s-bob", "/ai-gateway/sessions/s-nobody"),
        (f"/ai-gateway/sessions/s-bob?by={record.id}", f"/ai-gateway/sessions/s-nobody?by={record.id}"),
    ):
        one, other = await browser.get(hidden), await browser.get(missing)
        assert one.status_code == other.status_code == 404
        assert one.text.replace("s-bob", "").replace(uid(4), "") == other.text.replace("s-nobody", "").replace(
            uid(99), ""
        )


@pytest.mark.parametrize("path", [*PAGES, "/signin", "/setup", "/nothing", "/nothing.json"])
async def test_every_answer_tells_browsers_what_not_to_do(browser, boss, record, path):
    for _ in ("nobody", "owner"):
        answer = await browser.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
        await browser.be(boss)


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_script_or_style_of_its_own(browser, boss, record, path):
    await browser.be(boss)
    page = (await browser.get(path)).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert all(url.startswith("/static/") for url in re.findall(r"(?:src|<link[^>]* href)=\"([^\"]*)\"", page))


@pytest.mark.parametrize("origin", ["http://evil.test", "null", None])
@pytest.mark.parametrize("path", FORMS)
async def test_a_form_of_another_site_changes_nothing(browser, boss, ann, path, origin):
    await browser.be(boss)
    assert (await browser.submit("/tokens", path, origin=origin, name="laptop")).status_code == 403
    assert (await browser.get("/tokens.json")).json() == []
    assert {user["status"] for user in (await browser.get("/people.json")).json()["users"]} == {"active"}


@pytest.mark.parametrize("token", ["", "0" * 64, "ü"])
@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_the_sessions_token_changes_nothing(browser, boss, ann, path, token):
    await browser.be(boss)
    assert (await browser.submit(None, path, form_token=token, name="laptop")).status_code == 403
    assert (await browser.get("/tokens.json")).json() == []


@pytest.mark.parametrize("path", FORMS)
async def test_forms_of_nobody_change_nothing(browser, boss, path):
    answer = await browser.submit(None, path, name="laptop")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin"


async def test_the_token_of_a_program_opens_the_twins(browser, world, boss):
    token = await world.token(boss)
    answer = await browser.get("/people.json", headers={"Coder-Session-Token": token})
    assert answer.status_code == 200


async def test_what_is_too_large_or_no_form_is_refused(browser, boss):
    await browser.be(boss)
    assert (await browser.submit("/tokens", "/tokens", name="x" * 70_000)).status_code == 413
    headers = {"Origin": ORIGIN, "Content-Type": "application/json"}
    assert (await browser.client.post("/tokens", content=b"{}", headers=headers)).status_code == 400


async def test_browsers_keep_style_and_script(browser):
    page = (await browser.get("/signin", follow_redirects=True)).text
    for url in re.findall(r"/static/[^\"]+", page):
        answer = await browser.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await browser.get("/static/app.000000000000.css")).status_code == 404
    assert (await browser.get("/static/..%2fapp.py")).status_code == 404
