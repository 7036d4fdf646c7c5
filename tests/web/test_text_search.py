"""Looking for texts in the search box of the lists."""

from __future__ import annotations

import html
import re

import pytest

from aigateway.store.ingest import apply
from tests.store.search.test_index import catch_up, without_index
from tests.web.conftest import interception

LISTS = ("/ai-gateway/sessions", "/ai-gateway/interceptions")


@pytest.mark.parametrize("path", LISTS)
async def test_what_was_asked_is_found_and_stays_in_the_url(browser, world, boss, path):
    for number, prompt in ((1, "mend the build"), (2, "mend <b>get_user</b>")):
        await world.store.write(apply, interception(number, boss, world.clock, text=prompt))
    await catch_up(world.store)
    await browser.be(boss)
    page = (await browser.get(path, params={"q": 'text:mend text:"get_user" model:sim'})).text
    assert "1\u20131 of 1 " in page
    assert "<b>get_user" not in page
    assert 'value="text:mend text:&#34;get_user&#34; model:sim"' in page
    wider = html.unescape(re.search(r'<a href="([^"]*)" aria-label="Remove model"', page)[1])
    assert "1\u20131 of 1 " in (await browser.get(wider)).text
    everything = html.unescape(re.search(r'<a href="([^"]*)" aria-label="Remove text"', page)[1])
    assert "1\u20132 of 2 " in (await browser.get(everything)).text


@pytest.mark.parametrize("path", LISTS)
async def test_what_was_found_is_marked(browser, world, boss, path):
    await world.store.write(apply, interception(1, boss, world.clock, text="mend <b>get_user</b>"))
    await catch_up(world.store)
    await browser.be(boss)
    shown = "<bdi>mend &lt;b&gt;<mark>get_user</mark>&lt;/b&gt;</bdi>"
    assert shown in (await browser.get(path, params={"q": "text:get_user"})).text
    assert "<mark>" not in (await browser.get(path, params={"q": "model:sim"})).text


@pytest.mark.parametrize("path", LISTS)
async def test_what_cannot_be_looked_for_is_said(browser, boss, path):
    await browser.be(boss)
    answer = await browser.get(path, params={"q": 'text:"?!"'})
    assert answer.status_code == 400
    assert "no letter and no digit" in answer.text


@pytest.mark.parametrize("path", LISTS)
async def test_while_old_texts_are_being_indexed_the_page_says_so(browser, world, boss, path):
    await world.store.write(apply, interception(1, boss, world.clock))
    await world.store.write(without_index)
    await browser.be(boss)
    assert "still being indexed" in (await browser.get(path, params={"q": "text:mend"})).text
    assert "still being indexed" not in (await browser.get(path, params={"q": "model:sim"})).text
