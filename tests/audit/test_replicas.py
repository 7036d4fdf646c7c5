"""Replicas that share a database: each ships its own journal in its own time, and together they tell one story."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from aigateway.audit.journal import Journal
from aigateway.audit.retention import Retention
from aigateway.audit.shipper import Shipper
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.tables import interceptions, metadata
from aigateway.telemetry.events import Events
from tests.store.stories import BOB, end, start, story, tool, uid
from tests.support.examples import examples

SESSION = (
    [[start(1, 0)], [tool(1, 1, "a"), end(1, 1, status_code=200)]],
    [[start(2, 10, answers="a")], [tool(2, 11, "b"), tool(2, 11, "c", row=77), end(2, 11, status_code=200)]],
    [[start(3, 20, answers="b")], [tool(3, 21, "d"), end(3, 21, status_code=200)]],
    [[start(4, 20, answers="c")], [end(4, 21, status_code=200)]],
    [[start(5, 30, answers="d")], [end(5, 31, error_type="interrupted")]],
    [[start(6, 30, answers="d", who=BOB)], [end(6, 31, status_code=200)]],
)
"""Requests of one session, each of which goes on where a tool call of another left off, and one of somebody else."""
PARENTS = {1: None, 2: 1, 3: 2, 4: 2, 5: 3, 6: None}
ROOTS = {1: None, 2: 1, 3: 1, 4: 1, 5: 1, 6: None}
RECORD = [table for table in metadata.sorted_tables if table.name.startswith("aibridge_")]


class Replica:
    """A journal and a shipper on a store of its own."""

    def __init__(self, folder, store):
        self.journal = Journal(folder)
        self.shipper = Shipper(self.journal, lambda records: store.write(apply, records))


async def replicas(stack, url, count=2):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    made = []
    for number in range(count):
        store = await Store.open(url)
        stack.push_async_callback(store.close)
        replica = Replica(folder / f"{number}.sqlite3", store)
        await replica.journal.open()
        stack.push_async_callback(replica.journal.close)
        made.append(replica)
    return store, made


async def lineage(store):
    """Who follows whom, by number: parents and roots."""
    columns = (interceptions.c.id, interceptions.c.thread_parent_id, interceptions.c.thread_root_id)
    rows = await store.read(lambda connection: connection.execute(select(*columns)).all())
    numbers = {uid(number): number for number in PARENTS} | {None: None}
    return (
        {numbers[ident]: numbers[parent] for ident, parent, _ in rows},
        {numbers[ident]: numbers[root] for ident, _, root in rows},
    )


async def forget_all(store):
    await store.write(lambda connection: [connection.execute(delete(table)) for table in RECORD] and None)


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.lists(st.integers(0, 1), min_size=6, max_size=6),
    turns=st.lists(st.integers(0, 1), max_size=14),
)
def test_a_session_that_lands_on_two_replicas_is_one_session(store_url, where, turns):
    """Each replica ships in its order; between the two there is none."""

    async def check():
        async with AsyncExitStack() as stack:
            store, both = await replicas(stack, store_url)
            await forget_all(store)
            for request, replica in zip(SESSION, where, strict=True):
                for records in request:
                    await both[replica].journal.append(records)
            for turn in turns:
                [entry, *_] = await both[turn].journal.entries(1) or [None]
                if entry is not None:
                    await store.write(apply, entry.records)
                    await both[turn].journal.discard(entry.seq)
            await asyncio.gather(*(replica.shipper.ship_batch() for replica in both))
            assert await lineage(store) == (PARENTS, ROOTS)

    asyncio.run(check())


async def test_a_call_and_its_answer_that_are_shipped_at_the_same_moment_find_each_other(postgresql_url):
    """Neither transaction sees the other's rows before it is committed."""
    async with AsyncExitStack() as stack:
        store, both = await replicas(stack, postgresql_url)
        for _ in range(30):
            await forget_all(store)
            await both[0].journal.append([record for entry in SESSION[0] for record in entry])
            await both[1].journal.append([record for entry in SESSION[1] for record in entry])
            await asyncio.gather(*(replica.shipper.ship_batch() for replica in both))
            parents, _ = await lineage(store)
            assert parents == {1: None, 2: 1}


async def test_replicas_that_ship_much_at_once_do_not_lock_each_other_out(postgresql_url):
    async with AsyncExitStack() as stack:
        store, all_of_them = await replicas(stack, postgresql_url, 4)
        for number in range(1, 401):
            records = story(number, 0, calls=str(number), answers=str(401 - number))
            await all_of_them[number % 4].journal.append(records)
        for replica in all_of_them:
            replica.shipper.start()
        left = await asyncio.gather(*(replica.shipper.stop(within_seconds=30) for replica in all_of_them))
        assert left == [0] * 4
        assert [replica.shipper.failures for replica in all_of_them] == [0] * 4
        rows = await store.read(lambda connection: len(connection.execute(select(interceptions.c.id)).all()))
        assert rows == 400


async def test_one_replica_purges_at_a_time_and_together_they_purge_all(postgresql_url):
    now = datetime(2026, 1, 1, 1, tzinfo=UTC)
    async with AsyncExitStack() as stack:
        store, _ = await replicas(stack, postgresql_url, 1)
        await store.write(apply, [row for number in range(1, 601) for row in story(number, 0, calls=str(number))])
        purging = []
        for _ in range(3):
            other = await Store.open(postgresql_url)
            stack.push_async_callback(other.close)
            kept = Retention(other, records=timedelta(0), expired_keys=None, events=Events(), clock=lambda: now)
            purging.append(kept.purge())
        purged = await asyncio.gather(*purging)
        assert sum(each.aibridge_records for each in purged) == 600 * 5
