"""One session: long ones in parts, a thread of its own, and what goes into a file."""

from __future__ import annotations

import html
import re

import pytest

from aigateway.store.ingest import apply
from aigateway.web.session import _CUT, _STEPS, _THREADS
from tests.web.conftest import interception, uid

PATH = "/ai-gateway/sessions/s-long"


def thread_of(rows, root):
    """The same records as one thread: each answers a tool call of the one before."""
    changed = []
    for number, row in enumerate(rows):
        names = {name: getattr(row, name) for name in row.__struct_fields__}
        if number % 6 == 0 and number:
            names["correlating_tool_call_id"] = f"call-{number // 6}"
        if number % 6 == 3:
            names["tool_call_id"] = f"call-{number // 6 + 1}"
        changed.append(type(row)(**names))
    return changed


@pytest.fixture
async def long_thread(world, ann):
    """A thread of twice as many steps as a page shows, and ten."""
    count = 2 * _STEPS + 10
    rows = [row for n in range(1, count + 1) for row in interception(n, ann, world.clock, session="s-long")]
    await world.store.write(apply, thread_of(rows, 1))
    return count


@pytest.fixture
async def many_threads(world, ann):
    count = _THREADS + 5
    for n in range(1, count + 1):
        await world.store.write(apply, interception(n, ann, world.clock, text=f"prompt {n} of", session="s-long"))
    return count


def steps(page):
    return page.count('<li class="step')


def more(page):
    """Where the link to the rest leads."""
    found = re.search(r'data-more="[^"]*"><a class="button" href="([^"]*)"', page)
    return html.unescape(found[1]) if found else None


async def test_a_long_thread_goes_on_by_a_link(browser, ann, long_thread):
    await browser.be(ann)
    page, seen = (await browser.get(PATH)).text, 0
    for _ in range(3):
        seen += steps(page)
        page = (await browser.get(PATH + (more(page) or ""))).text if more(page) else page
    assert seen == long_thread
    assert more(page) is None
    assert "Earlier steps" in page
    assert "End of the thread" in page


async def test_a_session_of_many_threads_goes_on_by_a_link(browser, ann, many_threads):
    await browser.be(ann)
    first = (await browser.get(PATH)).text
    assert first.count('<section class="thread"') == _THREADS
    second = (await browser.get(PATH + more(first))).text
    assert second.count('<section class="thread"') == 5
    assert more(second) is None
    assert "Earlier threads" in second


async def test_a_thread_has_a_link_of_its_own(browser, ann, many_threads):
    await browser.be(ann)
    url = f"{PATH}?by={ann.id}&thread={uid(3)}"
    assert html.escape(url.removeprefix(PATH)).replace("&amp;", "&") in (await browser.get(PATH)).text
    alone = (await browser.get(url)).text
    assert "prompt 3 of</bdi>" in alone
    assert "prompt 4 of</bdi>" not in re.sub(r"<h1>.*?</h1>", "", alone)
    assert "The whole session" in alone
    twin = (await browser.get(url, headers={"Accept": "application/json"})).json()
    assert [thread["id"] for thread in twin["threads"]] == [uid(3)]
    assert (await browser.get(f"{PATH}?thread={uid(999)}")).status_code == 404


async def test_an_interception_leads_to_its_thread(browser, ann, many_threads):
    await browser.be(ann)
    page = (await browser.get(f"/ai-gateway/interceptions/{uid(3)}")).text
    assert html.unescape(re.search(r'href="(/ai-gateway/sessions/[^"]*)"', page)[1]) == (
        f"{PATH}?by={ann.id}&thread={uid(3)}"
    )


async def test_long_texts_are_cut_and_are_whole_elsewhere(browser, world, ann):
    text = "x" * _CUT + "THE END"
    await world.store.write(apply, interception(1, ann, world.clock, text=text, session="s-long"))
    await browser.be(ann)
    page = (await browser.get(PATH)).text
    assert "THE END" not in page
    assert f'<a href="/ai-gateway/interceptions/{uid(1)}">All {len(text):,} characters</a>' in page
    assert "THE END" in (await browser.get(f"/ai-gateway/interceptions/{uid(1)}")).text
    assert "THE END" in (await browser.get(f"{PATH}?print=1")).text


async def test_what_goes_into_a_file_says_who_when_and_what_and_shows_everything(browser, world, ann, long_thread):
    await browser.be(ann)
    page = (await browser.get(f"{PATH}?print=1")).text
    assert "Record of a session" in page
    assert "Made by ann at 2026-01-02 03:04:05 UTC, from http://gateway.test/ai-gateway/sessions/s-long" in page
    assert "2026-01-02 02:05:05 UTC" in page
    assert steps(page) == long_thread
    assert "<details" in page
    assert not re.search(r"<details(?![^>]* open)", page)


async def test_each_step_tells_its_tokens_times_and_errors(browser, record, boss):
    await browser.be(boss)
    page = (await browser.get("/ai-gateway/sessions/session-3")).text
    step = page[page.index('<li class="step failed"') :]
    assert "rate_limited" in step
    assert "1,500 in, 7 out, 3 read from cache" in step
    assert re.search(r"first byte</span> \S+.*took</span> 2\.0 s", step, re.DOTALL)


async def test_a_tool_of_the_gateways_is_marked_with_its_server(browser, world, ann):
    rows = interception(1, ann, world.clock, session="s-long")
    given = {name: getattr(rows[3], name) for name in rows[3].__struct_fields__}
    rows[3] = type(rows[3])(**given | {"injected": True, "server_url": "https://mcp.example.com/issues"})
    await world.store.write(apply, rows)
    await browser.be(ann)
    page = (await browser.get(PATH)).text
    summary = re.search(r'<details class="tool">.*?</summary>', page, re.DOTALL)[0]
    assert "Injected tool" in summary
    assert "https://mcp.example.com/issues" in summary
    assert "Run by the gateway on" in page
    assert "data-copy hidden>Copy" in page
