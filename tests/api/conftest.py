from __future__ import annotations

import httpx2
import pytest

from aigateway.api.app import create_api
from tests.support import people


@pytest.fixture
async def world(store_url):
    async with people.world(store_url) as made:
        yield made


@pytest.fixture
async def client(world):
    """A program that talks to the API, and is not signed in."""
    api = create_api(accounts=world.accounts, authenticator=world.authenticator, store=world.store)
    transport = httpx2.ASGITransport(api, client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test") as opened:
        yield opened
