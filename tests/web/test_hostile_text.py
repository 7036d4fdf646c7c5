"""Prompts, tool names, models and user agents come from anybody: pages show them, and do not obey them."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.store.ingest import apply
from aigateway.web.signin import local
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
]

PAGES = [
    "/",
    "/ai-gateway/sessions?range=all",
    "/ai-gateway/interceptions",
    f"/ai-gateway/interceptions/{uid(1)}",
]


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


async def hostile(world, user, text):
    model = text[:200]
    session = "".join(filter(str.isprintable, text))  # the gateway takes no other id
    rows = interception(
        1,
        user,
        world.clock,
        text=text,
        session=session,
        model=model,
        provider_name=model,
        client=model[:64],
        metadata={"request_user_agent": text, "purpose": text, model: text},
        end={"status_code": 500, "error_type": model, "error_message": text[:1000]},
    )
    rows += interception(2, user, world.clock, text=text, session=session, model=model)
    changed = [
        row.__class__(**{**{name: getattr(row, name) for name in row.__struct_fields__}, **change})
        for row, change in (
            (rows[3], {"tool": model, "input": text, "server_url": text, "invocation_error": text}),
            (rows[9], {"tool": model, "input": f'{{"a": "{model}"}}', "server_url": text}),
        )
    ]
    await world.store.write(apply, [*rows[:3], changed[0], *rows[4:9], changed[1], *rows[10:]])
    return session


@pytest.mark.parametrize("text", CORPUS)
async def test_what_was_recorded_is_text_on_every_page(browser, world, boss, text):
    await browser.be(boss)
    session = await hostile(world, boss, text)
    listed = (await browser.get("/ai-gateway/sessions.json?range=all")).json()["sessions"]
    assert [one["id"] for one in listed] == [session]
    page = (await browser.get("/ai-gateway/sessions?range=all")).text
    link = html.unescape(page.split('href="/ai-gateway/sessions/')[1].split('"')[0])
    for path in (*PAGES, f"/ai-gateway/sessions/{link}&side=1", f"/ai-gateway/sessions/{link}"):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        elements = Elements(answer.text).found
        assert sum(tag == "script" for tag, _ in elements) == 1
        assert not {tag for tag, _ in elements} & {"iframe", "base", "style", "object", "embed"}
        assert not [name for _, names in elements for name in names if name.startswith("on") or name == "style"]
        if "<" in text:
            assert text not in answer.text


@pytest.mark.parametrize("text", CORPUS)
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
