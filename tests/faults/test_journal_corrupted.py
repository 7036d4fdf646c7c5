"""A server dies, and what it left of its journal cannot be read: a disk that lies, a page that was overwritten.

The file is set aside loudly and kept, the server starts with a new one, and what can be read of the old one can be
printed. So what a client saw is on record, or in that file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

from tests.faults.crowd import Seen, crowd, ledger, some_more


def test_it_is_set_aside_and_what_is_left_of_it_can_be_rescued(start, database):
    gateway, seen = start(), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen)
            with closing(sqlite3.connect(database, isolation_level=None)) as holding:
                holding.execute("BEGIN IMMEDIATE")
                await some_more(seen)
                gateway.kill()

    asyncio.run(story())
    journal = gateway.folder / "data" / "journal" / "0.sqlite3"
    with closing(sqlite3.connect(journal)) as rows:
        rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(journal.read_bytes())
    content[:200] = os.urandom(200)
    journal.write_bytes(content)

    gateway.start()
    seen_after = Seen()

    async def go_on():
        async with crowd(gateway.base, gateway.token, seen_after):
            await some_more(seen_after)

    asyncio.run(go_on())
    assert gateway.stop() == 0
    assert "cannot be read and was set aside" in gateway.log
    assert ledger(seen_after, database).lost == set()
    (broken,) = journal.parent.glob("0.broken-*Z")
    command = [sys.executable, "-m", "aigateway", "journal", "export", str(broken)]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    rescued = {record["interception_id"] for line in lines for record in json.loads(line)["records"]}
    assert ledger(seen, database).lost - rescued == set()
