"""A gateway as its users run it, and the Chromium that is installed to look at it."""

from __future__ import annotations

import json
import urllib.request
from contextlib import contextmanager

import pytest

from tests.browser.chromium import EXECUTABLE, launch
from tests.support.server import OWNER, GatewayProcess, providers

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    sync_playwright = None

DESKTOP, PHONE = (1280, 800), (390, 844)
HEAVIEST = 200 * 1024
"""Bytes of a page with everything that it loads."""
WEIGHT = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""


def pytest_collection_modifyitems(items):
    """Without a browser these tests say so, and the others go on."""
    missing = (
        "no Chromium is installed (Debian's package is chromium)"
        if EXECUTABLE is None
        else "the Python package playwright is not installed"
        if sync_playwright is None
        else None
    )
    for item in items:
        if missing and item.path.parent.name == "browser":
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="module")
def simulator():
    from aigateway.simulator.server import SimulatorThread

    with SimulatorThread() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, simulator):
    configured = providers(
        {"TYPE": "openai", "NAME": "openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"},
        {"TYPE": "anthropic", "NAME": "anthropic", "KEY": "sk-test", "BASE_URL": simulator.url},
        {"TYPE": "openai", "NAME": "chatgpt", "BASE_URL": f"{simulator.url}/v1"},
    )
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), configured) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture(scope="module")
def owner(chromium, gateway):
    """What the browser of a signed-in owner keeps."""
    return signed_in(chromium, gateway)


def signed_in(chromium, gateway):
    """What a browser keeps of a session of its own."""
    context = chromium.new_context(base_url=gateway.url)
    page = context.new_page()
    page.goto("/ai-gateway/sessions")
    page.get_by_label("E-mail address").fill(OWNER["email"])
    page.get_by_label("Password").fill(OWNER["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{gateway.url}/ai-gateway/sessions")
    kept = context.storage_state()
    context.close()
    return kept


@contextmanager
def opened(chromium, gateway, owner, size=DESKTOP, path="/ai-gateway/sessions", **context):
    """A signed-in owner's page, which fails the test when the browser complains or shows a dialog unasked."""
    width, height = size
    seen = chromium.new_context(
        viewport={"width": width, "height": height}, base_url=gateway.url, storage_state=owner, **context
    )
    page = seen.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(path)
    yield page
    seen.close()
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
