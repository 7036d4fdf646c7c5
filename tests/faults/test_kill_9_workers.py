"""`kill -9` of one of several workers, and of their parent, while people work."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal

from tests.faults.crowd import Seen, crowd, ledger, some_more, until
from tests.support.processes import lives

ROUNDS = 4


def workers(gateway):
    """The pids of the workers, in the order in which they began to serve, and how many died."""
    serving = [int(pid) for pid in re.findall(r"a worker serves .*worker_pid=(\d+)", gateway.log)]
    return serving, gateway.log.count("a worker died and is started again")


def test_what_was_seen_is_on_record(start, database):
    moments = random.Random(20260404)
    gateway, seen = start("--workers", "2"), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            for number in range(ROUNDS):
                await until(lambda number=number: len(workers(gateway)[0]) == 2 + number)
                await some_more(seen, 10)
                await asyncio.sleep(moments.uniform(0, 0.1))
                os.kill(moments.choice([pid for pid in workers(gateway)[0] if lives(pid)]), signal.SIGKILL)
                await until(lambda number=number: workers(gateway)[1] == number + 1)
            await some_more(seen, 10)
            gateway.kill()

    asyncio.run(story())
    pids, _ = workers(gateway)
    asyncio.run(until(lambda: not any(lives(pid) for pid in pids)))
    gateway.start()
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert found.clean, found
    assert seen.broken > 0
