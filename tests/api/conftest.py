from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest

from aigateway.api.app import create_api
from aigateway.api.services import Services
from aigateway.providers.status import BreakerStatus, KeyStatus, Probe, ProbedTooSoon, ProviderStatus
from tests.support import people

STATUSES = [
    ProviderStatus(
        "openai",
        "openai",
        (KeyStatus("sk-o...0001", "rate_limited", datetime(2026, 1, 2, tzinfo=UTC)), KeyStatus("", "valid", None)),
        (BreakerStatus("/v1/responses", "gpt-5", "open", datetime(2026, 1, 2, tzinfo=UTC)),),
    )
]


@pytest.fixture
async def world(store_url):
    async with people.world(store_url) as made:
        yield made


async def probe(name):
    """One provider is good, one was tested a moment ago, and there are no others."""
    if name == "soon":
        raise ProbedTooSoon(2.5)
    good = {"ok": True, "status": 200, "latency_ms": 12, "key": "sk-o...0001", "at": datetime(2026, 1, 2, tzinfo=UTC)}
    return Probe(name=name, message="The provider answered and took the key.", **good) if name == "openai" else None


@pytest.fixture
async def client(world):
    """A program that talks to the API, and is not signed in."""
    services = Services(accounts=world.accounts, store=world.store, statuses=lambda: STATUSES, probe=probe)
    transport = httpx2.ASGITransport(create_api(services, world.authenticator), client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test") as opened:
        yield opened
