from __future__ import annotations

import pytest

from aigateway.store.engine import Store


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(sqlite_url):
    """A store on SQLite, for what only SQLite has."""
    opened = await Store.open(sqlite_url)
    yield opened
    await opened.close()
