"""Somebody removes the journal of a running server, and then it crashes."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.faults.crowd import Seen, crowd, ledger, some_more, until


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_was_in_a_journal_that_was_removed_is_not_lost(start, database, what):
    """The database is held up meanwhile, so that records are in the journal and nowhere else."""
    gateway, seen = start(), Seen()
    journal = gateway.folder / "data" / "journal"

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen)
            with closing(sqlite3.connect(database, isolation_level=None)) as holding:
                holding.execute("BEGIN IMMEDIATE")
                await some_more(seen)
                if what == "folder":
                    shutil.rmtree(journal)
                else:
                    for path in (journal / "0").iterdir():
                        path.unlink()
                await until(lambda: list(journal.glob("0/*.segment")))
                await some_more(seen)
                gateway.kill()

    asyncio.run(story())
    assert "was removed under the running server" in gateway.log
    gateway.start()
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert found.clean, found
