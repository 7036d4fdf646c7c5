"""People's way through the dashboard, in a real browser, on a gateway as its users run it."""

from __future__ import annotations

import json
import shutil
import urllib.request

import pytest

from tests.support.server import OWNER, GatewayProcess, providers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEAVIEST = 200 * 1024
"""Bytes of a page with everything that it loads."""

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    sync_playwright = None

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.skipif(sync_playwright is None, reason="the Python package playwright is not installed"),
]


@pytest.fixture(scope="module")
def simulator():
    from aigateway.simulator.server import SimulatorThread

    with SimulatorThread() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, simulator):
    configured = providers({"TYPE": "openai", "NAME": "openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"})
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), configured) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["desktop", "phone"])
def page(request, chromium, gateway):
    """A signed-in person's page, which fails the test when the browser complains."""
    width, height = (1280, 800) if request.param == "desktop" else (390, 800)
    context = chromium.new_context(viewport={"width": width, "height": height}, base_url=gateway.url)
    opened = context.new_page()
    complaints = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto("/ai-gateway/sessions")
    opened.get_by_label("E-mail address").fill(OWNER["email"])
    opened.get_by_label("Password").fill(OWNER["password"])
    opened.get_by_role("button", name="Sign in").click()
    expect(opened).to_have_url(f"{gateway.url}/ai-gateway/sessions")
    yield opened
    context.close()
    assert complaints == []


def ask(gateway, prompt, token=None, **headers):
    """Send a request through the gateway, as a client does."""
    sent = urllib.request.Request(
        f"{gateway.base}/openai/v1/chat/completions",
        json.dumps({"model": "sim", "messages": [{"role": "user", "content": prompt}]}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token or gateway.token}", **headers},
    )
    with urllib.request.urlopen(sent, timeout=20) as answer:
        return answer.headers["X-AI-Gateway-Interception-Id"]


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


def test_pages_are_light_fit_the_screen_and_obey_their_policy(gateway, page):
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
        loaded = []
        page.on("response", lambda response, loaded=loaded: loaded.append(len(response.body())))
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert sum(loaded) < HEAVIEST
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/tokens")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_first_person_sets_the_server_up(chromium, simulator, tmp_path, monkeypatch):
    monkeypatch.setattr(GatewayProcess, "sign_up", lambda _self: "nobody yet")
    configured = providers({"TYPE": "openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"})
    with GatewayProcess(tmp_path, configured) as fresh:
        page = chromium.new_page(base_url=fresh.url)
        page.goto("/")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("E-mail address").fill("ada@example.com")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Create the owner").click()
        expect(page.get_by_role("heading", name="Connect a client")).to_be_visible()
        page.close()
