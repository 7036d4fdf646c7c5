"""Prompts, tool names, models and user agents come from anybody: pages show them, and do not obey them."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.accounts.new_user import NewUser
from aigateway.store import users
from aigateway.store.ingest import apply
from aigateway.web.signin import local
from tests.store.search.test_index import catch_up
from tests.web.conftest import interception, uid

CORPUS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "</code></pre><iframe src=//evil.test>",
    "<a href=javascript:alert(1)>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>-->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<style>*{display:none}</style>",
    "<base href=//evil.test>",
    "<meta http-equiv=refresh content=0;url=//evil.test>",
    "<form action=//evil.test><button>",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "\x1b[31mred\x07 \r\n\t",
    "${alert(1)} `x` \\u003cscript\\u003e",
    "\u2067\u202d\u0627\u0644\u0639\u0631\u0628\u064a\u0629 <b>\u200f\u202e",
    "\x9b2J\x1b]8;;javascript:alert(1)\x1b\\x\x1b]8;;\x1b\\ \x7f\x08\u2028\u2029",
    "<" * 9000 + "A" * 9000,
    "\ud7ff\ufffe\ufffd\U0010ffff \U0001f468\u200d\U0001f469",
]

PAGES = [
    "/",
    "/ai-gateway/sessions?range=all",
    "/ai-gateway/interceptions",
    f"/ai-gateway/interceptions/{uid(1)}",
]
ALL_IN_ONE = [
    "/?range=30d",
    "/ai-gateway/sessions?range=all&q=session_id:s-all",
    "/ai-gateway/sessions/s-all",
    "/ai-gateway/sessions/s-all?side=1",
    "/ai-gateway/sessions/s-all?print=1&side=1",
    f"/ai-gateway/sessions/s-all?side=1&thread={uid(1)}",
    "/ai-gateway/interceptions",
    "/connect",
    "/connect/codex",
    "/tokens",
    "/people",
    "/providers",
]
"""Pages for everything at once."""


class Elements(HTMLParser):
    """The elements and attributes of a page, as a browser would have them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, frozenset(name for name, _ in attrs)))
        for name, value in attrs:
            if name in {"href", "src", "action"}:
                assert not (value or "").lower().lstrip().startswith(("javascript:", "//", "data:"))


def hostile(number, user, clock, text, session):
    """What a client, a model and a provider could say: `text`, wherever they can."""
    model = text[:200]
    rows = interception(
        number,
        user,
        clock,
        text=text,
        session=session,
        model=model,
        provider_name=model,
        client=model[:64],
        metadata={"request_user_agent": text, "purpose": text, model: text} if number % 2 else {},
        end={"status_code": 500, "error_type": model, "error_message": text[:1000]},
    )
    given = {name: getattr(rows[3], name) for name in rows[3].__struct_fields__}
    tool = {"tool": model, "input": text if number % 2 else json.dumps({"a": text}), "injected": bool(number % 2)}
    rows[3] = type(rows[3])(**given | tool | {"server_url": text, "invocation_error": text})
    return rows


def assert_obeys_nothing(page, *texts):
    elements = Elements(page).found
    assert sum(tag == "script" for tag, _ in elements) == 1
    assert not {tag for tag, _ in elements} & {"iframe", "base", "style", "object", "embed"}
    assert not [name for _, names in elements for name in names if name.startswith("on") or name == "style"]
    assert not [text for text in texts if "<" in text and text in page]


async def named(world, text):
    """Somebody whose name and whose token's name are this, as far as they may be."""
    name = "".join(filter(str.isprintable, text)).strip()[:128]
    user = replace(NewUser(username="mallory", email="mallory@example.com", password="x" * 12), name=name)
    await world.store.write(users.add, user.at(world.clock.now()), "")


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
async def test_what_was_recorded_is_text_on_every_page(browser, world, boss, text):
    await browser.be(boss)
    session = "".join(filter(str.isprintable, text))[:256]  # the gateway takes no other id
    await world.store.write(apply, [row for n in (1, 2) for row in hostile(n, boss, world.clock, text, session)])
    listed = (await browser.get("/ai-gateway/sessions.json?range=all")).json()["sessions"]
    assert [one["id"] for one in listed] == [session]
    page = (await browser.get("/ai-gateway/sessions?range=all")).text
    link = html.unescape(page.split('href="/ai-gateway/sessions/')[1].split('"')[0])
    for path in (*PAGES, f"/ai-gateway/sessions/{link}&side=1", f"/ai-gateway/sessions/{link}"):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert_obeys_nothing(answer.text, text)


async def test_everything_at_once_is_text_on_every_page(browser, world, boss):
    await browser.be(boss)
    for number, text in enumerate(CORPUS, 1):
        await world.store.write(apply, hostile(number, boss, world.clock, text, "s-all"))
    await named(world, CORPUS[0])
    for path in ALL_IN_ONE:
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert_obeys_nothing(answer.text, *CORPUS)


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
async def test_what_a_search_shows_of_a_text_is_text(browser, world, boss, text):
    await browser.be(boss)
    await world.store.write(apply, interception(1, boss, world.clock, text=f"{text} needle {text}"))
    await catch_up(world.store)
    for path in ("/ai-gateway/sessions?range=all&q=text:needle", "/ai-gateway/interceptions?q=text:needle"):
        page = (await browser.get(path)).text
        assert page.count("<mark>needle</mark>") == 1
        assert_obeys_nothing(page, text)


@pytest.mark.parametrize("text", [text for text in CORPUS if len(text) < 1000])
@pytest.mark.parametrize(
    "path", ["/ai-gateway/sessions", "/ai-gateway/interceptions", "/people", "/", "/connect/codex"]
)
async def test_what_an_address_says_is_text_on_the_page(browser, boss, path, text):
    await browser.be(boss)
    for name in ("q", "range", "page", "provider"):
        answer = await browser.get(path, params={name: text})
        assert answer.status_code in {200, 400}
        assert sum(tag == "script" for tag, _ in Elements(answer.text).found) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(text=st.text(max_size=60))
async def test_no_search_breaks_a_page(browser, boss, text):
    await browser.be(boss)
    for path in ("/ai-gateway/sessions", "/ai-gateway/interceptions"):
        assert (await browser.get(path, params={"q": text})).status_code in {200, 400}


@pytest.mark.parametrize(
    "place",
    ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", "/\t/evil.test", "", "x", "/ü", "/\n"],
)
def test_signing_in_leads_to_no_other_site(place):
    assert local(place) == "/"


def test_signing_in_leads_back():
    assert local("/ai-gateway/sessions?q=model%3Asim&range=7d") == "/ai-gateway/sessions?q=model%3Asim&range=7d"
