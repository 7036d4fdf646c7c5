"""Hostile text in a real browser: nothing runs, nothing loads, nothing runs over."""

from __future__ import annotations

import pytest

from tests.browser import story
from tests.browser.conftest import DESKTOP, PHONE, opened
from tests.support.people import Clock
from tests.web.conftest import uid
from tests.web.test_hostile_text import ALL_IN_ONE, CORPUS, hostile

pytest.importorskip("playwright.sync_api")


TOO_WIDE = """(width) => document.documentElement.scrollWidth <= width ? [] :
    [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > width + 1)
    .map((one) => one.tagName + "." + one.className).slice(0, 9)"""
ISOLATED = """[...document.querySelectorAll("main bdi")].every(
    (one) => getComputedStyle(one).unicodeBidi.includes("isolate"))"""


class Whose:
    def __init__(self, ident):
        self.id = ident


@pytest.fixture(scope="module")
def recorded(gateway):
    ada = Whose(gateway.api.get("users", "me")["id"])
    for number, text in enumerate(CORPUS, 1):
        story.write(gateway, hostile(number, ada, Clock(), text, "s-all"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_text_runs_or_loads_or_runs_over(chromium, gateway, owner, recorded, size):
    dialogs, loaded = [], []
    with opened(chromium, gateway, owner, size) as page:
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: loaded.append(request.url))
        for path in (*ALL_IN_ONE, f"/ai-gateway/interceptions/{uid(1)}", f"/ai-gateway/interceptions/{uid(22)}"):
            answer = page.goto(path)
            assert answer.status == 200, path
            page.wait_for_load_state("networkidle")
            assert page.url == f"{gateway.url}{path}"
            assert page.evaluate("document.scripts.length") == 1, path
            assert page.evaluate("document.querySelectorAll('iframe, object, embed, style, base').length") == 0, path
            assert page.evaluate(TOO_WIDE, size[0]) == [], path
            assert page.evaluate(ISOLATED), path
    assert dialogs == []
    assert {url.split("/")[2] for url in loaded} == {gateway.url.split("/")[2]}
