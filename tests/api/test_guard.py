from __future__ import annotations

import re
from datetime import timedelta

import httpx2
import pytest

from aigateway.api.guard import PUBLIC, Guard
from aigateway.store import users
from aigateway.store.engine import StoreUnavailable
from aigateway.telemetry import logging
from aigateway.telemetry.entry import Entry
from tests.api.routes import registered

SAFE_KEY = "Coder-Session-Token"


@pytest.fixture
def routes():
    """Every method and path there is, with its parameters filled in."""
    found = {(verb, re.sub(r"\{\w+\}", "me", path)) for verb, path in registered()}
    assert len(found) > 15
    return found


async def bad_tokens(world):
    expired = await world.token(await world.user("late"), timedelta(seconds=1))
    world.clock.advance(2)
    revoked = await world.token(await world.user("gone"))
    owner = await world.actor("owner", "owner")
    await world.authenticator.authenticate(revoked)
    await world.accounts.keys.remove(owner, "gone", revoked[:10])
    suspended = await world.token(await world.user("bad"))
    await world.authenticator.authenticate(suspended)
    await world.accounts.people.suspend(owner, "bad")
    asleep = await world.token(await world.user("asleep", status="dormant"))
    found = {"none": "", "junk": "junk", "expired": expired, "revoked": revoked}
    return found | {"suspended": suspended, "asleep": asleep}


async def test_every_route_is_closed_to_whoever_is_not_signed_in(world, client, routes):
    tokens = await bad_tokens(world)
    unknown = {("GET", "/"), ("GET", "/api/v2/nothing"), ("POST", "/api/v2/users/login/"), ("GET", "/openapi.json")}
    for method, path in (routes | unknown) - PUBLIC:
        for kind, token in tokens.items():
            for headers in (
                {SAFE_KEY: token},
                {"Authorization": f"Bearer {token}"},
                {"Cookie": f"coder_session_token={token}"},
            ):
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path, kind, headers)
                assert set(answer.json()) == {"message", "detail"}


def test_the_public_routes_are_routes(routes):
    assert routes >= PUBLIC


@pytest.mark.parametrize("header", [SAFE_KEY, "Authorization", "Cookie"])
async def test_a_token_opens_in_each_of_its_places(world, client, header):
    token = await world.token(await world.user("ann"))
    value = {"Authorization": f"bearer {token}", "Cookie": f"a=b; coder_session_token={token}"}.get(header, token)
    answer = await client.get("/api/v2/users/me", headers={header: value})
    assert (answer.status_code, answer.json()["username"]) == (200, "ann")


async def test_a_bad_token_in_the_header_is_not_mended_by_a_good_cookie(world, client):
    token = await world.token(await world.user("ann"))
    headers = {SAFE_KEY: "junk", "Cookie": f"coder_session_token={token}"}
    assert (await client.get("/api/v2/users/me", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://gateway.test.evil.test"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://gateway.test"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://gateway.test"}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
async def test_another_site_cannot_use_a_persons_cookie(world, client, headers, status):
    token = await world.token(await world.user("ann"))
    cookie = {"Cookie": f"coder_session_token={token}"}
    answer = await client.post("/api/v2/users/me/keys/tokens", json={}, headers=cookie | headers)
    assert answer.status_code == status
    assert (await client.get("/api/v2/users/me", headers=cookie | headers)).status_code == 200


async def test_a_program_with_the_header_needs_no_origin(world, client):
    token = await world.token(await world.user("ann"))
    answer = await client.post("/api/v2/users/me/keys/tokens", json={}, headers={SAFE_KEY: token})
    assert answer.status_code == 201


async def test_a_database_that_is_away_is_told_as_such(world, client):
    token = await world.token(await world.user("ann"))
    await world.store.close()
    answer = await client.get("/api/v2/users/me", headers={SAFE_KEY: token})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    answer = await client.get("/api/v2/users/first")
    assert (answer.status_code, answer.json()["message"]) == (503, "The database is away.")


async def test_a_mistake_of_ours_shows_nothing_but_is_logged(world, client, monkeypatch, tmp_path):
    def fail(*_args):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(users, "exists_any", fail)
    log = tmp_path / "log"
    monkeypatch.setattr(logging, "_outputs", logging._Outputs([(str(log), Entry.as_human)]))
    answer = await client.get("/api/v2/users/first")
    logging._outputs.close()
    assert answer.status_code == 500
    assert "secret of the house" in log.read_text()
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_mistake_before_the_routes_shows_nothing_either(world):
    async def fail(scope, receive, send):
        raise StoreUnavailable

    transport = httpx2.ASGITransport(Guard(fail, world.authenticator))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        assert (await client.get("/api/v2/buildinfo")).status_code == 500
