from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from aigateway.audit import retention
from aigateway.audit.retention import Purged, Retention
from aigateway.store import purge
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.ingest import apply
from aigateway.store.tables import api_keys, interceptions
from aigateway.store.turns import Turn, wait_for
from aigateway.telemetry.events import Events
from tests.store.stories import story, uid
from tests.support.people import world
from tests.support.waiting import eventually

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Heard(Events):
    def __init__(self):
        self.rows = {}
        self.passes = []

    def purged(self, record_type, records):
        self.rows[record_type] = self.rows.get(record_type, 0) + records

    def purge_ended(self, *, success, seconds):
        assert seconds >= 0
        self.passes.append(success)


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def make(store, heard):
    """A retention at 01:00:00 on 2026-01-01; the stories begin so many seconds after midnight."""

    def making(records, expired_keys=None):
        now = datetime(2026, 1, 1, 1, tzinfo=UTC)
        return Retention(store, records=records, expired_keys=expired_keys, events=heard, clock=lambda: now)

    return making


async def left(store):
    query = select(interceptions.c.id)
    return sorted(await store.read(lambda connection: connection.execute(query).scalars().all()))


async def fill(store, count):
    """Interceptions of the first `count` seconds, with five rows each."""
    for number in range(1, count + 1):
        await store.write(apply, story(number, number, calls=f"call_{number}"))


async def test_a_pass_deletes_what_is_older_than_its_time(store, make, heard, monkeypatch):
    monkeypatch.setattr(retention, "_INTERCEPTIONS_AT_ONCE", 2)
    await fill(store, 8)
    assert await make(HOUR - timedelta(seconds=6)).purge() == Purged(aibridge_records=5 * 5, api_keys=0)
    assert await left(store) == [uid(6), uid(7), uid(8)]
    assert heard.rows == {"aibridge_records": 25}


@pytest.mark.parametrize("records", [None, timedelta.max, timedelta(days=365_000)])
async def test_what_is_kept_for_ever_stays(store, make, records):
    await fill(store, 1)
    assert await make(records).purge() == Purged(aibridge_records=0, api_keys=0)
    assert await left(store) == [uid(1)]


async def test_keys_that_expired_long_ago_are_deleted_so_many_a_pass(store_url, heard, monkeypatch):
    monkeypatch.setattr(retention, "_KEYS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "_KEYS_A_PASS", 4)
    async with world(store_url) as made:
        ann = await made.user("ann")
        for hours in range(1, 8):
            await made.token(ann, hours * HOUR)
        made.clock.advance((7 * DAY + 6 * HOUR + timedelta(seconds=1)).total_seconds())
        kept = Retention(made.store, records=None, expired_keys=7 * DAY, events=heard, clock=made.clock.now)
        assert [(await kept.purge()).api_keys for _ in range(3)] == [4, 2, 0]
        query = select(api_keys.c.lifetime_seconds)
        assert await made.store.read(lambda connection: connection.execute(query).scalars().all()) == [7 * 3600]
    assert heard.rows == {"api_keys": 6}


async def test_a_purge_that_was_interrupted_is_resumed(store, make, heard, monkeypatch):
    """Every batch is whole: no row is left whose interception is gone."""
    monkeypatch.setattr(retention, "_INTERCEPTIONS_AT_ONCE", 1)
    await fill(store, 20)
    first = make(HOUR - timedelta(minutes=30))
    first.start()
    await eventually(lambda: heard.rows.get("aibridge_records", 0) >= 15)
    await first.stop()
    await store.write(wait_for, Turn.PURGE)  # behind the batch that was under way
    gone = 20 - len(await left(store))
    assert 3 <= gone <= 20
    purged = await make(HOUR - timedelta(minutes=30)).purge()
    assert purged.aibridge_records == (20 - gone) * 5
    assert await left(store) == []


async def test_reads_and_writes_go_on_during_a_purge(store, make, heard, monkeypatch):
    monkeypatch.setattr(retention, "_INTERCEPTIONS_AT_ONCE", 10)
    await store.write(apply, [record for number in range(1, 401) for record in story(number, 0, calls=str(number))])
    kept = make(HOUR / 2)
    kept.start()
    await eventually(lambda: heard.rows)
    between = 0
    while not heard.passes:
        between = heard.rows["aibridge_records"]
        await store.ping()
        await store.write(apply, story(5000, 3000))
    assert 0 < between <= 2_000
    await kept.stop()
    assert heard.rows == {"aibridge_records": 2_000}
    assert await left(store) == [uid(5000)]


async def test_passes_come_again_and_again_even_after_one_that_failed(store, make, heard, monkeypatch):
    monkeypatch.setattr(retention, "EVERY_SECONDS", 0.01)
    real, failures = purge.records, [StoreUnavailable("away"), ZeroDivisionError()]

    def failing(*args):
        if failures:
            raise failures.pop()
        return real(*args)

    monkeypatch.setattr(purge, "records", failing)
    await fill(store, 1)
    kept = make(timedelta(0))
    kept.start()
    await eventually(lambda: len(heard.passes) > 3)
    await kept.stop()
    assert heard.passes[:3] == [False, False, True]
    assert await left(store) == []


async def test_nothing_is_started_where_all_is_kept(make, heard):
    kept = make(None)
    kept.start()
    assert all(task.get_name() != "retention" for task in asyncio.all_tasks())
    await kept.stop()
    assert heard.passes == []


async def test_a_pass_is_told_in_the_log(store, make, monkeypatch):
    told = []

    class Log:
        info = staticmethod(lambda message, **fields: told.append(("info", message, fields)))
        debug = staticmethod(lambda message, **fields: told.append(("debug", message, fields)))

    monkeypatch.setattr(retention, "_log", Log)
    await fill(store, 1)
    for _ in range(2):
        await make(timedelta(0))._pass()
    first, second = told
    assert (first[0], first[2]["aibridge_records"], first[2]["api_keys"]) == ("info", 5, 0)
    assert (second[0], second[2]["aibridge_records"]) == ("debug", 0)
