from __future__ import annotations

from uuid import UUID

import pytest

from aigateway.store.ingest import apply
from aigateway.store.records import ModelThought, PromptUsage, TokenUsage
from tests.store.stories import at, end, start, tool, uid

PATHS = ("/api/v2/ai-gateway/sessions", "/api/v2/aibridge/sessions")


def asked(number, second, who, prompt=None, *, session="s", calls=None, answers=None, ended=True, purpose=None, **more):
    """One interception of a session, with all that is recorded of it."""
    common = {"interception_id": uid(number), "msg_id": "resp", "created_at": at(second)}
    metadata = {"request_user_agent": "x"} | ({"purpose": purpose} if purpose else {})
    rows = [start(number, second, who=who.id, client_session_id=session, answers=answers, metadata=metadata, **more)]
    if prompt:
        rows.append(PromptUsage(id=uid(2000 + number), prompt=prompt, **common))
    usage = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 3}
    rows.append(TokenUsage(id=uid(3000 + number), **usage, metadata={"a": {"b": 2}, "partial": True}, **common))
    if calls:
        rows += [tool(number, second, calls), ModelThought(id=uid(4000 + number), content="hm", **common)]
    return [*rows, end(number, second + 1, status_code=200, duration_ms=9)] if ended else rows


@pytest.fixture
async def ann(world):
    return await world.user("ann")


@pytest.fixture
async def bob(world):
    return await world.user("bob")


@pytest.fixture
async def boss(world):
    return await world.user("boss", "auditor")


@pytest.fixture
async def told(world, ann, bob):
    """Ann's session `s` of two threads and a title, her `t`, Bob's own `s`, and a request under way."""
    rows = [
        *asked(1, 1, ann, "first", calls="a"),
        *asked(2, 2, ann, answers="a", calls="b", model="other"),
        *asked(3, 3, ann, answers="b"),
        *asked(4, 4, ann, "title?", purpose="title"),
        *asked(5, 5, ann, "second"),
        *asked(6, 6, ann, "far", session="t", provider="anthropic", provider_name="claude", client="Claude Code"),
        *asked(7, 7, bob, "bob's"),
        *asked(8, 8, ann, session="under way", ended=False),
    ]
    rows += [start(9, 9, who=bob.id), end(9, 10, status_code=429, error_type="rate_limited", error_message="slow")]
    await world.store.write(apply, rows)


@pytest.fixture
def ask(world, client, told):
    async def asking(user, path="", base=PATHS[0], **params):
        headers = {"Coder-Session-Token": await world.token(user)}
        return await client.get(base + path, params=params, headers=headers)

    return asking


@pytest.fixture
def listed(ask):
    """The numbers of all sessions, and those of the page by id and person; or the field that was refused."""

    async def listing(user, **params):
        answer = await ask(user, **params)
        if answer.status_code == 400:
            return answer.json()["validations"][0]["field"]
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["count"], [f"{one['id']} {one['initiator']['username']}" for one in body["sessions"]]

    return listing


async def test_a_session_in_the_list(ask, ann):
    first, second = [(await ask(ann, base=base)).json() for base in PATHS]
    assert first == second
    assert first["count"] == 2
    assert first["sessions"][1] == {
        "id": "s",
        "initiator": {"id": ann.id, "username": "ann"},
        "providers": ["openai"],
        "provider_names": ["openai"],
        "models": ["other", "sim"],
        "client": "Codex",
        "metadata": {"request_user_agent": "x"},
        "started_at": at(1),
        "ended_at": at(6),
        "last_active_at": at(5),
        "threads": 2,
        "interceptions": 5,
        "failures": 0,
        "token_usage_summary": {
            "input_tokens": 25,
            "output_tokens": 35,
            "cache_read_input_tokens": 15,
            "cache_write_input_tokens": 0,
        },
        "last_prompt": "second",
    }


async def test_everybodys_are_seen_by_auditors_and_own_ones_by_members(listed, ann, bob, boss):
    assert await listed(boss) == (4, [f"{uid(9)} bob", "s bob", "t ann", "s ann"])
    assert await listed(ann) == (2, ["t ann", "s ann"])
    assert await listed(bob) == (2, [f"{uid(9)} bob", "s bob"])


async def test_pages(listed, ann, boss, bob):
    assert await listed(boss, limit=2) == (4, [f"{uid(9)} bob", "s bob"])
    assert await listed(boss, limit=2, offset=3) == (4, ["s ann"])
    assert await listed(boss, after_session_id="t") == (4, ["s ann"])
    assert await listed(boss, after_session_id="s") == "after_initiator"
    assert await listed(boss, after_session_id="s", after_initiator="bob") == (4, ["t ann", "s ann"])
    assert await listed(boss, after_session_id="s", after_initiator=ann.id) == (4, [])
    assert await listed(boss, after_session_id="nothing") == "after_session_id"
    assert await listed(ann, after_session_id=uid(9)) == "after_session_id"  # another person's
    assert await listed(boss, after_session_id="t", offset=1) == "offset"
    assert await listed(boss, limit=0) == "limit"
    assert await listed(boss, limit=1001) == "limit"


async def test_of_one_moment_one_order_holds_over_all_pages(world, listed, ann, boss):
    for number in (50, 51, 52):
        await world.store.write(apply, asked(number, 20, ann, session=f"same-{number}"))
    _, whole = await listed(ann, limit=3)
    assert whole == ["same-52 ann", "same-51 ann", "same-50 ann"]
    for place in (0, 1):
        assert (await listed(ann, limit=1, after_session_id=whole[place].split()[0]))[1] == [whole[place + 1]]


async def test_a_hundred_are_listed_unless_more_are_asked_for(world, ask, ann):
    rows = [record for number in range(101, 201) for record in asked(number, 20, ann, session=f"n-{number}")]
    await world.store.write(apply, rows)
    assert len((await ask(ann)).json()["sessions"]) == 100
    assert len((await ask(ann, limit=1000)).json()["sessions"]) == 102
    models = PATHS[0].replace("sessions", "models")
    await world.store.write(apply, [record for n in range(101) for record in asked(300 + n, 21, ann, model=f"m-{n}")])
    assert len((await ask(ann, base=models)).json()) == 100
    assert len((await ask(ann, base=models, limit=1000)).json()) == 103
    assert (await ask(ann, base=models, limit=1001)).status_code == 400


async def test_what_a_session_does_not_know_is_left_out(world, ask, ann):
    """No prompt, and what the first interception did not say is not taken from a later one."""
    first = asked(50, 20, ann, session="quiet", calls="q", client="Unknown")
    await world.store.write(apply, [*first, *asked(51, 21, ann, session="quiet", answers="q", client="Later")])
    [shown] = (await ask(ann, q="client:Unknown")).json()["sessions"]
    assert (shown["id"], shown["client"]) == ("quiet", "Unknown")
    assert "last_prompt" not in shown
    assert "prompt" not in (await ask(ann, "/quiet")).json()["threads"][0]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("initiator:ann", ["t ann", "s ann"]),
        ("initiator:me", []),
        ("model:other", ["s ann"]),
        ("model:other client:x", []),
        ('client:"Claude Code"', ["t ann"]),
        ("provider:anthropic", ["t ann"]),
        ("provider_name:claude model:sim", ["t ann"]),
        ("session_id:s", ["s bob", "s ann"]),
        ("session_id:s initiator:bob", ["s bob"]),
        ("error_type:any", [f"{uid(9)} bob"]),
        ("error_type:rate_limited", [f"{uid(9)} bob"]),
        ("error_type:timeout", []),
        ("status:429", [f"{uid(9)} bob"]),
        ("status:200 model:other", ["s ann"]),
        ("status:abc", "status"),
        ('started_after:"2026-01-01T00:00:07Z"', [f"{uid(9)} bob", "s bob"]),
        ('started_before:"2026-01-01T00:00:05Z"', ["s ann"]),
        ('started_after:"2026-01-01T00:00:02.5Z" started_before:"2026-01-01T00:00:03Z"', ["s ann"]),
        ('started_after:"2026-01-01T00:00:03.5Z" started_before:"2026-01-01T00:00:03.9Z"', []),
        ('model:sim started_after:"2026-01-01T00:00:02Z" started_before:"2026-01-01T00:00:02.5Z"', []),
        ('model:other started_after:"2026-01-01T00:00:02Z" started_before:"2026-01-01T00:00:02.5Z"', ["s ann"]),
        ('started_after:"2026-01-01T00:00:03Z" started_before:"2026-01-01T00:00:02Z"', "started_before"),
        ("ann", "q"),
        ("initiator:nobody", "initiator"),
        ("nothing:x", "q"),
    ],
)
async def test_searching(listed, boss, q, expected):
    found = await listed(boss, q=q)
    assert (found if isinstance(found, str) else found[1]) == expected
    if not isinstance(found, str):
        assert found[0] == len(expected)


async def test_a_session_thread_by_thread(ask, ann):
    shown = (await ask(ann, "/s")).json()
    assert shown["thread_count"] == 2
    assert (shown["page_started_at"], shown["page_ended_at"]) == (at(1), at(6))
    assert shown["token_usage_summary"]["metadata"] == {"a.b": 10}
    first, second = shown["threads"]
    assert (first["id"], first["prompt"], first["model"]) == (uid(1), "first", "sim")
    assert (first["credential_kind"], first["credential_hint"]) == ("centralized", "sk-...abc")
    assert (first["token_usage"]["input_tokens"], first["token_usage"]["metadata"]) == (15, {"a.b": 6})
    assert [action["model"] for action in first["agentic_actions"]] == ["sim", "other"]
    action = first["agentic_actions"][0]
    assert action["thinking"] == [{"text": "hm"}]
    [call] = action["tool_calls"]
    assert (call["tool"], call["input"], call["interception_id"]) == ("shell", "{}", uid(1))
    assert [step["interception_id"] for step in first["answers"]] == [uid(3)]
    assert (second["prompt"], second["agentic_actions"]) == ("second", [])
    assert "error_type" not in second


async def test_a_credential_that_is_not_masked_is_masked_before_it_is_shown(world, ask, ann):
    await world.store.write(apply, asked(50, 20, ann, session="old", credential_hint="sk-0123456789"))
    assert (await ask(ann, "/old")).json()["threads"][0]["credential_hint"] == "sk-0..."


async def test_a_thread_tells_how_its_last_request_failed(ask, boss):
    [thread] = (await ask(boss, f"/{uid(9)}")).json()["threads"]
    assert (thread["error_type"], thread["error_message"]) == ("rate_limited", "slow")


async def test_a_tool_call_has_every_field_of_the_specification(ask, ann):
    [call] = (await ask(ann, "/s")).json()["threads"][0]["agentic_actions"][0]["tool_calls"]
    wanted = "id interception_id provider_response_id server_url tool injected input metadata created_at"
    assert call.keys() >= set(wanted.split())


async def test_fifty_threads_are_shown_unless_more_are_asked_for(world, ask, ann):
    rows = [record for number in range(101, 152) for record in asked(number, 20, ann, "x", session="long")]
    await world.store.write(apply, rows)
    assert len((await ask(ann, "/long")).json()["threads"]) == 50
    assert len((await ask(ann, "/long", limit=200)).json()["threads"]) == 51
    assert (await ask(ann, "/long", limit=0)).status_code == 400


async def test_side_requests_are_shown_when_they_are_asked_for(ask, ann):
    shown = (await ask(ann, "/s", include_side_requests=True)).json()
    assert [thread["id"] for thread in shown["threads"]] == [uid(1), uid(4), uid(5)]
    assert shown["threads"][1]["metadata"]["purpose"] == "title"


async def test_pages_of_threads(ask, ann):
    async def threads(**params):
        answer = await ask(ann, "/s", include_side_requests=True, **params)
        if answer.status_code == 400:
            return answer.json()["validations"][0]["field"]
        return [UUID(thread["id"]).int for thread in answer.json()["threads"]]

    assert await threads(limit=2) == [1, 4]
    assert await threads(limit=2, after_id=uid(1)) == [4, 5]
    assert await threads(limit=1, before_id=uid(5)) == [4]
    assert await threads(after_id=uid(5)) == []
    assert await threads(after_id=uid(2)) == "after_id"  # no thread begins with it
    assert await threads(before_id=uid(7)) == "before_id"  # another person's
    assert await threads(after_id=uid(1), before_id=uid(5)) == "before_id"
    assert await threads(limit=201) == "limit"


async def test_an_id_that_two_people_use_needs_a_person(ask, ann, bob, boss):
    refused = await ask(boss, "/s")
    assert (refused.status_code, refused.json()["validations"][0]["field"]) == (400, "initiator")
    assert (await ask(boss, "/s", initiator="bob")).json()["threads"][0]["prompt"] == "bob's"
    assert (await ask(boss, "/s", initiator=ann.id)).json()["thread_count"] == 2
    assert (await ask(bob, "/s")).json()["threads"][0]["prompt"] == "bob's"


async def test_the_id_of_a_request_leads_to_its_session(ask, ann, boss):
    assert (await ask(boss, f"/{uid(2)}")).json()["id"] == "s"
    assert (await ask(ann, f"/{uid(7)}")).status_code == 404


async def test_what_may_not_be_seen_looks_like_what_is_not_there(ask, ann, bob):
    answers = [
        await ask(ann, f"/{uid(9)}"),
        await ask(ann, "/nothing"),
        await ask(ann, "/under%20way"),
        await ask(bob, "/t"),
        await ask(bob, "/t", initiator="me"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("session", ["a/b", "é ü", "%2F", "export", "x?y#z", "-"])
async def test_hostile_session_ids_are_found(world, ask, ann, session):
    await world.store.write(apply, asked(50, 20, ann, "here", session=session))
    quoted = session.replace("%", "%25").replace("/", "%2F").replace("?", "%3F").replace("#", "%23")
    found = await ask(ann, f"/{uid(50) if session == 'export' else quoted}")
    assert found.json()["threads"][0]["prompt"] == "here"


async def test_a_thread_whose_root_was_purged_is_still_a_thread(world, ask, ann):
    rows = [*asked(60, 20, ann, "gone", session="p", calls="z"), *asked(61, 21, ann, session="p", answers="z")]
    await world.store.write(apply, rows)
    from sqlalchemy import delete

    from aigateway.store.tables import interceptions

    await world.store.write(
        lambda connection: connection.execute(delete(interceptions).where(interceptions.c.id == uid(60))) and None
    )
    [thread] = (await ask(ann, "/p")).json()["threads"]
    assert (thread["id"], thread["answers"][0]["interception_id"]) == (uid(60), uid(61))


@pytest.mark.parametrize(
    ("path", "q", "expected"),
    [
        ("models", "", ["other", "sim"]),
        ("models", "S", ["sim"]),
        ("models", "model:oth", ["other"]),
        ("models", "100%", []),
        ("clients", "Claude Code", ["Claude Code"]),
        ("providers", "", ["anthropic", "openai"]),
        ("providers", "model:x", 400),
    ],
)
async def test_what_there_is_to_search_for(world, client, told, ann, path, q, expected):
    headers = {"Coder-Session-Token": await world.token(ann)}
    for base in PATHS:
        answer = await client.get(base.replace("sessions", path), params={"q": q}, headers=headers)
        assert (answer.status_code if expected == 400 else answer.json()) == expected


async def test_one_sees_only_what_one_has_used_oneself(world, client, told, bob, boss):
    for user, expected in ((bob, ["sim"]), (boss, ["other", "sim"])):
        headers = {"Coder-Session-Token": await world.token(user)}
        assert (await client.get("/api/v2/ai-gateway/models", headers=headers)).json() == expected
        paged = await client.get("/api/v2/ai-gateway/models", params={"limit": 1, "offset": 1}, headers=headers)
        assert paged.json() == expected[1:]
