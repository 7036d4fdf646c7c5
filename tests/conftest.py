"""The databases that tests run on: every test of the store and of what stands on it runs on both engines."""

from __future__ import annotations

import asyncio

import pytest

from aigateway.store.engine import Store
from tests.support import postgres


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of this test session."""
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _template(postgresql):
    """A database with the schema and nothing in it: copying it is quicker than making it."""

    async def make(url):
        await (await Store.open(url)).close()

    with postgresql.database() as name:
        asyncio.run(make(postgresql.url(name)))
        yield name


@pytest.fixture
def postgresql_url(postgresql, _template):
    """A database of its own on PostgreSQL, with the schema."""
    with postgresql.database(_template) as name:
        yield postgresql.url(name)


@pytest.fixture
def sqlite_url(tmp_path):
    """An embedded database of its own, which is not there yet."""
    return f"sqlite:///{tmp_path / 'aigateway.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request):
    """A database of its own, on each engine in turn."""
    return request.getfixturevalue(f"{request.param}_url")
