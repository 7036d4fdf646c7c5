"""People's way through the dashboard, in a real browser, on a gateway as its users run it."""

from __future__ import annotations

import pytest

from tests.browser.conftest import DESKTOP, HEAVIEST, PHONE, WEIGHT, ask, opened, signed_in
from tests.support.server import GatewayProcess, providers

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request, chromium, gateway, owner):
    with opened(chromium, gateway, owner, request.param) as made:
        yield made


def test_a_session_is_found_and_opened(gateway, page):
    prompt = f"why does <b>the build</b> fail {page.viewport_size['width']}"
    gateway.interception(ask(gateway, prompt))
    page.keyboard.press("/")
    page.keyboard.type("initiator:ada model:sim")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Conditions")).to_contain_text("ada")
    page.get_by_role("link", name=prompt).click()
    expect(page.get_by_role("heading", name=prompt)).to_be_visible()
    page.get_by_label("Find in this session").fill("THE BUILD")
    expect(page.get_by_text("1 match")).to_be_visible()
    page.get_by_role("link", name="sim", exact=True).click()
    expect(page.get_by_role("heading", name="Raw facts")).to_be_visible()


def test_a_list_shows_what_is_new_without_being_asked(gateway, page):
    prompt = f"something new {page.viewport_size['width']}"
    ask(gateway, prompt)
    expect(page.get_by_role("link", name=prompt)).to_be_visible(timeout=15_000)


def test_rows_are_walked_by_keys(gateway, page):
    gateway.interception(ask(gateway, f"walk {page.viewport_size['width']}"))
    page.reload()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Session id")).to_be_visible()


def test_a_client_is_connected_from_the_first_click_to_the_first_request(gateway, page):
    page.goto("/connect")
    page.get_by_role("link", name="Codex").click()
    page.get_by_role("button", name="Create a token").click()
    waiting = page.get_by_text("Waiting for your first request")
    expect(waiting).to_be_visible()
    token = page.get_by_label("Your token").inner_text().strip()
    assert f'base_url = "{gateway.url}/api/v2/ai-gateway/openai/v1"' in page.content().replace("&#34;", '"')
    ask(gateway, "hello from codex", token, **{"User-Agent": "codex_exec/0.1"})
    expect(page.get_by_text("Received your first request: Codex, sim")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_text("hello from codex")).to_be_visible()


def test_people_and_tokens_come_and_go(gateway, page):
    name = f"grace-{page.viewport_size['width']}"
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/people")
    page.get_by_text("Add somebody").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name=f"Suspend {name}").click()
    expect(page.get_by_role("button", name=f"Activate {name}")).to_be_visible()
    page.goto("/tokens")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create a token").click()
    expect(page.get_by_text("shown this once only")).to_be_visible()
    page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.get_by_role("button", name=f"Remove {name}")).to_have_count(0)


def test_pages_are_light_and_fit_the_screen(gateway, page):
    gateway.interception(ask(gateway, f"look {page.viewport_size['width']}"))
    for path in (
        "/",
        "/ai-gateway/sessions",
        "/ai-gateway/interceptions",
        "/connect",
        "/tokens",
        "/people",
        "/providers",
    ):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate(WEIGHT) < HEAVIEST
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_who_signs_out_is_out(chromium, gateway, size):
    with opened(chromium, gateway, signed_in(chromium, gateway), size) as page:
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto("/tokens")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_first_person_sets_the_server_up(chromium, simulator, tmp_path):
    configured = providers({"TYPE": "openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"})
    with GatewayProcess(tmp_path, configured, empty=True) as fresh:
        page = chromium.new_page(base_url=fresh.url)
        page.goto("/")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("E-mail address").fill("ada@example.com")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Create the owner").click()
        expect(page.get_by_role("heading", name="Connect a client")).to_be_visible()
        page.close()
