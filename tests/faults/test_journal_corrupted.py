"""A server dies, and what it left of its journal cannot be read: a disk that lies, a page that was overwritten.

What can be read of the file is shipped; the whole of it is set aside loudly and kept, and can be printed. So what a
client saw is on record, but for the few bytes that are gone.
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
from tests.support.waiting import eventually


def test_it_is_set_aside_and_what_is_left_of_it_can_be_rescued(start, database):
    gateway, seen = start(), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen)
            with closing(sqlite3.connect(database, isolation_level=None)) as holding:
                # What stands first in the file, and is to be overwritten, is in the database.
                await eventually(lambda: holding.execute("SELECT count(*) FROM aibridge_interceptions").fetchone()[0])
                holding.execute("BEGIN IMMEDIATE")
                await some_more(seen)
                gateway.kill()

    asyncio.run(story())
    journal = gateway.folder / "data" / "journal"
    (file,) = (journal / "0").glob("*.segment")
    content = bytearray(file.read_bytes())
    content[:200] = os.urandom(200)
    file.write_bytes(content)

    gateway.start()
    seen_after = Seen()

    async def go_on():
        async with crowd(gateway.base, gateway.token, seen_after):
            await some_more(seen_after)

    asyncio.run(go_on())
    assert gateway.stop() == 0
    assert "cannot be read and was set aside" in gateway.log
    assert ledger(seen_after, database).lost == set()
    (broken,) = journal.glob("0.broken-*Z")
    command = [sys.executable, "-m", "aigateway", "journal", "export", str(broken)]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    rescued = {record["interception_id"] for line in lines for record in json.loads(line)["records"]}
    assert ledger(seen, database).lost - rescued == set()
    assert ledger(seen, database).lost == set()  # What was overwritten had been shipped, and all else was read.
