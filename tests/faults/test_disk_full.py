"""The disk of the data directory is full: no file can grow any more.

The limit on the size of files (RLIMIT_FSIZE) does to a running server what a full disk does, to every file at once: the
journal, the database and the log.
"""

from __future__ import annotations

import asyncio
import resource
import urllib.request

from tests.faults.crowd import Seen, crowd, ledger, some_more, until
from tests.support.server import free_port

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def fill_disk(gateway):
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def free_disk(gateway):
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, UNLIMITED)


def test_nothing_is_served_that_cannot_be_recorded_and_all_is_well_once_there_is_room(start, database):
    """By default (`--ai-gateway-audit-failure=block`) requests get 503, and `/readyz` says why."""
    gateway, seen = start(), Seen()

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen)
            fill_disk(gateway)
            refused = seen.statuses[503]
            await until(lambda: seen.statuses[503] >= refused + 20)
            assert not await asyncio.to_thread(gateway._ready)
            free_disk(gateway)
            await some_more(seen)

    asyncio.run(story())
    assert gateway._ready()
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert found.clean, found
    assert set(seen.statuses) == {200, 503}
    assert "Traceback" not in gateway.log


def unrecorded(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.split()[1]) for line in lines if line.startswith("coder_ai_gateway_unrecorded_requests_total")
    )


def test_where_the_operator_allows_it_requests_are_served_and_each_unrecorded_one_is_counted(start, database):
    """`--ai-gateway-audit-failure=allow`: the metric counts exactly those that were seen and are not on record."""
    port, seen = free_port(), Seen()
    gateway = start(
        CODER_AI_GATEWAY_AUDIT_FAILURE="allow",
        CODER_PROMETHEUS_ENABLE="true",
        CODER_PROMETHEUS_ADDRESS=f"127.0.0.1:{port}",
    )

    async def story():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen)
            fill_disk(gateway)
            await some_more(seen, 60)
            assert await asyncio.to_thread(gateway._ready)
            free_disk(gateway)
            await some_more(seen)

    asyncio.run(story())
    counted = unrecorded(port)
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert set(seen.statuses) == {200}
    assert seen.broken == 0
    assert 0 < len(found.lost) == counted
    assert (found.open, found.duplicates) == (0, 0)
