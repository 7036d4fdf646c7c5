from __future__ import annotations

from types import SimpleNamespace

import pytest

from aigateway.app import health
from aigateway.app.health import Health
from aigateway.store.engine import Store


class Paper:
    """A journal that can be written."""

    async def check_writable(self):
        return None


@pytest.fixture
async def store(sqlite_url):
    opened = await Store.open(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture
def time(monkeypatch):
    """The seconds that the checks see."""
    now = [1000.0]
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def make(store):
    return Health(journal=Paper(), store=store, providers={}, enabled=False, allow_byok=True)


async def test_without_its_database_a_server_is_ready_for_as_long_as_it_can_serve(store, time):
    """It is away for all servers alike; a balancer that took them all out would make an outage of it."""
    checked = make(store)
    assert (await checked.readiness()).checks["store"].ok
    await store.close()
    for seconds, ready in ((1, True), (3500, True), (200, False)):
        time[0] += seconds
        answer = await checked.readiness()
        assert answer.ready is ready
        assert not answer.checks["store"].ok


async def test_the_reason_does_not_tell_where_the_database_is(store, time):
    await store.close()
    assert (await make(store).readiness()).checks["store"].reason == "the database does not answer"
