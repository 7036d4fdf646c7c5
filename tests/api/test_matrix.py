"""By role, route, verb and whose data it is: who sees what of the record (control-plane spec 9.5; decision 20)."""

from __future__ import annotations

import pytest

from aigateway.accounts.roles import Role
from aigateway.api.app import create_routes
from aigateway.store.ingest import apply
from tests.api.test_sessions import asked
from tests.store.search.test_index import catch_up
from tests.store.stories import uid

SEE_ALL = {Role.OWNER, Role.AUDITOR}
BASES = ("/api/v2/ai-gateway", "/api/v2/aibridge")
LISTS = (
    "/interceptions",
    "/sessions",
    "/interceptions/export?format=csv",
    "/interceptions/export?format=jsonl",
    "/sessions/export?format=csv",
    "/sessions/export?format=jsonl",
    "/models",
    "/clients",
    "/providers",
)
ONES = ("/interceptions/{interception}", "/sessions/{session}", "/sessions/{interception}")
SEARCHED = ("/interceptions", "/sessions", "/sessions/export", "/interceptions/export")
MARK = "of-{}"


@pytest.fixture(params=list(Role))
async def asker(request, world):
    """A user with each role in turn, with a request of their own, and one of somebody else's on record."""
    role = request.param
    user = await world.user("asker", *([] if role is Role.MEMBER else [role]))
    for number, who in ((1, user), (2, await world.user("other"))):
        mark = MARK.format(who.username)
        more = {"model": mark, "client": mark, "provider": mark}
        await world.store.write(apply, asked(number, number, who, mark, session=f"session-{mark}", calls="c", **more))
    return role, {"Coder-Session-Token": await world.token(user)}


@pytest.mark.parametrize("path", LISTS)
async def test_lists_hold_ones_own_and_for_some_everybodys(client, asker, path):
    role, headers = asker
    for base in BASES:
        answer = await client.get(base + path, headers=headers)
        assert answer.status_code == 200
        assert MARK.format("asker") in answer.text
        assert (MARK.format("other") in answer.text) is (role in SEE_ALL)


@pytest.mark.parametrize("path", ONES)
@pytest.mark.parametrize(("whose", "number"), [("asker", 1), ("other", 2), ("nobody", 3)])
async def test_one_thing_is_seen_or_is_not_there(client, asker, path, whose, number):
    role, headers = asker
    may = whose == "asker" or (whose == "other" and role in SEE_ALL)
    where = path.format(interception=uid(number), session=f"session-{MARK.format(whose)}")
    nothing = path.format(interception=uid(99), session="nothing")
    for base in BASES:
        answer = await client.get(base + where, headers=headers)
        assert answer.status_code == (200 if may else 404)
        if not may:
            assert answer.text == (await client.get(base + nothing, headers=headers)).text


@pytest.mark.parametrize("path", SEARCHED)
async def test_a_search_leads_past_no_wall(world, client, asker, path):
    role, headers = asker
    await catch_up(world.store)
    other = MARK.format("other")
    for q in (f"model:{other}", f"client:{other}", f"provider:{other}", "status:200", "text:shell", "initiator:me"):
        answer = await client.get(BASES[0] + path, params={"q": q}, headers=headers)
        assert answer.status_code == 200
        assert (other in answer.text) is (role in SEE_ALL and q != "initiator:me")
    named = await client.get(BASES[0] + path, params={"q": "initiator:other"}, headers=headers)
    unknown = await client.get(BASES[0] + path, params={"q": "initiator:nobody"}, headers=headers)
    if role is Role.MEMBER:
        assert (named.status_code, named.text.replace("other", "nobody")) == (400, unknown.text)
    assert role in SEE_ALL or other not in named.text


async def test_nothing_of_the_record_can_be_changed(client, asker):
    _, headers = asker
    for path in (*LISTS, *ONES):
        where = BASES[0] + path.format(interception=uid(1), session="session-of-asker")
        for verb in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await client.request(verb, where, headers=headers)).status_code == 405, (verb, where)


def test_the_matrix_has_every_route_of_the_record(world):
    paths = create_routes(accounts=world.accounts, store=world.store, statuses=list).openapi()["paths"]
    known = {BASES[0] + path.partition("?")[0] for path in LISTS} | {
        f"{BASES[0]}/interceptions/{{interception_id}}",
        f"{BASES[0]}/sessions/{{session_id}}",
    }
    assert {path for path in paths if path.startswith(BASES[0])} == known
