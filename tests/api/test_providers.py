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
