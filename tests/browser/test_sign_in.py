"""Somebody signs in at the organisation's provider, in a real browser, on a server set up by variables alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.support.server import GatewayProcess, free_port, providers
from tests.support.web import WebThread

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def provider():
    made = OpenIdProvider()
    with WebThread(made.app) as server:
        made.url = server.url
        made.person["groups"] = ["gateway-admins"]
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, provider, simulator):
    port = free_port()
    environ = {
        "CODER_ACCESS_URL": f"http://127.0.0.1:{port}",
        "CODER_OIDC_ISSUER_URL": provider.url,
        "CODER_OIDC_CLIENT_ID": CLIENT_ID,
        "CODER_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "CODER_OIDC_SIGN_IN_TEXT": "Example ID",
        "CODER_OIDC_USER_ROLE_FIELD": "groups",
        "CODER_OIDC_USER_ROLE_MAPPING": '{"gateway-admins": ["owner"]}',
        **providers(
            {"TYPE": "openai", "NAME": "openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"},
            {"TYPE": "openai", "NAME": "nowhere", "KEY": "sk-test", "BASE_URL": f"http://127.0.0.1:{free_port()}/v1"},
        ),
    }
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), environ, port=port) as running:
        yield running


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request, chromium, gateway):
    width, height = request.param
    seen = chromium.new_context(viewport={"width": width, "height": height}, base_url=gateway.url)
    page = seen.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto("/settings")
    page.get_by_role("link", name="Sign in with Example ID").click()
    expect(page).to_have_url(f"{gateway.url}/settings")
    yield page
    seen.close()
    assert complaints == []


def test_an_owner_by_their_group_looks_at_the_settings(gateway, page):
    page.get_by_label("Search").fill("oidc-client-secret")
    page.keyboard.press("Enter")
    expect(page.get_by_text("CODER_OIDC_CLIENT_SECRET", exact=True).first).to_be_visible()
    assert CLIENT_SECRET not in page.content()
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert set(cookies) == {"coder_session_token"}
    assert (cookies["coder_session_token"]["httpOnly"], cookies["coder_session_token"]["sameSite"]) == (True, "Lax")


def test_the_account_says_how_one_signs_in(gateway, page):
    page.get_by_role("link", name="grace").click()
    expect(page.get_by_text("Example ID")).to_be_visible()
    expect(page.get_by_text("grace@example.com")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in with Example ID")).to_be_visible()


def test_the_command_line_takes_a_session_from_the_browser(gateway, page, tmp_path):
    page.goto("/cli-auth")
    page.get_by_role("button", name="Make a session").click()
    shown = re.search(r"\w{10}-\w{22}", page.get_by_label("The session").inner_text())
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "aigateway", "login", gateway.url],
        input=f"{shown[0]}\n",
        env=environ,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"{gateway.url}/cli-auth" in ran.stderr
    assert "as grace." in ran.stderr


@pytest.mark.parametrize("page", [DESKTOP], indirect=True)  # Soon again it would be refused.
def test_providers_are_tested_by_a_click(gateway, page):
    page.goto("/providers")
    page.get_by_role("button", name="Test openai").click()
    expect(page.get_by_text("answered and took the key")).to_be_visible()
    page.get_by_role("button", name="Test nowhere").click()
    expect(page.get_by_text(re.compile("connection refused"))).to_be_visible()
