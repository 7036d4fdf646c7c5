"""Requests that share their head: what was made of it for one serves the others, and nothing that is another's."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aigateway.gateway.head import header_map
from aigateway.providers.actor_headers import ActorHeaders
from tests.gateway import stage as staging
from tests.gateway.scripted import RATE_LIMITED, scripted
from tests.gateway.stage import CHAT, OTHER, TOKEN
from tests.providers.making import provider

PATH = "openai/v1/chat/completions"
ONE, TWO = (f"sk-number-{number}-0123456789abcdef" for number in "12")


@pytest.fixture
async def upstream(stage):
    async with scripted() as served:
        stage.providers["openai"] = provider("openai", base_url=f"{served.url}/v1", keys=(ONE,))
        yield served


async def ask(stage, head=None, *, payload=CHAT, **options):
    """Ask, with a head that was there before; give the head."""
    client = stage.client(PATH, payload, **options)
    client.head = head or client.head
    answer = await client.run()
    assert answer.status == 200
    return client.head


async def test_requests_with_the_same_head_go_up_alike_but_for_their_bodies(stage, upstream):
    other = CHAT | {"temperature": 0.1}
    head = await ask(stage, query=b"a=b%20c")
    await ask(stage, head, payload=other)
    await ask(stage, head)
    first, second, third = upstream.asked
    assert (first.json(), second.json(), third.json()) == (CHAT, other, CHAT)
    assert second.headers == first.headers | {"content-length": str(len(json.dumps(other)))}
    assert (third.path, third.headers) == (first.path, first.headers) == ("/v1/chat/completions?a=b%20c", third.headers)


async def test_what_a_provider_is_told_of_the_person_is_never_what_it_was_told_before(stage, upstream, monkeypatch):
    stage.actor_headers = ActorHeaders(username=b"x-name")
    head = await ask(stage)
    monkeypatch.setattr(staging, "ALICE", replace(staging.ALICE, username="alice2"))
    await ask(stage, head)
    assert [asked.headers["x-name"] for asked in upstream.asked] == ["alice", "alice2"]


async def test_another_key_is_shown_once_the_first_one_rests(stage, upstream):
    stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1", keys=(ONE, TWO))
    head = await ask(stage)
    upstream.by_key[ONE] = RATE_LIMITED
    await ask(stage, head)
    await ask(stage, head)
    assert upstream.keys == [ONE, ONE, TWO, TWO]


async def test_a_key_of_ones_own_is_shown_each_time(stage, upstream):
    own = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer my-own-key-0123456789"}
    head = await ask(stage, headers=own)
    await ask(stage, head)
    assert upstream.keys == ["my-own-key-0123456789"] * 2


async def test_a_token_that_is_no_longer_good_is_refused_though_its_head_was_served(stage, upstream, monkeypatch):
    head = await ask(stage)
    monkeypatch.setattr(staging, "TOKEN", OTHER)
    client = stage.client(PATH, CHAT)
    client.head = head
    assert (await client.run()).status == 401
    assert len(upstream.asked) == 1


def test_several_values_of_a_header_are_read_as_one():
    assert header_map([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]) == {"a": "1, 3", "b": "2"}
