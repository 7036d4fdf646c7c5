from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from aigateway.providers.provider import build
from aigateway.providers.status import BreakerStatus, KeyStatus, ProviderStatus
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret
from aigateway.store.ingest import apply
from aigateway.store.records import (
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.store.times import rfc3339
from aigateway.web.app import create_web
from aigateway.web.site import Notice, Site
from tests.support import people

ORIGIN = "http://gateway.test"
PASSWORD = "correct horse battery staple"
PROVIDERS = {
    name: build(ProviderSettings(type=kind, name=name, base_url=f"https://{name}.example.com", keys=keys))
    for name, kind, keys in (
        ("anthropic", ProviderType.ANTHROPIC, (Secret("sk-ant-secret-secret-0001"),)),
        ("openai", ProviderType.OPENAI, ()),
    )
}


@pytest.fixture
async def world(sqlite_url):
    async with people.world(sqlite_url) as made:
        yield made


@pytest.fixture
def site(world):
    async def notices():
        return [Notice("Records wait in the journal.", "See the server's log.")]

    def statuses():
        key = KeyStatus("sk-a...0001", "rate_limited", world.clock.now() + timedelta(minutes=1))
        breaker = BreakerStatus("/v1/messages", "sim", "open", world.clock.now() + timedelta(seconds=30))
        return [ProviderStatus("anthropic", "anthropic", (key,), (breaker,))]

    return Site(
        accounts=world.accounts,
        authenticator=world.authenticator,
        store=world.store,
        providers=PROVIDERS,
        statuses=statuses,
        notices=notices,
    )


class Browser:
    """Somebody who looks at pages: keeps cookies, and says where forms come from as browsers do."""

    def __init__(self, client, world):
        self.client = client
        self.world = world

    async def get(self, path, **kwargs):
        return await self.client.get(path, **kwargs)

    async def submit(self, page, path, origin=ORIGIN, **fields):
        """Send a form of a page, with the page's token in it."""
        found = re.search(r'name="form_token" value="([0-9a-f]*)"', (await self.get(page)).text) if page else None
        if found:
            fields = {"form_token": found[1]} | fields
        return await self.client.post(path, data=fields, headers={"Origin": origin} if origin else {})

    async def be(self, user):
        """Go on as this user."""
        token = await self.world.token(user, login_type="password")
        self.client.cookies.set("coder_session_token", token, domain="gateway.test")


@pytest.fixture
async def browser(site, world):
    """Nobody yet."""
    transport = httpx2.ASGITransport(create_web(site), client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(
        transport=transport, base_url=ORIGIN, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    ) as client:
        yield Browser(client, world)


def uid(number):
    return str(UUID(int=number))


def interception(number, user, clock, *, text="hello", session=None, end=None, **fields):
    """An interception with one of everything, whose texts are all `text`."""
    moment = clock.now() - timedelta(minutes=60 - number)
    at, later = rfc3339(moment), rfc3339(moment + timedelta(seconds=2))
    base = {
        "provider": "openai",
        "provider_name": "openai",
        "model": "sim",
        "client": "Codex",
        "credential_kind": "centralized",
        "credential_hint": "sk-...abc",
        "client_session_id": session or f"session-{number}",
    }
    told = {"interception_id": uid(number), "msg_id": "resp_1", "created_at": at}
    return [
        InterceptionStart(
            interception_id=uid(number),
            initiator_id=user.id,
            started_at=at,
            streaming=True,
            request_bytes=10,
            **base | fields,
        ),
        PromptUsage(id=uid(1000 + number), prompt=text, **told),
        TokenUsage(id=uid(2000 + number), input_tokens=1500, output_tokens=7, cache_read_input_tokens=3, **told),
        ToolUsage(id=uid(3000 + number), tool="shell", input='{"command": "ls"}', **told),
        ModelThought(id=uid(4000 + number), content=f"thinking about {text}", **told),
        InterceptionEnd(
            interception_id=uid(number), ended_at=later, duration_ms=2000, **{"status_code": 200} | (end or {})
        ),
    ]


@pytest.fixture
async def ann(world):
    return await world.user("ann")


@pytest.fixture
async def boss(world):
    return await world.user("boss", "owner")


@pytest.fixture
async def record(world, ann):
    """Two sessions of Ann's and one of Bob's."""
    bob = await world.user("bob")
    clock = world.clock
    rows = [
        *interception(1, ann, clock, text="mend the tests", session="s-ann"),
        *interception(2, ann, clock, text="now the docs", session="s-ann"),
        *interception(3, ann, clock, text="write a song", end={"status_code": 429, "error_type": "rate_limited"}),
        *interception(4, bob, clock, text="a secret of Bob's", session="s-bob", model="other", client="Claude Code"),
    ]
    await world.store.write(apply, rows)
    return bob
