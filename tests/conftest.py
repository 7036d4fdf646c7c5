"""The databases that tests run on: every test of the store and of what stands on it runs on both engines."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from hypothesis import settings

from aigateway.store.engine import Store
from aigateway.store.migrations import HEAD
from aigateway.store.tables import metadata
from tests.support import postgres
from tests.support.embedded import migrated

# No test asserts a time: on a machine that is busy, each example takes as long as it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TESTS = Path(__file__).parent
LONGEST = (
    "faults/test_kill_9.py",
    "browser/test_accessibility.py",
    "conformance/test_setup_page.py",
    "faults/test_store_outage.py",
    "browser/test_reading.py",
    "browser/test_dashboard.py",
    "browser/test_hostile_pages.py",
    "api/test_matrix.py",
    "store/test_migrations.py",
    "api/test_schemathesis.py",
    "faults/test_kill_9_workers.py",
    "web/test_hostile_text.py",
    "audit/test_verification.py",
)
"""A file is one process's from its first test to its last, so a long one at the end would leave the others idle."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep the collector of garbage from what is there before the first test: it would look at it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Run the longest files first (`make test` keeps this order), all others as they come."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of this test session."""
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _database(postgresql):
    """The name of a database with the schema. Tests take turns with it: emptying it is quicker than making another."""

    async def make(url):
        await (await Store.open(url)).close()

    postgresql.execute("CREATE DATABASE shared TEMPLATE template0")
    asyncio.run(make(postgresql.url("shared")))
    return "shared"


@pytest.fixture
def postgresql_url(postgresql, _database):
    """A database on PostgreSQL with the schema and nothing in it."""
    yield postgresql.url(_database)
    postgresql.execute(_END_CONNECTIONS, parameters=[_database])
    postgresql.execute(_EMPTY, _database)


_END_CONNECTIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
_EMPTY = "".join(f"DELETE FROM {table.name};" for table in reversed(metadata.sorted_tables))  # noqa: S608  # our names
_EMPTY += f"UPDATE alembic_version SET version_num = '{HEAD}'"  # noqa: S608  # the same


@pytest.fixture
def sqlite_url(tmp_path):
    """An embedded database of its own, with the schema and nothing in it."""
    return migrated(tmp_path / "aigateway.sqlite3")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request):
    """A database of its own, on each engine in turn."""
    return request.getfixturevalue(f"{request.param}_url")
