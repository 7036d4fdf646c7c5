"""Every page has a twin in JSON, by `.json` and by `Accept`: whatever pages there are."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route

from aigateway.web.app import create_web
from tests.web.conftest import uid

PLACES = {"{client}": "codex", "{key}": "abcdefghij", "{user}": "ann"}
FORWARDING = {"/aibridge/sessions", "/ai-gateway", "/signin", "/setup"}
"""They lead elsewhere whoever is signed in."""
STEPS = re.compile(r"/(signin|account)/oidc|/external-auth/|/api/")
"""Of signing in at other servers: each leads to the next, and none shows anything."""


@pytest.fixture
def pages(site):
    """Where each route with a page is, from the application's own table."""
    routes = [route for route in create_web(site)._pages.routes if isinstance(route, Route)]
    return [route.path for route in routes if "GET" in route.methods and not route.path.startswith("/static/")]


def filled(path):
    for place, value in PLACES.items():
        path = path.replace(place, value)
    return path.replace("{id:path}", "s-ann").replace("{id}", uid(1))


def without_visits(text):
    """Asking is a visit, which is on record a little later."""
    return re.sub(r'"last_seen_at":("[^"]*"|null)', "", text)


async def test_every_page_has_a_twin(browser, record, boss, pages):
    await browser.be(boss)
    assert {"/", "/ai-gateway/sessions", "/ai-gateway/interceptions/{id}", "/connect", "/tokens", "/people"} <= {*pages}
    for path in map(filled, pages):
        if STEPS.match(path):
            continue
        by_name = await browser.get(f"{path}.json")
        asked = await browser.get(path, headers={"Accept": "application/json"})
        if path in FORWARDING:
            assert by_name.status_code in {303, 308}, path
            continue
        assert (by_name.status_code, asked.status_code) == (200, 200), path
        assert by_name.headers["content-type"] == asked.headers["content-type"] == "application/json", path
        assert without_visits(by_name.text) == without_visits(asked.text), path
        page = await browser.get(path)
        assert page.status_code == 303 or page.headers["content-type"].startswith("text/html"), path


async def test_what_is_not_there_is_not_there_in_json_either(browser, boss):
    await browser.be(boss)
    answer = await browser.get("/nothing.json")
    assert answer.status_code == 404
    assert answer.json() == {"message": "There is no such page, or none that you may see."}
