"""Reading what is on record: a month of an invented team, and what recordings of real clients left when replayed."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from tests.browser import story
from tests.browser.conftest import DESKTOP, PHONE, ask, opened
from tests.conformance.test_captures import FILES, body_of, headers_of

expect = pytest.importorskip("playwright.sync_api").expect

LONG = "/ai-gateway/sessions/s-long"
STEPS = 70
MONDAYS = f"/ai-gateway/sessions/{story.SESSION}"


@pytest.fixture(scope="module")
def told(gateway):
    """The story, and a session of many steps."""
    people = story.tell(gateway)
    teller = story.Teller("s-long", people["ben"], story.CLIENTS[2], datetime.now(UTC) - timedelta(hours=30))
    records = [*teller.ask(prompt="Read every file", tools=({"tool": "Read", "input": {"file": 0}},))]
    for number in range(1, STEPS):
        records += teller.ask(tools=({"tool": "Read", "input": {"file": number, "needle": f"needle-{number}"}},))
    story.write(gateway, records)
    return people


@pytest.fixture
def page(chromium, gateway, owner, told):
    with opened(chromium, gateway, owner) as made:
        yield made


def test_a_session_is_found_by_person_and_text_and_followed_from_prompt_to_cause(page):
    page.get_by_text("Person", exact=True).first.click()
    page.get_by_label("Person").fill("chl")
    expect(page.get_by_role("link", name="ben", exact=True)).to_be_hidden()
    page.get_by_role("link", name="chloe", exact=True).click()
    expect(page.get_by_label("Conditions")).to_contain_text("chloe")
    page.keyboard.press("/")
    page.keyboard.press("End")
    page.keyboard.type(' text:"certificate has expired"')
    page.keyboard.press("Enter")
    expect(page.get_by_label("Conditions")).to_contain_text("certificate has expired")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Comment on the ticket").click()
    first = page.locator(".step").first
    expect(first.get_by_label("Prompt")).to_contain_text(story.MONDAYS)
    first.get_by_text("Thought").click()
    expect(first.locator(".prose")).to_contain_text("a cache that expires")
    second = page.locator(".step").nth(1)
    expect(second.get_by_text("Injected tool")).to_be_visible()
    expect(second.locator(".server")).to_have_text("https://mcp.example.com/issues")
    second.get_by_text("issue_search").click()
    expect(second.locator("code").first).to_contain_text('"query": "nightly AND certificate"')
    expect(second.get_by_role("button", name="Copy").first).to_be_visible()
    expect(page.locator(".step.failed")).to_contain_text("Overloaded")
    page.locator(".thread h2 a").first.click()
    expect(page.get_by_role("link", name="The whole session")).to_be_visible()
    expect(page.locator(".thread")).to_have_count(1)
    page.locator(".step .meta a").first.click()
    expect(page.get_by_role("heading", name="Raw facts")).to_be_visible()


def test_bars_are_walked_and_chosen_on_the_keyboard(page):
    page.goto("/ai-gateway/sessions?range=30d")
    bars = page.locator(".histogram a")
    assert bars.count() > 5
    bars.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator(".histogram .in").count() >= 3
    page.keyboard.press("Enter")
    chips = page.get_by_label("Conditions")
    expect(chips.get_by_label("Remove started_after")).to_be_visible()
    expect(chips.get_by_label("Remove started_before")).to_be_visible()


def test_bars_are_chosen_by_dragging(page):
    page.goto("/ai-gateway/sessions?range=30d&q=client%3ACodex")
    box = page.locator(".histogram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page.get_by_label("Conditions")).to_contain_text("from")
    expect(page.get_by_label("Conditions")).to_contain_text("Codex")


def test_nothing_moves_under_a_reader(gateway, page):
    page.goto("/ai-gateway/sessions?range=30d")
    page.mouse.wheel(0, 600)
    page.wait_for_function("() => scrollY > 300")
    row = page.locator("tbody tr").nth(14)
    place = row.bounding_box()["y"]
    gateway.interception(ask(gateway, "came while you read"))
    told = page.get_by_role("button", name="1 new")
    expect(told).to_be_visible(timeout=15_000)
    assert abs(row.bounding_box()["y"] - place) < 1
    told.click()
    expect(page.get_by_role("link", name="came while you read")).to_be_in_viewport()


def test_a_list_that_nobody_sees_asks_for_nothing(page):
    asked = []
    page.clock.install()
    page.goto("/ai-gateway/sessions")
    page.on("request", lambda request: asked.append(request.url) if "/static/" not in request.url else None)
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { get: () => window.unseen, configurable: true });
        window.unseen = true;
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate("""() => { window.unseen = false; document.dispatchEvent(new Event("visibilitychange")); }""")
    page.clock.run_for(6_000)
    assert asked == [page.url]


def test_a_long_session_goes_on_as_it_is_scrolled(page):
    page.goto(LONG)
    steps = page.locator(".step")
    expect(steps).to_have_count(30)
    page.locator(".more a").last.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelectorAll('.step').length >= 60")
    page.mouse.wheel(0, 100_000)
    expect(steps).to_have_count(STEPS)
    expect(page.get_by_text("End of the thread")).to_be_visible()


def test_find_reads_to_the_end(page):
    page.goto(LONG)
    page.keyboard.press("/")
    page.keyboard.type("needle-69")
    expect(page.get_by_text("1 match")).to_be_visible()
    expect(page.locator("mark")).to_be_in_viewport()


def test_without_javascript_everything_is_reached_by_links(chromium, gateway, owner, told):
    with opened(chromium, gateway, owner, java_script_enabled=False) as page:
        page.goto(LONG)
        for shown in (30, 30, STEPS - 60):
            expect(page.locator(".step")).to_have_count(shown)
            if shown == 30:
                page.locator("[data-more] a").click()
        page.goto("/ai-gateway/sessions?range=30d")
        page.locator(".histogram a").first.press("Enter")
        expect(page.get_by_label("Conditions")).to_contain_text("from")
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto("/connect/codex")
        page.get_by_role("button", name="Create a token").click()
        token = page.get_by_label("Your token").inner_text().strip()
        gateway.interception(ask(gateway, "without a script", token))
        page.get_by_role("link", name="Look now").click()
        expect(page.get_by_text("without a script")).to_be_visible()


def test_colours_are_chosen_and_stay(page):
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.goto("/tokens")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")


def test_the_keyboard_alone_reaches_the_page_and_leaves_menus(page):
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_text("Model", exact=True).click()
    expect(page.get_by_label("Model")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Model")).to_be_hidden()


def test_an_incident_file_shows_everything_on_paper(page):
    page.goto(MONDAYS)
    page.get_by_role("link", name="Print view").click()
    page.emulate_media(media="print")
    expect(page.get_by_text("Made by ada at")).to_be_visible()
    expect(page.locator("code", has_text='"query": "nightly AND certificate"')).to_be_visible()
    expect(page.locator("[data-preview]").first).to_be_hidden()
    expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()


def test_motion_is_reduced_for_who_asks(chromium, gateway, owner):
    for wish, moving in (("no-preference", "breathe"), ("reduce", "none")):
        with opened(chromium, gateway, owner, PHONE, "/connect/codex", reduced_motion=wish) as page:
            page.get_by_role("button", name="Create a token").click()
            waiting = page.get_by_text("Waiting for your first request")
            assert waiting.evaluate("element => getComputedStyle(element).animationName") == moving


def test_replayed_recordings_of_clients_are_found_by_their_names(chromium, gateway, owner):
    wanted = ("claude-code-plain", "codex-plain", "opencode-chat-byok", "02-tool-loop-1", "03-tool-loop-2")
    sent = {}
    for path in FILES:
        if path.stem not in wanted:
            continue
        capture = json.loads(path.read_text("utf-8"))["request"]
        query = f"?{capture['query']}" if capture["query"] else ""
        url = f"{gateway.url}{capture['path']}{query}"
        request = urllib.request.Request(url, body_of(capture), dict(headers_of(capture, gateway.token)))
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()
            row = gateway.interception(answer.headers["X-AI-Gateway-Interception-Id"])
        if row["user_prompts"]:
            sent[row["client"]] = row["user_prompts"][-1]["prompt"]
    assert sent.keys() >= {"Claude Code", "Codex", "OpenCode"}
    for client, prompt in sent.items():
        search = urlencode({"q": f'initiator:ada client:"{client}"', "range": "1h"})
        with opened(chromium, gateway, owner, DESKTOP, f"/ai-gateway/sessions?{search}") as page:
            expect(page.locator("tbody tr").first).to_contain_text(client)
            page.goto(f"/ai-gateway/interceptions?{search}")
            expect(page.get_by_role("link", name=prompt[:40]).first).to_be_visible()
