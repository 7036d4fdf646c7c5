"""By role, route, verb and whose data it is: who may do what (control-plane spec 9.5; decision 20)."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

import pytest

from aigateway.accounts.roles import Role
from aigateway.store.ingest import apply
from tests.api.routes import registered
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
ONES = ("/interceptions/{interception_id}", "/sessions/{session_id}")
SEARCHED = ("/interceptions", "/sessions", "/sessions/export", "/interceptions/export")
MARK = "of-{}"
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Row(NamedTuple):
    """What an owner, an auditor, a user admin and a member are answered, in this order."""

    own: str
    """For what is theirs, or nobody's."""
    others: str = ""
    """For what is a member's."""
    body: dict[str, object] | None = None


EVERYBODY = "200 200 200 200"
CREATED = "201 201 201 201"
NOT_THERE = "404 404 404 404"
USERS = "/api/v2/users"
MATRIX = {
    "GET /api/v2/buildinfo": Row(EVERYBODY),
    "GET /api/v2/openapi.json": Row(EVERYBODY),
    "GET /api/v2/docs": Row(EVERYBODY),
    f"GET {USERS}/authmethods": Row(EVERYBODY),
    f"GET {USERS}/first": Row(EVERYBODY),
    f"POST {USERS}/first": Row(
        "409 409 409 409",
        body={"username": "first-one", "email": "first@example.com", "password": "correct horse battery"},
    ),
    f"POST {USERS}/login": Row("401 401 401 401", body={"email": "nobody@example.com", "password": "wrong horse"}),
    f"POST {USERS}/logout": Row(EVERYBODY),
    f"GET {USERS}": Row(EVERYBODY),
    f"POST {USERS}": Row(
        "201 403 201 403", body={"username": "new", "email": "new@example.com", "password": "correct horse"}
    ),
    f"GET {USERS}/{{user}}": Row(EVERYBODY, "200 200 200 404"),
    f"DELETE {USERS}/{{user}}": Row("403 403 403 403", "204 403 204 404"),
    f"PUT {USERS}/{{user}}/status/suspend": Row("403 403 403 403", "200 403 200 404"),
    f"PUT {USERS}/{{user}}/status/activate": Row("403 403 403 403", "200 403 200 404"),
    f"PUT {USERS}/{{user}}/roles": Row("403 403 403 403", "200 403 200 404", {"roles": []}),
    # Nobody here has a password, so the old one is wrong.
    f"PUT {USERS}/{{user}}/password": Row("400 400 400 400", "204 403 204 404", {"password": "another horse"}),
    f"POST {USERS}/{{user}}/keys": Row(CREATED, "201 403 403 404"),
    f"POST {USERS}/{{user}}/keys/tokens": Row(CREATED, "201 403 403 404", {}),
    f"GET {USERS}/{{user}}/keys/tokens": Row(EVERYBODY, "200 403 403 404"),
    f"DELETE {USERS}/{{user}}/keys/{{key}}": Row("204 204 204 204", "204 403 403 404"),
    "GET /api/v2/ai/providers/status": Row("200 200 403 403"),
    "POST /api/v2/ai/providers/{name}/test": Row("200 403 403 403"),
    "GET /api/v2/ai/mcp/servers/status": Row("200 200 403 403"),
    "GET /api/v2/external-auth": Row(EVERYBODY),
    "GET /api/v2/external-auth/{name}": Row(NOT_THERE),
    "DELETE /api/v2/external-auth/{name}": Row(NOT_THERE),
}
for _base in BASES:
    MATRIX |= {f"GET {_base}{path.partition('?')[0]}": Row(EVERYBODY) for path in LISTS}
    MATRIX |= {f"GET {_base}{path}": Row(EVERYBODY, "200 200 404 404") for path in ONES}


def test_the_matrix_has_every_route():
    assert {f"{verb} {path}" for verb, path in registered()} == MATRIX.keys()


@pytest.mark.parametrize("role", Role)
async def test_every_route_answers_by_role_and_by_whose_it_is(world, client, role):
    """Everybody is new for each call, since some calls end somebody."""
    wrong, numbers = {}, itertools.count(1)
    await world.user("somebody", "owner")  # so that no owner here is the last
    for route, row in MATRIX.items():
        verb, _, path = route.partition(" ")
        for whose, statuses in (("own", row.own), ("others", row.others)):
            if not statuses:
                continue
            number = next(numbers)
            asker = await world.user(f"asker{number}", *([] if role is Role.MEMBER else [role]))
            token = await world.token(asker)
            theirs, key = asker, await world.token(asker)
            if whose == "others":
                theirs = await world.user(f"other{number}")
                key = await world.token(theirs)
            records = asked(number, 1, theirs, "hello", session=f"session{number}")
            await world.store.write(apply, records)
            where = path.format(
                user=theirs.username,
                key=key.partition("-")[0],
                interception_id=uid(number),
                session_id=f"session{number}",
                name="openai",
            )
            answer = await client.request(verb, where, json=row.body, headers={"Coder-Session-Token": token})
            wanted = int(statuses.split()[list(Role).index(role)])
            if answer.status_code != wanted:
                wrong[route, whose] = (answer.status_code, wanted, answer.text[:200])
    assert wrong == {}


async def test_no_route_takes_another_verb(world, client):
    headers = {"Coder-Session-Token": await world.token(await world.user("boss", "owner"))}
    patterns = [(verb, re.sub(r"\{\w+\}", "[^/]+", path)) for verb, path in registered()]
    wrong = []
    for verb, path in itertools.product(VERBS, {re.sub(r"\{\w+\}", uid(1), path) for _, path in registered()}):
        if not any(verb == taken and re.fullmatch(pattern, path) for taken, pattern in patterns):
            answer = await client.request(verb, path, headers=headers)
            wrong += [(verb, path, answer.status_code)] if answer.status_code != 405 else []
    assert wrong == []


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


async def test_lists_hold_ones_own_and_for_some_everybodys(client, asker):
    role, headers = asker
    for where in (base + path for base in BASES for path in LISTS):
        answer = await client.get(where, headers=headers)
        assert answer.status_code == 200, where
        assert MARK.format("asker") in answer.text, where
        assert (MARK.format("other") in answer.text) is (role in SEE_ALL), where


async def test_one_thing_is_seen_or_is_not_there(client, asker):
    role, headers = asker
    ones = (*ONES, "/sessions/{interception_id}")  # the last is of a session whose name is another
    for base, path, (whose, number) in itertools.product(BASES, ones, (("asker", 1), ("other", 2), ("nobody", 3))):
        may = whose == "asker" or (whose == "other" and role in SEE_ALL)
        where = base + path.format(interception_id=uid(number), session_id=f"session-{MARK.format(whose)}")
        answer = await client.get(where, headers=headers)
        assert answer.status_code == (200 if may else 404), where
        if not may:
            nothing = base + path.format(interception_id=uid(99), session_id="nothing")
            assert answer.text == (await client.get(nothing, headers=headers)).text


async def test_a_search_leads_past_no_wall(world, client, asker):
    role, headers = asker
    await catch_up(world.store)
    other = MARK.format("other")
    for path in SEARCHED:
        for q in (f"model:{other}", f"client:{other}", f"provider:{other}", "status:200", "text:shell", "initiator:me"):
            answer = await client.get(BASES[0] + path, params={"q": q}, headers=headers)
            assert answer.status_code == 200, (path, q)
            assert (other in answer.text) is (role in SEE_ALL and q != "initiator:me"), (path, q)
        named = await client.get(BASES[0] + path, params={"q": "initiator:other"}, headers=headers)
        unknown = await client.get(BASES[0] + path, params={"q": "initiator:nobody"}, headers=headers)
        if role is Role.MEMBER:
            assert (named.status_code, named.text.replace("other", "nobody")) == (400, unknown.text)
        assert role in SEE_ALL or other not in named.text
