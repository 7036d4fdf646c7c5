"""The database freezes, dies, is locked or is slow under load: nobody notices, and every record arrives after.

Each test's story: a crowd asks while all is well, then while the fault lasts, then after it. All answers are 200, and
what was seen is on record once, ended and with its usage (`lost` is empty).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from aigateway.audit import inspection
from aigateway.audit.journals import Journals
from tests.faults.crowd import Seen, crowd, ledger, ledger_of_postgresql, some_more, until
from tests.support.server import GatewayProcess
from tests.support.slow_link import SlowLink

ANSWERS = 100
OUTAGE_SECONDS = 2.5
"""Longer than any token is taken for valid without a look at the database."""
LONG_WAIT = 1.0
"""Seconds. The first request of a person after the database froze waits for half a second; more is a busy disk."""
MOST_GROWTH = 24 << 20


@pytest.fixture
def shared(postgresql):
    """A database for one test; the server is up and answers when the test is over."""
    with postgresql.database() as name:
        yield name


def resident(gateway: GatewayProcess) -> int:
    """Bytes of memory."""
    pages = Path(f"/proc/{gateway.pid}/statm").read_text("ascii").split()[1]
    return int(pages) * 4096


def ready(gateway: GatewayProcess) -> dict:
    with urllib.request.urlopen(f"{gateway.url}/readyz", timeout=10) as answer:
        return json.load(answer)


def shipped(gateway: GatewayProcess) -> bool:
    """Whether nothing waits in the journal any more."""
    paths = Journals(gateway.folder / "data" / "journal").paths()
    return not any(inspection.inspect(path).waiting for path in paths)


async def story(gateway: GatewayProcess, seen: Seen, fault) -> dict[str, list[float]]:
    """Latencies of each part."""
    parts: dict[str, list[float]] = {}

    async def part(name, at_least=0.0):
        seen.seconds.clear()
        end = time.monotonic() + at_least
        await some_more(seen, ANSWERS)
        await until(lambda: time.monotonic() > end)
        parts[name] = list(seen.seconds)

    async with crowd(gateway.base, gateway.token, seen, clients=3):
        await some_more(seen, 30)
        await part("up")
        before = resident(gateway)
        with fault():
            await part("fault", OUTAGE_SECONDS)
            grown = resident(gateway) - before
            assert (await asyncio.to_thread(ready, gateway))["ready"]
        await part("after")
    await until(lambda: shipped(gateway))
    assert set(seen.statuses) == {200}
    assert seen.broken == 0
    assert grown < MOST_GROWTH
    return parts


def told(parts: dict[str, list[float]]) -> str:
    lines = []
    for name, seconds in parts.items():
        cuts = statistics.quantiles(seconds, n=100)
        p50, p99, longest = (1e3 * seconds for seconds in (cuts[49], cuts[98], max(seconds)))
        lines.append(f"{name:6} n={len(seconds)} p50={p50:.1f} p99={p99:.1f} max={longest:.1f} ms")
    return "\n".join(lines)


def require_unaffected(parts: dict[str, list[float]]) -> None:
    """All but the few who came first after the fault wait no longer than they did before."""
    sys.stderr.write(f"{told(parts)}\n")
    assert sum(seconds > LONG_WAIT for seconds in parts["fault"]) <= len(parts["fault"]) / 50, told(parts)
    ninety = {name: statistics.quantiles(seconds, n=10)[8] for name, seconds in parts.items()}
    assert ninety["fault"] < 3 * ninety["up"] + 0.05, told(parts)


@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_postgresql_goes_away_under_load_and_comes_back(start, postgresql, shared, fault):
    """`kill -STOP`: connections stay and nobody answers. `kill -9`: connections break and nobody listens."""

    @contextmanager
    def away():
        if fault == "frozen":
            postgresql.freeze()
        else:
            postgresql.kill()
        try:
            yield
        finally:
            if fault == "frozen":
                postgresql.thaw()
            else:
                postgresql.start()

    gateway, seen = start(CODER_PG_CONNECTION_URL=postgresql.url(shared)), Seen()
    require_unaffected(asyncio.run(story(gateway, seen, away)))
    assert gateway.stop() == 0
    found = ledger_of_postgresql(seen, postgresql, shared)
    assert found.clean, found
    assert found.on_record == found.seen
    assert gateway.log.count("Traceback") == 0


def test_postgresql_is_slow(start, postgresql, shared):
    """200 ms a statement, as over a bad line."""
    with SlowLink(postgresql.port) as link:

        @contextmanager
        def slow():
            link.delay = 0.2
            yield
            link.delay = 0.0

        url = postgresql.url(shared).replace(f":{postgresql.port}/", f":{link.port}/")
        gateway, seen = start(CODER_PG_CONNECTION_URL=url), Seen()
        require_unaffected(asyncio.run(story(gateway, seen, slow)))
        assert gateway.stop() == 0
    found = ledger_of_postgresql(seen, postgresql, shared)
    assert found.clean, found
    assert found.on_record == found.seen


def test_the_embedded_database_is_locked_by_another_process(start, database):
    """A backup or a person with `sqlite3` holds the file's lock."""

    @contextmanager
    def locked():
        with closing(sqlite3.connect(database, isolation_level=None)) as holding:
            holding.execute("BEGIN EXCLUSIVE")
            yield

    gateway, seen = start(), Seen()
    require_unaffected(asyncio.run(story(gateway, seen, locked)))
    assert gateway.stop() == 0
    found = ledger(seen, database)
    assert found.clean, found
    assert found.on_record == found.seen


def test_a_server_that_dies_while_postgresql_is_away_starts_again_and_ships(start, postgresql, shared):
    """Both fail at once; the journal has what neither of them could tell."""
    gateway, seen = start(CODER_PG_CONNECTION_URL=postgresql.url(shared)), Seen()

    async def both():
        async with crowd(gateway.base, gateway.token, seen):
            await some_more(seen, 30)
            postgresql.kill()
            await some_more(seen, 60)
            gateway.kill()
            await asyncio.to_thread(postgresql.start)

    asyncio.run(both())
    gateway.start()
    assert gateway.stop() == 0
    found = ledger_of_postgresql(seen, postgresql, shared)
    assert found.clean, found
    assert set(seen.statuses) == {200}


async def test_a_replica_that_starts_during_the_outage_waits_and_then_serves(start, postgresql, shared):
    """The others serve meanwhile; this one knows nobody, so it is not started before."""
    begun = time.monotonic()
    postgresql.freeze()
    thawing = asyncio.get_running_loop().call_later(1.5, postgresql.thaw)
    try:
        gateway = await asyncio.to_thread(start, CODER_PG_CONNECTION_URL=postgresql.url(shared))
    finally:
        thawing.cancel()
        postgresql.thaw()
    assert time.monotonic() - begun > 1.5
    seen = Seen()
    async with crowd(gateway.base, gateway.token, seen):
        await some_more(seen, 10)
    assert set(seen.statuses) == {200}
