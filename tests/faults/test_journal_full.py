"""The database is away for so long that the journal reaches its largest size (`--ai-gateway-journal-max-size`)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from tests.faults.crowd import Seen, crowd, ledger, some_more, until


def test_at_the_largest_size_new_requests_are_refused_and_those_under_way_are_finished(start, database):
    gateway, seen = start(CODER_AI_GATEWAY_JOURNAL_MAX_SIZE="256KiB"), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen)
            with closing(sqlite3.connect(database, isolation_level=None)) as holding:
                holding.execute("BEGIN IMMEDIATE")
                await until(lambda: seen.statuses[503] >= 20)
                assert not await asyncio.to_thread(gateway._ready)
            await some_more(seen)

    asyncio.run(story())
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert found.clean, found
    assert seen.begun == seen.ended
    assert set(seen.statuses) == {200, 503}


def test_a_server_that_died_with_a_full_journal_starts_again(start, database):
    """Ending what was cut needs room as well; it must not keep the server from starting."""
    gateway, seen = start(CODER_AI_GATEWAY_JOURNAL_MAX_SIZE="256KiB"), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            with closing(sqlite3.connect(database, isolation_level=None)) as holding:
                holding.execute("BEGIN IMMEDIATE")
                await until(lambda: seen.statuses[503] >= 20)
                gateway.kill()

    asyncio.run(story())
    gateway.start()
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert found.clean, found
