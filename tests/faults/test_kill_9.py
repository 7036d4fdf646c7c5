"""`kill -9` at random moments under load loses no record of anything that a client has seen."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing

import pytest

from tests.faults.crowd import Seen, crowd, ledger, until

ROUNDS = 50


@pytest.mark.timeout(600)
def test_kill_9_at_50_random_moments_loses_no_record_of_what_a_client_saw(start, database):
    moments = random.Random(20260102)
    gateway, seen = start(), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            for _ in range(ROUNDS):
                before = len(seen.begun)
                await until(lambda before=before: len(seen.begun) > before)
                await asyncio.sleep(moments.uniform(0, 0.3))
                gateway.kill()
                await asyncio.to_thread(gateway.start)

    asyncio.run(story())
    assert gateway.stop() == 0
    assert len(seen.begun) > ROUNDS
    found = ledger(seen, database)
    assert found.clean, found
    with closing(sqlite3.connect(database)) as rows:
        ends = dict(rows.execute("SELECT id, error_type FROM aibridge_interceptions"))
    assert {ends[ident] for ident in seen.ended} == {None}
    # Some were cut by the kill: those that the journal had begun and not ended are told apart.
    assert "interrupted" in ends.values()
    assert set(ends.values()) <= {None, "interrupted", "client_disconnected"}
