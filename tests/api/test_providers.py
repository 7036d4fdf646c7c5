from __future__ import annotations

import pytest

PATH = "/api/v2/ai/providers/status"


@pytest.mark.parametrize("role", ["owner", "auditor"])
async def test_owners_and_auditors_see_how_providers_do(world, client, role):
    ann = await world.user("ann", role)
    answer = await client.get(PATH, headers={"coder-session-token": await world.token(ann)})
    assert (answer.status_code, answer.json()) == (
        200,
        [
            {
                "name": "openai",
                "type": "openai",
                "keys": [
                    {"hint": "sk-o...0001", "state": "rate_limited", "until": "2026-01-02T00:00:00Z"},
                    {"hint": "", "state": "valid", "until": None},
                ],
                "breakers": [
                    {"endpoint": "/v1/responses", "model": "gpt-5", "state": "open", "until": "2026-01-02T00:00:00Z"}
                ],
            }
        ],
    )


@pytest.mark.parametrize("role", [None, "user-admin"])
async def test_others_do_not(world, client, role):
    bob = await world.user("bob", *filter(None, [role]))
    answer = await client.get(PATH, headers={"coder-session-token": await world.token(bob)})
    assert answer.status_code == 403
    assert "Ask an owner or an auditor" in answer.text
    assert (await client.get(PATH)).status_code == 401


TEST = "/api/v2/ai/providers/openai/test"


async def test_owners_test_providers_one_call_at_a_time(world, client):
    owner = {"coder-session-token": await world.token(await world.user("ann", "owner"))}
    answer = await client.post(TEST, headers=owner)
    assert answer.json() == {
        "name": "openai",
        "ok": True,
        "status": 200,
        "latency_ms": 12,
        "key": "sk-o...0001",
        "message": "The provider answered and took the key.",
        "at": "2026-01-02T00:00:00Z",
    }
    soon = await client.post(TEST.replace("openai", "soon"), headers=owner)
    assert (soon.status_code, soon.headers["retry-after"]) == (429, "3")
    assert (await client.post(TEST.replace("openai", "nobody"), headers=owner)).status_code == 404


@pytest.mark.parametrize("role", [None, "user-admin", "auditor"])
async def test_others_do_not_test(world, client, role):
    bob = await world.user("bob", *filter(None, [role]))
    answer = await client.post(TEST, headers={"coder-session-token": await world.token(bob)})
    assert (answer.status_code, "Ask an owner" in answer.text) == (403, True)
    assert (await client.post(TEST)).status_code == 401
