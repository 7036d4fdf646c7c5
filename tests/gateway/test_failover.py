"""A provider with several keys: one that fails is replaced before the client hears of it."""

from __future__ import annotations

import asyncio

import pytest

from aigateway.providers.pool import Fault
from aigateway.store.records import InterceptionEnd, InterceptionStart
from aigateway.telemetry.events import Events
from tests.gateway.scripted import MESSAGES_ANSWER, RATE_LIMITED, REFUSED, Say, scripted
from tests.gateway.stage import CHAT, MESSAGES, RESPONSES, TOKEN
from tests.providers.making import provider
from tests.support.waiting import eventually

KEYS = tuple(f"sk-number-{number}-0123456789abcdef" for number in "123")
ONE, TWO, THREE = KEYS
CASES = [
    pytest.param("openai", "/v1", "openai/v1/chat/completions", CHAT, id="chat"),
    pytest.param("openai", "/v1", "openai/v1/responses", RESPONSES, id="responses"),
    pytest.param("anthropic", "", "anthropic/v1/messages", MESSAGES, id="messages"),
]
PATH = "openai/v1/chat/completions"


class Told(Events):
    def __init__(self):
        self.heard = []

    def key_changed(self, provider, reason):
        self.heard.append(("changed", provider, reason))

    def keys_exhausted(self, provider, outcome):
        self.heard.append(("exhausted", provider, outcome))

    def key_attempts(self, provider, attempts):
        self.heard.append(("attempts", provider, attempts))


@pytest.fixture
async def upstream(stage):
    async with scripted() as served:
        stage.providers["openai"] = provider("openai", base_url=f"{served.url}/v1", keys=KEYS)
        stage.providers["anthropic"] = provider("anthropic", base_url=served.url, keys=KEYS)
        yield served


@pytest.mark.parametrize("fault", [RATE_LIMITED, REFUSED], ids=["rate-limited", "refused"])
@pytest.mark.parametrize(("type_", "base", "path", "payload"), CASES)
async def test_the_next_key_serves_and_is_on_record(stage, upstream, type_, base, path, payload, fault):
    upstream.by_key[ONE] = fault
    if type_ == "anthropic":
        upstream.default = Say(body=MESSAGES_ANSWER)
    answer = await stage.ask(path, payload)
    assert (answer.status, upstream.keys) == (200, [ONE, TWO])
    assert upstream.asked[0].body == upstream.asked[1].body
    begun, ended, _, _ = await stage.record()
    assert (begun.credential_hint, ended.credential_hint) == ("sk-n...cdef", None)  # the hints look alike here
    assert (ended.status_code, ended.error_type) == (200, None)
    await stage.ask(path, payload)
    assert upstream.keys == [ONE, TWO, TWO]


async def test_the_key_that_served_is_on_record(stage, upstream):
    keys = ("sk-first-0123456789abcde1", "sk-second-0123456789abcde2")
    stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1", keys=keys)
    upstream.by_key[keys[0]] = RATE_LIMITED
    await stage.ask(PATH, CHAT)
    begun, ended, _, _ = await stage.record()
    assert (begun.credential_hint, ended.credential_hint) == ("sk-f...cde1", "sk-s...cde2")
    assert begun.credential_kind == "centralized"


async def test_a_stream_fails_over_before_its_first_byte(stage, upstream):
    upstream.by_key[ONE] = RATE_LIMITED
    upstream.default = Say(body=b'data: {"choices":[]}\n\ndata: [DONE]\n\n', content_type="text/event-stream")
    answer = await stage.ask(PATH, CHAT | {"stream": True})
    assert (answer.status, answer.body) == (200, upstream.default.body)
    assert upstream.keys == [ONE, TWO]


async def test_two_hundred_at_once_over_three_keys_one_of_them_always_limited(stage, upstream):
    upstream.by_key[ONE] = RATE_LIMITED
    answers = await asyncio.gather(*(stage.ask(PATH, CHAT) for _ in range(200)))
    assert {answer.status for answer in answers} == {200}
    assert set(upstream.keys) == {ONE, TWO}
    records = await stage.records()
    assert sum(isinstance(record, InterceptionStart) for record in records) == 200
    assert {r.error_type for r in records if isinstance(r, InterceptionEnd)} == {None}


async def test_a_key_that_rested_long_enough_is_tried_first_again(stage, upstream):
    upstream.by_key[ONE] = Say(429, {}, {"retry-after-ms": "1000"})
    await stage.ask(PATH, CHAT)
    assert stage.providers["openai"].pool.usable() == 1
    del upstream.by_key[ONE]
    await eventually(lambda: stage.providers["openai"].pool.usable() == 0)
    await stage.ask(PATH, CHAT)
    assert upstream.keys == [ONE, TWO, ONE]


@pytest.mark.parametrize(("type_", "base", "path", "payload"), CASES)
async def test_all_keys_limited_is_429_and_says_when(stage, upstream, type_, base, path, payload):
    upstream.default = RATE_LIMITED
    upstream.by_key[THREE] = Say(429, {}, {"retry-after": "3"})
    upstream.by_key[TWO] = REFUSED
    answer = await stage.ask(path, payload)
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    assert answer.error["type"] == "rate_limit_error"
    assert "all 3 keys" in answer.error["message"]
    assert "x-should-retry" not in answer.headers
    _, ended, _, _ = await stage.record()
    assert (ended.status_code, ended.error_type) == (429, "rate_limited")
    # From now on the provider is left alone.
    assert (await stage.ask(path, payload)).status == 429
    assert upstream.keys == [ONE, TWO, THREE]


@pytest.mark.parametrize(("type_", "base", "path", "payload"), CASES)
async def test_all_keys_refused_is_502_and_no_reason_to_try_again(stage, upstream, type_, base, path, payload):
    upstream.default = REFUSED
    answer = await stage.ask(path, payload)
    assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
    assert "retry-after" not in answer.headers
    assert "Tell your administrator" in answer.error["message"]
    _, ended, _, _ = await stage.record()
    assert (ended.status_code, ended.error_type) == (502, "unauthorized")


@pytest.mark.parametrize("status", [400, 402, 403, 404, 408, 413, 500, 503, 529])
async def test_what_is_no_fault_of_the_key_is_relayed_as_it_is(stage, upstream, status):
    upstream.default = Say(status, b'{"error": {"message": "as \\u0069t is"}}')
    answer = await stage.ask(PATH, CHAT)
    assert (answer.status, answer.body) == (status, upstream.default.body)
    assert upstream.keys == [ONE]
    assert stage.providers["openai"].pool.usable() == 0


@pytest.mark.parametrize("fault", [RATE_LIMITED, REFUSED], ids=["rate-limited", "refused"])
async def test_with_one_key_the_provider_speaks_for_itself_every_time(stage, upstream, fault):
    stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1", keys=(ONE,))
    upstream.default = fault
    for _ in range(2):
        answer = await stage.ask(PATH, CHAT)
        assert (answer.status, answer.json()) == (fault.status, fault.body)
        assert answer.headers.get("retry-after") == fault.headers.get("retry-after")
    assert upstream.keys == [ONE, ONE]


@pytest.mark.parametrize("fault", [RATE_LIMITED, REFUSED], ids=["rate-limited", "refused"])
async def test_a_key_of_ones_own_is_replaced_by_none_of_ours(stage, upstream, fault):
    upstream.by_key["sk-own-0123456789"] = fault
    headers = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer sk-own-0123456789"}
    answer = await stage.ask(PATH, CHAT, headers=headers)
    assert (answer.status, answer.json()) == (fault.status, fault.body)
    assert upstream.keys == ["sk-own-0123456789"]
    assert stage.providers["openai"].pool.usable() == 0


async def test_what_passes_through_uses_the_pool_too(stage, upstream):
    upstream.by_key[ONE] = RATE_LIMITED
    upstream.default = Say(body={"data": []})
    answer = await stage.ask("openai/v1/models", method="GET")
    assert (answer.status, answer.json()) == (200, {"data": []})
    assert upstream.keys == [ONE, TWO]
    upstream.default = RATE_LIMITED
    answer = await stage.ask("openai/v1/models", method="GET")
    assert (answer.status, answer.error["type"]) == (429, "rate_limit_error")


async def test_a_provider_that_cannot_be_reached_is_no_fault_of_the_key(stage):
    stage.providers["openai"] = provider("openai", base_url="http://127.0.0.1:9/v1", keys=KEYS)
    assert (await stage.ask(PATH, CHAT)).status == 502
    assert stage.providers["openai"].pool.usable() == 0


async def test_operators_are_told(stage, upstream, monkeypatch):
    told = Told()
    monkeypatch.setattr(type(stage.observing), "events", told)
    upstream.by_key[ONE] = RATE_LIMITED
    await stage.ask(PATH, CHAT)
    assert told.heard == [("changed", "openai", "rate_limited"), ("attempts", "openai", 2)]
    told.heard.clear()
    upstream.default = REFUSED
    await stage.ask(PATH, CHAT)
    assert told.heard == [
        ("changed", "openai", "unauthorized"),
        ("changed", "openai", "unauthorized"),
        ("attempts", "openai", 2),
        ("exhausted", "openai", "rate_limited"),
    ]
    pool = stage.providers["openai"].pool
    assert [pool.state(place).fault for place in range(3)] == [
        Fault.RATE_LIMITED,
        Fault.UNAUTHORIZED,
        Fault.UNAUTHORIZED,
    ]
