from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from aigateway.store.ingest import apply
from aigateway.store.records import InterceptionEnd, InterceptionStart, PromptUsage, TokenUsage, ToolUsage
from tests.support.examples import examples

PATHS = ("/api/v2/aibridge/interceptions", "/api/v2/ai-gateway/interceptions")


def uid(number):
    return str(UUID(int=number))


def at(second):
    return f"2026-01-01T00:00:{second:02}.000000Z"


def records(number, user, *, ended=True, **fields):
    base = {
        "provider": "openai",
        "provider_name": "my-openai",
        "model": "sim",
        "client": "Codex",
        "credential_kind": "centralized",
        "credential_hint": "sk-...abc",
        "streaming": True,
        "request_bytes": 10,
    }
    common = {"interception_id": uid(number), "msg_id": "resp_1", "created_at": at(number)}
    yield InterceptionStart(interception_id=uid(number), initiator_id=user.id, started_at=at(number), **base | fields)
    yield PromptUsage(id=uid(100 + number), prompt="hello", **common)
    yield TokenUsage(id=uid(200 + number), input_tokens=5, output_tokens=7, cache_read_input_tokens=3, **common)
    yield ToolUsage(id=uid(300 + number), tool="shell", input='{"a": 1}', **common)
    if ended:
        yield InterceptionEnd(interception_id=uid(number), ended_at=at(number + 1), status_code=200, duration_ms=9)


@pytest.fixture
async def ann(world):
    return await world.user("ann")


@pytest.fixture
async def story(world, ann):
    """Five interceptions that ended, of two people, and one under way."""
    bob = await world.user("bob")
    rows = [
        *records(1, ann),
        *records(2, ann, model="other"),
        *records(3, bob, client="Unknown"),
        *records(4, ann, provider="anthropic", provider_name="claude"),
        *records(5, bob),
        *records(6, ann, ended=False),
    ]
    await world.store.write(apply, rows)
    return bob


@pytest.fixture
async def ask(world, client):
    """Asks as a user with a role, and gives the numbers of the interceptions, or the answer if it is a refusal."""
    auditor = await world.user("boss", "auditor")

    async def asking(user=auditor, path=PATHS[0], **params):
        headers = {"Coder-Session-Token": await world.token(user)}
        answer = await client.get(path, params=params, headers=headers)
        assert answer.status_code in {200, 400}, answer.text
        if answer.status_code == 400:
            assert answer.json()["validations"]
            return answer.json()["validations"][0]["field"]
        body = answer.json()
        return body["count"], [UUID(one["id"]).int for one in body["results"]]

    return asking


async def test_one_interception_with_all_that_was_observed(world, client, story, ann):
    headers = {"Coder-Session-Token": await world.token(ann)}
    first, second = [(await client.get(path, params={"limit": 1}, headers=headers)).json() for path in PATHS]
    assert first == second
    [shown] = first["results"]
    assert shown["initiator"] == {"id": ann.id, "username": "ann"}
    assert (shown["provider"], shown["provider_name"], shown["model"]) == ("anthropic", "claude", "sim")
    assert (shown["started_at"], shown["ended_at"]) == (at(4), at(5))
    assert (shown["status_code"], shown["streaming"], shown["duration_ms"]) == (200, True, 9)
    assert (shown["session_id"], shown["metadata"]) == (uid(4), {})
    [usage], [prompt], [tool] = shown["token_usages"], shown["user_prompts"], shown["tool_usages"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cache_read_input_tokens"]) == (5, 7, 3)
    assert usage["cache_write_input_tokens"] == 0
    assert (prompt["prompt"], prompt["interception_id"], prompt["provider_response_id"]) == ("hello", uid(4), "resp_1")
    assert (tool["tool"], tool["input"], tool["injected"]) == ("shell", '{"a": 1}', False)
    assert (tool["server_url"], tool["invocation_error"]) == ("", "")


async def test_everybodys_are_seen_by_auditors_and_own_ones_by_members(ask, story, ann):
    assert await ask() == (5, [5, 4, 3, 2, 1])
    assert await ask(ann) == (3, [4, 2, 1])
    assert await ask(story) == (2, [5, 3])
    assert await ask(story, q=f"initiator:{ann.id}") == "initiator"
    assert await ask(story, q="ann") == "initiator"


async def test_pages(ask, story, ann):
    assert await ask(limit=2) == (5, [5, 4])
    assert await ask(limit=2, after_id=uid(4)) == (5, [3, 2])
    assert await ask(limit=2, offset=4) == (5, [1])
    assert await ask(after_id=uid(1)) == (5, [])
    assert await ask(after_id=uid(2), offset=1) == "offset"
    assert await ask(after_id=uid(99)) == "after_id"
    assert await ask(ann, after_id=uid(5)) == "after_id"  # another person's
    assert await ask(after_id="x") == "after_id"
    assert await ask(limit=0) == "limit"
    assert await ask(limit=1001) == "limit"


async def test_of_one_moment_the_larger_id_comes_first_and_pages_know_it(world, ask, ann):
    """Rows are strictly below the pair of time and id of the cursor's."""
    await world.store.write(apply, [record for number in (1, 2, 3) for record in at_once(number, ann)])
    assert await ask() == (3, [3, 2, 1])
    assert await ask(after_id=uid(2)) == (3, [1])
    assert await ask(limit=1, after_id=uid(3)) == (3, [2])


def at_once(number, user):
    first, *rest = records(number, user)
    return [msgspec.structs.replace(first, started_at=at(0)), *rest]


async def test_a_hundred_are_listed_unless_more_are_asked_for(world, ask, ann):
    await world.store.write(apply, [record for number in range(1, 11) for record in at_once(number, ann)])
    many = [record for number in range(11, 102) for record in bare(number, ann)]
    await world.store.write(apply, many)
    assert (count_and_length(await ask()), count_and_length(await ask(limit=1000))) == ((101, 100), (101, 101))


def count_and_length(found):
    return found[0], len(found[1])


def bare(number, user):
    """One of which nothing was observed but that it was."""
    first, *_, last = records(number, user)
    when = {"started_at": at(1), "client": "Unknown"}
    return [msgspec.structs.replace(first, **when), msgspec.structs.replace(last, ended_at=at(2))]


async def test_what_is_unknown_is_null_and_what_was_not_observed_an_empty_list(world, client, ann):
    await world.store.write(apply, bare(1, ann))
    headers = {"Coder-Session-Token": await world.token(ann)}
    [shown] = (await client.get(PATHS[0], headers=headers)).json()["results"]
    assert (shown["api_key_id"], shown["metadata"], shown["client"]) == (None, {}, "Unknown")
    assert (shown["token_usages"], shown["user_prompts"], shown["tool_usages"]) == ([], [], [])


async def test_rows_below_an_interception_have_every_field_of_the_specification(world, client, story, ann):
    headers = {"Coder-Session-Token": await world.token(ann)}
    [shown] = (await client.get(PATHS[0], params={"limit": 1}, headers=headers)).json()["results"]
    common = {"id", "interception_id", "provider_response_id", "metadata", "created_at"}
    called = {"server_url", "tool", "input", "injected", "invocation_error"}
    for rows, more in (
        ("token_usages", {"input_tokens", "output_tokens"}),
        ("user_prompts", {"prompt"}),
        ("tool_usages", called),
    ):
        [row] = shown[rows]
        assert row.keys() >= common | more
        assert (row["metadata"], row["created_at"]) == ({}, at(4))


async def test_a_person_is_found_by_their_id(ask, story):
    assert await ask(q=f"initiator:{story.id}") == (2, [5, 3])
    assert await ask(q=story.id.upper()) == (2, [5, 3])


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("ann", [4, 2, 1]),
        ("initiator:bob", [5, 3]),
        ("initiator:me", []),
        ("model:other", [2]),
        ("model:oth", []),
        ("provider:anthropic", [4]),
        ("provider_name:my-openai ann", [2, 1]),
        ("client:Unknown", [3]),
        ('started_after:"2026-01-01T00:00:04Z"', [5, 4]),
        ('started_before:"2026-01-01T00:00:02Z"', [2, 1]),
        ('started_after:"2026-01-01T01:00:02+01:00" started_before:"2026-01-01T00:00:03Z"', [3, 2]),
        ('started_after:"2026-01-01T00:00:03Z" started_before:"2026-01-01T00:00:02Z"', "started_before"),
        ("started_after:today", "started_after"),
        ("initiator:nobody", "initiator"),
        (f"initiator:{uid(1)}", "initiator"),
        ("session_id:x", "q"),
        ("model:a:b", "q"),
        ("model:' OR 1=1 --", "initiator"),
    ],
)
async def test_searching(ask, story, q, expected):
    found = await ask(q=q)
    assert (found if isinstance(found, str) else found[1]) == expected


async def test_a_page_takes_as_many_queries_for_many_rows_as_for_one(world, ask, story):
    queries = []
    event.listen(world.store._reading.engine, "before_cursor_execute", lambda *args: queries.append(args[2]))

    async def cost(limit):
        await world.authenticator.close()
        queries.clear()
        await ask(limit=limit)
        return sum("aibridge" in query for query in queries)

    assert await cost(1) == await cost(5) == 7  # three of them count


async def test_the_record_of_a_user_who_is_gone_is_still_shown(world, ask, story):
    owner = await world.actor("owner", "owner")
    await world.accounts.people.delete(owner, "bob")
    assert await ask(q=f"initiator:{story.id}") == (2, [5, 3])


async def test_a_search_is_never_our_mistake(world, client, ann):
    """Any text of a search is answered or refused."""
    headers = {"Coder-Session-Token": await world.token(ann)}

    @settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.text(max_size=60)
        | st.lists(
            st.tuples(
                st.sampled_from(["initiator", "model", "client", "provider", "started_after", "started_before", "x"]),
                st.text(max_size=12) | st.datetimes().map(lambda moment: f'"{moment.isoformat()}Z"'),
            ).map(":".join),
            max_size=3,
        ).map(" ".join)
    )
    def collect(q):
        searches.append(q)

    searches: list[str] = []
    collect()
    for q in searches:
        answer = await client.get(PATHS[0], params={"q": q}, headers=headers)
        assert answer.status_code in {200, 400}, q
