from __future__ import annotations

import pytest


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
async def test_colours_are_chosen_and_kept(browser, boss, theme):
    await browser.be(boss)
    assert 'data-theme="auto"' in (await browser.get("/tokens")).text
    chosen = await browser.submit("/tokens", "/theme", theme=theme, next="/tokens?all=1")
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/tokens?all=1")
    page = (await browser.get("/tokens")).text
    assert f'data-theme="{theme}"' in page
    assert f'value="{theme}" title' in page.split('aria-pressed="true"')[0][-200:]


async def test_nothing_else_becomes_a_colour_or_a_place(browser, boss):
    await browser.be(boss)
    answer = await browser.submit("/tokens", "/theme", theme='dark" onload="x', next="//evil.test")
    assert answer.headers["location"] == "/"
    assert "set-cookie" not in answer.headers
    browser.client.cookies.set("aigateway_theme", "<script>", domain="gateway.test")
    assert 'data-theme="auto"' in (await browser.get("/tokens")).text
