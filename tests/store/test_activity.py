from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aigateway.store.activity import Bucket, Top, activity
from aigateway.store.ingest import apply
from aigateway.store.records import InterceptionEnd, InterceptionStart, TokenUsage
from aigateway.store.times import rfc3339

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN, BOB = str(UUID(int=1)), str(UUID(int=2))


def uid(number):
    return str(UUID(int=100 + number))


def rows(number, initiator, hours, *, model="sim", ended=True, **end):
    at = rfc3339(START + HOUR * hours)
    yield InterceptionStart(
        interception_id=uid(number),
        initiator_id=initiator,
        provider="openai",
        provider_name="openai",
        model=model,
        client="Codex",
        credential_kind="centralized",
        credential_hint="",
        streaming=False,
        request_bytes=1,
        started_at=at,
    )
    usage = {"input_tokens": 5, "output_tokens": 7}
    yield TokenUsage(id=uid(1000 + number), interception_id=uid(number), msg_id="", created_at=at, **usage)
    if ended:
        yield InterceptionEnd(interception_id=uid(number), ended_at=at, **({"status_code": 200} | end))


@pytest.fixture
async def story(store):
    found = [
        *rows(1, ANN, -0.1),
        *rows(2, ANN, 0),
        *rows(3, ANN, 0.99, status_code=429, error_type="rate_limited"),
        *rows(4, BOB, 1, model="other"),
        *rows(5, BOB, 2.5, status_code=500),
        *rows(6, BOB, 2.6, ended=False),
        *rows(7, BOB, 3),
    ]
    await store.write(apply, found)


async def ask(store, visible_to=None, steps=3, step=HOUR):
    return await store.read(activity, visible_to=visible_to, since=START, step=step, steps=steps)


async def test_each_bucket_counts_what_began_in_it_and_ended(store, story):
    found = await ask(store)
    assert found.buckets == [
        Bucket(START, requests=2, failures=1, people=1, input_tokens=10, output_tokens=14),
        Bucket(START + HOUR, requests=1, failures=0, people=1, input_tokens=5, output_tokens=7),
        Bucket(START + 2 * HOUR, requests=1, failures=1, people=1, input_tokens=5, output_tokens=7),
    ]
    assert (found.requests, found.failures, found.people, found.input_tokens, found.output_tokens) == (4, 2, 2, 20, 28)
    assert found.models == [Top("sim", 3), Top("other", 1)]
    assert found.clients == [Top("Codex", 4)]


async def test_one_bucket_is_enough(store, story):
    assert [bucket.requests for bucket in (await ask(store, steps=1)).buckets] == [2]


async def test_only_those_of_one_person_count(store, story):
    found = await ask(store, visible_to=BOB)
    assert [bucket.requests for bucket in found.buckets] == [0, 1, 1]
    assert found.people == 1


async def test_nothing_is_nothing(store):
    found = await ask(store)
    assert found.buckets == [Bucket(START), Bucket(START + HOUR), Bucket(START + 2 * HOUR)]
    assert found.models == found.clients == found.persons == []
