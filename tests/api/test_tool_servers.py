"""MCP servers and people's accounts there over REST."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest

from aigateway.accounts.errors import Missing
from aigateway.api.app import create_api
from aigateway.api.services import Services
from aigateway.tools.choosing import LeftOut
from aigateway.tools.linked import Account
from aigateway.tools.status import ServerStatus

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
STATUS = "/api/v2/ai/mcp/servers/status"
ACCOUNTS = "/api/v2/external-auth"


class Accounts:
    """One person's, in memory."""

    names = ("hub", "forge")

    def __init__(self):
        self.linked = {"hub": Account("hub", WHEN, WHEN, None, has_refresh_token=True, problem="")}

    def kind(self, name):
        return {"hub": "github", "forge": ""}[name]

    async def of(self, _user_id):
        return self.linked

    async def unlink(self, _actor, name):
        if not self.linked.pop(name, None):
            raise Missing("You have no account linked there.")


@dataclass
class Tools:
    accounts: Accounts | None

    def statuses(self):
        left_out = (LeftOut("hub", "delete_all", "is denied"),)
        return [ServerStatus("hub", "https://hub.test/mcp", True, False, "it is down", WHEN, ("bmcp_hub_a",), left_out)]


@pytest.fixture
async def client(world):
    services = Services(accounts=world.accounts, store=world.store, statuses=list, tools=Tools(Accounts()))
    transport = httpx2.ASGITransport(create_api(services, world.authenticator), client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test") as opened:
        yield opened


async def headers(world, *roles):
    user = await world.user("ann", *roles)
    return {"coder-session-token": await world.token(user)}


async def test_operators_see_how_servers_do(world, client):
    answer = await client.get(STATUS, headers=await headers(world, "auditor"))
    assert answer.json() == [
        {
            "name": "hub",
            "url": "https://hub.test/mcp",
            "needs_account": True,
            "reachable": False,
            "error": "it is down",
            "checked_at": "2026-01-02T00:00:00Z",
            "tools": ["bmcp_hub_a"],
            "left_out": [{"server": "hub", "tool": "delete_all", "reason": "is denied"}],
        }
    ]


async def test_others_do_not(world, client):
    assert (await client.get(STATUS, headers=await headers(world))).status_code == 403
    for path in (STATUS, ACCOUNTS, f"{ACCOUNTS}/hub"):
        assert (await client.get(path)).status_code == 401


async def test_accounts_are_listed_as_the_documented_system_does(world, client):
    answer = await client.get(ACCOUNTS, headers=await headers(world))
    assert answer.json() == {
        "providers": [
            {"id": "hub", "type": "github", "display_name": "hub", "device": False},
            {"id": "forge", "type": "", "display_name": "forge", "device": False},
        ],
        "links": [
            {
                "provider_id": "hub",
                "created_at": "2026-01-02T00:00:00.000000Z",
                "updated_at": "2026-01-02T00:00:00.000000Z",
                "has_refresh_token": True,
                "expires": "0001-01-01T00:00:00.000000Z",
                "authenticated": True,
                "validate_error": "",
            }
        ],
    }


async def test_one_account(world, client):
    mine = await headers(world)
    assert (await client.get(f"{ACCOUNTS}/hub", headers=mine)).json()["authenticated"]
    other = (await client.get(f"{ACCOUNTS}/forge", headers=mine)).json()
    assert (other["authenticated"], other["link"]) == (False, None)
    assert (await client.get(f"{ACCOUNTS}/nowhere", headers=mine)).status_code == 404


async def test_an_account_is_unlinked(world, client):
    mine = await headers(world)
    assert (await client.delete(f"{ACCOUNTS}/hub", headers=mine)).status_code == 204
    assert (await client.delete(f"{ACCOUNTS}/hub", headers=mine)).status_code == 404
    assert (await client.get(ACCOUNTS, headers=mine)).json()["links"] == []


async def test_without_servers_there_is_nothing(world):
    services = Services(accounts=world.accounts, store=world.store, statuses=list)
    api = create_api(services, world.authenticator)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(api), base_url="http://gateway.test") as client:
        mine = await headers(world, "owner")
        assert (await client.get(ACCOUNTS, headers=mine)).json() == {"providers": [], "links": []}
        assert (await client.get(STATUS, headers=mine)).json() == []
        assert (await client.delete(f"{ACCOUNTS}/hub", headers=mine)).status_code == 404
