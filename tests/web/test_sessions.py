"""The list of sessions: what was chosen is in the URL, and leads on without JavaScript."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from aigateway.store.ingest import apply
from aigateway.web.histogram import Span, bars, seen
from aigateway.web.wording import hue, initials
from tests.web.conftest import interception

SESSIONS = "/ai-gateway/sessions"


def links(page, label):
    return [html.unescape(url) for url in re.findall(rf'<a href="([^"]*)"[^>]*aria-label="{label}', page)]


async def test_each_bar_leads_to_the_sessions_of_its_time(browser, world, boss):
    rows = [row for number in (1, 2, 40) for row in interception(number, boss, world.clock)]
    await world.store.write(apply, rows)
    await browser.be(boss)
    page = (await browser.get(f"{SESSIONS}?range=24h&q=model:sim")).text
    found = links(page, r"\d+ from ")
    assert [int(count) for count in re.findall(r'aria-label="(\d+) from', page)] == [2, 1]
    early, late = [(await browser.get(url)).text for url in found]
    assert "1\u20132 of 2 sessions" in early
    assert "1\u20131 of 1 sessions" in late
    assert re.findall(r'aria-label="Remove (\w+)"', late) == ["model", "started_after", "started_before"]


async def test_a_time_that_was_picked_becomes_part_of_the_search(browser, world, boss):
    await world.store.write(apply, [row for number in (1, 40) for row in interception(number, boss, world.clock)])
    await browser.be(boss)
    start = (world.clock.now() - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M")
    page = (await browser.get(SESSIONS, params={"q": "model:sim", "started_after": start, "started_before": ""})).text
    assert "1\u20131 of 1 sessions" in page
    assert f'value="model:sim started_after:&#34;{start}Z&#34;"' in page
    assert f'name="started_after" value="{start}"' in page
    wider = html.unescape(re.search(r'href="([^"]*)">Last 7 days', page)[1])
    assert "started" not in wider
    assert "range=7d" in wider


@pytest.mark.parametrize("field", ["client", "model", "provider_name", "initiator"])
async def test_a_menu_takes_what_is_typed_besides_what_it_offers(browser, record, boss, field):
    await browser.be(boss)
    value = {"client": "Claude Code", "model": "other", "provider_name": "openai", "initiator": "bob"}[field]
    page = (await browser.get(SESSIONS, params={"range": "all", "q": "session_id:s-bob", field: value})).text
    assert "a secret of Bob" in page
    assert set(re.findall(r'aria-label="Remove (\w+)"', page)) == {"session_id", field}
    everything = (await browser.get(f"{SESSIONS}?range=all")).text
    assert f"<bdi>{value}</bdi></a></li>" in everything


async def test_members_are_offered_no_names(browser, record, ann):
    await browser.be(ann)
    page = (await browser.get(f"{SESSIONS}?range=all")).text
    assert "<bdi>bob</bdi>" not in page
    assert 'name="initiator"' not in page


async def test_an_empty_list_says_what_to_do(browser, record, boss):
    await browser.be(boss)
    nothing = (await browser.get(f"{SESSIONS}?q=model:nothing&range=1h")).text
    assert "No session matches." in nothing
    assert "Take a condition away above" in nothing
    assert 'href="/ai-gateway/sessions?q=model%3Anothing&amp;range=all">Look in all time' in nothing
    beyond = (await browser.get(f"{SESSIONS}?range=all&page=9")).text
    assert "The list ends before this page." in beyond


async def test_a_new_server_says_how_to_begin(browser, boss):
    await browser.be(boss)
    page = (await browser.get(f"{SESSIONS}?range=all")).text
    assert "Nothing is on record yet." in page
    assert 'href="/connect">Connect a client' in page


async def test_times_are_relative_with_the_exact_one_at_hand(browser, record, boss):
    await browser.be(boss)
    page = (await browser.get(f"{SESSIONS}?range=all")).text
    assert re.search(
        r'<time datetime="2026-01-02T02:\d\d:05[^"]*Z" title="2026-01-02 02:\d\d:05 UTC">\d+ min ago', page
    )


def test_bars_are_as_many_as_can_be_seen_whatever_the_time():
    end = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for hours in (0.01, 1, 24, 24 * 7, 24 * 30, 24 * 365, 24 * 365 * 30):
        span = Span.of(end - timedelta(hours=hours), end)
        drawn = bars({end - timedelta(hours=hours / 2): 3}, span)
        assert 1 <= len(drawn) <= 61
        assert sum(bar.count for bar in drawn) == 3
        assert drawn[0].start <= span.since < drawn[0].end
        assert drawn[-1].start <= span.until < drawn[-1].end
        assert all(bar.height == 100 for bar in drawn if bar.count)


def test_all_time_begins_with_the_first_session():
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    days = {datetime(2025, 11, 1, tzinfo=UTC): 2, datetime(2026, 1, 1, tzinfo=UTC): 1}
    drawn = seen(lambda step: days if step == timedelta(days=1) else {}, None, now)
    assert sum(bar.count for bar in drawn) == 3
    assert drawn[0].start <= min(days)
    assert seen(lambda _step: {}, None, now) == []


def test_people_are_told_apart_by_letters_and_colours():
    assert [initials(name) for name in ("ada", "ci-runner", "Grace Brewster Hopper", "", "<>")] == [
        "A", "CR", "GH", "?", "?",
    ]  # fmt: skip
    assert hue("ada") == hue("ada")
    assert {hue(f"person-{number}") for number in range(99)} == set(range(8))
