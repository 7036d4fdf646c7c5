from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from aigateway.providers.status import Probe, ProbedTooSoon
from aigateway.store.ingest import apply
from tests.web.conftest import interception, uid


@pytest.fixture
def asked():
    return []


@pytest.fixture
def site(site, world, asked):
    async def probe(name):
        asked.append(name)
        if len(asked) > 1:
            raise ProbedTooSoon(4.2)
        if name not in site.providers:
            return None
        message = "The provider refused the key <b>. Renew it."
        return Probe(
            name=name, ok=False, status=401, latency_ms=12, key="sk-a...0001", message=message, at=world.clock.now()
        )

    return replace(site, probe=probe)


async def test_an_owner_tests_a_provider_and_reads_what_is_wrong(browser, boss, asked):
    await browser.be(boss)
    page = await browser.submit("/providers", "/providers/anthropic/test")
    assert page.status_code == 200
    assert "The provider refused the key &lt;b&gt;. Renew it." in page.text
    assert "Status 401, 12 ms, key" in page.text
    again = await browser.submit("/providers", "/providers/anthropic/test")
    assert (again.status_code, "tested a moment ago. Wait 5 s." in again.text) == (429, True)
    assert asked == ["anthropic", "anthropic"]


async def test_the_twin_tells_it_to_programs(browser, boss):
    await browser.be(boss)
    answer = await browser.submit("/providers", "/providers/openai/test.json")
    assert (answer.json()["name"], answer.json()["ok"], answer.json()["status"]) == ("openai", False, 401)


async def test_one_that_is_not_there_is_not_found(browser, boss):
    await browser.be(boss)
    assert (await browser.submit("/providers", "/providers/nobody/test")).status_code == 404


@pytest.mark.parametrize("role", ["auditor", "user-admin", None])
async def test_others_do_not_test(browser, world, asked, role):
    await browser.be(await world.user("eve", *filter(None, [role])))
    answer = await browser.submit("/tokens", "/providers/anthropic/test")
    assert (answer.status_code, asked) == (403, [])
    if role == "auditor":
        assert "/test" not in (await browser.get("/providers")).text


async def test_the_last_failures_of_each_provider_are_shown_with_their_time(browser, world, boss, ann):
    failed = {"status_code": 503, "error_type": "overloaded", "error_message": "too <b>busy</b>"}
    gone = {"status_code": 200, "error_type": "client_disconnected"}
    long_ago = replace_time(interception(9, ann, world.clock, end=failed), "2025-12-30T00:00:00.000000Z")
    rows = [
        *interception(1, ann, world.clock, end=failed, provider_name="anthropic"),
        *interception(2, ann, world.clock, end=gone, provider_name="anthropic"),
        *interception(3, ann, world.clock, provider_name="anthropic"),
        *long_ago,
    ]
    await world.store.write(apply, rows)
    await browser.be(boss)
    page = (await browser.get("/providers")).text
    assert f'<a href="/ai-gateway/interceptions/{uid(1)}"><time' in page
    assert "too &lt;b&gt;busy&lt;/b&gt;" in page
    assert uid(2) not in page
    assert uid(9) not in page
    found = {one["name"]: one["last_failures"] for one in (await browser.get("/providers.json")).json()}
    assert [failure["error_type"] for failure in found["anthropic"]] == ["overloaded"]
    assert found["openai"] == []


def replace_time(rows, at):
    return [msgspec.structs.replace(row, started_at=at) if hasattr(row, "started_at") else row for row in rows]
