"""Every page, light on a desktop and dark on a phone: usable by everybody, light, and within the screen."""

from __future__ import annotations

import pytest

from tests.browser import story
from tests.browser.conftest import DESKTOP, HEAVIEST, PHONE, WEIGHT, opened

pytest.importorskip("playwright.sync_api")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe

PAGES = (
    "/",
    "/ai-gateway/sessions?range=30d",
    "/ai-gateway/sessions?q=client:Codex+initiator:ben&range=30d",
    "/ai-gateway/sessions?q=model:nothing",
    f"/ai-gateway/sessions/{story.SESSION}",
    f"/ai-gateway/sessions/{story.SESSION}?print=1",
    "/ai-gateway/interceptions",
    "/connect",
    "/connect/claude-code",
    "/tokens",
    "/people",
    "/providers",
    "/tools",
    "/account",
    "/settings",
)


@pytest.fixture(scope="module")
def told(gateway):
    story.tell(gateway)


def serious(page):
    """What axe-core finds that keeps somebody out."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"][:3]
    ]


# Colours do not go with the size: two of the four pairs show as much, in half of the time.
@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop-light", "phone-dark"])
def test_nobody_is_kept_out_of_a_page(chromium, gateway, owner, told, scheme, size):
    problems = {}
    with opened(chromium, gateway, owner, size, color_scheme=scheme) as page:
        paths = [*PAGES, page.locator("[data-open]").first.get_attribute("href")]
        page.goto(f"/ai-gateway/sessions/{story.SESSION}")
        paths.append(page.locator(".step .meta a").first.get_attribute("href"))
        for path in paths:
            page.goto(path)
            assert page.evaluate(WEIGHT) < HEAVIEST, path
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
            page.evaluate(
                "document.querySelectorAll('details').forEach((one) => { one.open = !one.matches('.menu'); })"
            )
            if found := serious(page):
                problems[path] = found
    assert problems == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_at_the_door_or_lost(chromium, gateway, owner, scheme):
    for path, kept in (("/signin", None), ("/nothing", owner)):
        context = chromium.new_context(base_url=gateway.url, color_scheme=scheme, storage_state=kept)
        page = context.new_page()
        page.goto(path)
        assert serious(page) == [], path
        context.close()
