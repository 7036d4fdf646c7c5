from __future__ import annotations

import asyncio

import pytest

from aigateway.audit.shipper import Shipper
from aigateway.store.engine import StoreUnavailable
from aigateway.store.records import InterceptionEnd
from tests.audit.rows import end, start
from tests.support.waiting import eventually


class Sink:
    """A store that can be away, and that can dislike a row."""

    def __init__(self):
        self.records = []
        self.away = False
        self.dislikes = None
        self.changed = asyncio.Event()

    async def apply(self, records):
        if self.away:
            raise StoreUnavailable("away")
        if any(record.interception_id == self.dislikes for record in records):
            raise ValueError("no such row, please")
        self.records.extend(records)
        self.changed.set()

    async def holds(self, count):
        async with asyncio.timeout(10):
            while len(self.records) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
async def shipper(journal, sink):
    shipper = Shipper(journal, sink.apply)
    yield shipper
    await shipper.stop(within_seconds=5)


async def test_rows_arrive_in_order_and_leave_the_journal(journal, sink, shipper):
    shipper.start()
    for number in range(20):
        await journal.append([start(f"i{number}")])
    await sink.holds(20)
    assert [record.interception_id for record in sink.records] == [f"i{number}" for number in range(20)]
    await shipper.stop(within_seconds=5)
    assert await journal.backlog() == 0


async def test_rows_wait_while_the_store_is_away_and_arrive_in_order_after(journal, sink, shipper, monkeypatch):
    monkeypatch.setattr("aigateway.audit.shipper._BACKOFF_SECONDS", (0.01,))
    sink.away = True
    shipper.start()
    for number in range(30):
        await journal.append([start(f"i{number}")])
    await eventually(lambda: shipper.failing)
    assert sink.records == []
    sink.away = False
    await sink.holds(30)
    assert [record.interception_id for record in sink.records] == [f"i{number}" for number in range(30)]


async def test_a_row_that_the_store_refuses_is_set_aside_and_the_others_arrive(journal, sink, shipper):
    sink.dislikes = "bad"
    for name in ("a", "bad", "b"):
        await journal.append([start(name)])
    shipper.start()
    await sink.holds(2)
    await shipper.stop(within_seconds=5)
    assert [record.interception_id for record in sink.records] == ["a", "b"]
    assert await journal.backlog() == 0


async def test_stopping_ships_what_is_left(journal, sink, shipper):
    await journal.append([start("a")])
    left = await shipper.stop(within_seconds=5)
    assert left == 0
    assert [record.interception_id for record in sink.records] == ["a"]


async def test_stopping_while_the_store_is_away_leaves_the_rows_in_the_journal(journal, sink, shipper):
    sink.away = True
    await journal.append([start("a")])
    assert await shipper.stop(within_seconds=5) == 1
    sink.away = False


async def test_what_a_dead_process_had_begun_is_ended_as_interrupted(journal, sink, shipper):
    await journal.append([start("dead")])
    await journal.append([start("done"), end("done")])
    assert await shipper.adopt() == 1
    shipper.start()
    await sink.holds(4)
    ends = {r.interception_id: r for r in sink.records if isinstance(r, InterceptionEnd)}
    assert ends["dead"].error_type == "interrupted"
    assert ends["done"].error_type is None
    assert await journal.unfinished() == []
