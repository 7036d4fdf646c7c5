"""`text:` in searches, by REST: what it finds, for whom, and what it says of what cannot be looked for."""

from __future__ import annotations

import json

import pytest

from aigateway.store import users
from aigateway.store.ingest import apply
from aigateway.store.search import index
from tests.api.test_sessions import asked
from tests.store.search.test_index import catch_up, without_index
from tests.store.stories import uid

BASE = "/api/v2/ai-gateway"
WHERE = ("/interceptions", "/sessions", "/interceptions/export?format=jsonl", "/sessions/export?format=jsonl")


@pytest.fixture
async def told(world):
    """Two requests of Ann's, one of Bob's; what to be signed in by, for each and for an auditor."""
    people = {name: await world.user(name) for name in ("ann", "bob")} | {"boss": await world.user("boss", "auditor")}
    ann, bob = people["ann"], people["bob"]
    await world.store.write(apply, asked(1, 1, ann, "mend get_user, it does not compile", session="s1", model="a"))
    await world.store.write(apply, asked(2, 2, ann, "compile 東京都の天気", session="s2", calls="c", model="b"))
    await world.store.write(apply, asked(3, 3, bob, "compile bobssecret", session="s3"))
    await catch_up(world.store)
    return {name: {"Coder-Session-Token": await world.token(user)} for name, user in people.items()}


async def ids(client, headers, where, q):
    path, _, query = where.partition("?")
    params = {"q": q} | dict([query.split("=")] if query else [])
    answer = await client.get(BASE + path, params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    if query:
        rows = [json.loads(line) for line in answer.text.splitlines()]
    else:
        page = answer.json()
        rows = page.get("results", page.get("sessions"))
        assert page["count"] == len(rows)
        assert "incomplete" not in page
    return sorted(int(row["id"][-1]) for row in rows)


FOUND = [
    ("text:compile", [1, 2, 3]),
    ("text:COMPILE model:a", [1]),
    ('text:"does not compile"', [1]),
    ('text:"compile not"', []),
    ("text:mend text:compile", [1]),
    ('text:"mend + compile"', [1]),
    ("text:get_user", [1]),
    ("text:get_us*", [1]),
    ("text:天気", [2]),
    ("text:shell text:hm", [2]),
    ("text:compile initiator:bob", [3]),
    ("text:nothing", []),
]


@pytest.mark.parametrize("where", WHERE)
async def test_texts_are_found_together_with_everything_else(client, told, where):
    for q, for_boss in FOUND:
        assert await ids(client, told["boss"], where, q) == for_boss, q


SNIPPETS = [
    ("text:compile", 1, "prompt", "mend get_user, it does not [compile]"),
    ('text:"not compile" text:mend', 1, "prompt", "[mend] get_user, it does [not compile]"),
    ("text:天気", 2, "prompt", "compile 東京都の[天気]"),
    ("text:shell model:b", 2, "tool", "[shell] {}"),
    ("text:hm model:b", 2, "thought", "[hm]"),
]


@pytest.mark.parametrize(("q", "number", "where", "shown"), SNIPPETS)
async def test_what_was_found_is_shown_with_the_text_around_it(client, told, q, number, where, shown):
    for path, key in (("/interceptions", "results"), ("/sessions", "sessions")):
        answer = await client.get(BASE + path, params={"q": q}, headers=told["ann"])
        [snippet] = [one["snippet"] for one in answer.json()[key] if one["snippet"]["interception_id"] == uid(number)]
        assert snippet["in"] == where
        assert "".join(f"[{part['text']}]" if part["found"] else part["text"] for part in snippet["parts"]) == shown


async def test_a_session_shows_the_newest_request_that_is_meant(client, told, world):
    ann = (await client.get("/api/v2/users/me", headers=told["ann"])).json()["id"]
    user = await world.store.read(users.by_id, ann)
    await world.store.write(apply, asked(4, 4, user, "compile again", session="s1", model="b"))
    await catch_up(world.store)
    for q, number in (("text:compile session_id:s1", 4), ("text:compile session_id:s1 model:a", 1)):
        answer = await client.get(f"{BASE}/sessions", params={"q": q}, headers=told["ann"])
        [session] = answer.json()["sessions"]
        assert session["snippet"]["interception_id"] == uid(number)


async def test_lists_without_texts_have_no_snippets(client, told):
    for path in ("/interceptions", "/sessions"):
        answer = await client.get(BASE + path, headers=told["boss"])
        assert "snippet" not in answer.text


@pytest.mark.parametrize("where", WHERE)
async def test_a_member_searches_among_their_own_and_hears_nothing_of_others(client, told, where):
    assert await ids(client, told["bob"], where, "text:compile") == [3]
    assert await ids(client, told["ann"], where, "text:compile") == [1, 2]
    secret = await client.get(BASE + where, params={"q": "text:bobssecret"}, headers=told["ann"])
    nothing = await client.get(BASE + where, params={"q": "text:nobodysaidso"}, headers=told["ann"])
    assert (secret.status_code, secret.text) == (nothing.status_code, nothing.text)


REFUSED = [
    ("text:", "q", "a key before its colon and a value"),
    ('text:"?!"', "text", "no letter and no digit"),
    ("text:a text:--", "text", "no letter and no digit"),
    (f"text:{'x' * 257}", "text", "at most 256 characters"),
    (" ".join(f"text:w{number}" for number in range(17)), "text", "16 times at most"),
    ("model:a model:b", "model", "more than once"),
]


async def test_what_cannot_be_looked_for_is_said(client, told):
    for where in WHERE:
        for q, field, why in REFUSED:
            answer = await client.get(BASE + where, params={"q": q}, headers=told["ann"])
            assert answer.status_code == 400, q
            [validation] = answer.json()["validations"]
            assert validation["field"] == field
            assert why in validation["detail"]


async def test_a_word_without_a_key_is_told_how_to_look_for_text(client, told):
    answer = await client.get(f"{BASE}/sessions", params={"q": "compile"}, headers=told["ann"])
    assert answer.status_code == 400
    assert "text:word" in answer.json()["validations"][0]["detail"]


@pytest.mark.parametrize("where", WHERE)
async def test_while_old_texts_are_being_indexed_answers_say_so(client, told, world, where):
    await world.store.write(without_index)
    for q, said in (("text:compile", True), ("model:a", False)):
        answer = await client.get(BASE + where, params={"q": q}, headers=told["boss"])
        assert answer.status_code == 200
        if "export" in where:
            assert ("X-AI-Gateway-Incomplete" in answer.headers) is said
        else:
            assert ("incomplete" in answer.json()) is said
    await catch_up(world.store)
    assert await world.store.read(index.is_complete)
    assert await ids(client, told["boss"], where, "text:compile") == [1, 2, 3]


async def test_pages_of_a_text_search_go_on_where_they_ended(client, told):
    first = (
        await client.get(f"{BASE}/sessions", params={"q": "text:compile", "limit": 2}, headers=told["boss"])
    ).json()
    assert (first["count"], [one["id"] for one in first["sessions"]]) == (3, ["s3", "s2"])
    params = {"q": "text:compile", "limit": 2, "after_session_id": "s2"}
    second = (await client.get(f"{BASE}/sessions", params=params, headers=told["boss"])).json()
    assert (second["count"], [one["id"] for one in second["sessions"]]) == (3, ["s1"])
    flat = {"q": "text:compile", "after_id": uid(3)}
    rest = (await client.get(f"{BASE}/interceptions", params=flat, headers=told["boss"])).json()
    assert [one["id"] for one in rest["results"]] == [uid(2), uid(1)]
