"""Every fault again and again while a crowd works: `python -m benchmarks.soak --minutes 20` prints what was lost.

Each fault strikes one server for an equal share of the time. A client's view is held against the record at the end:
`lost` must be 0 in every line. The numbers of `docs/reliability.md` come from here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aigateway.simulator.server import SimulatorThread
from tests.faults.crowd import Ledger, Seen, crowd, ledger, providers_of, some_more, until
from tests.support.processes import lives
from tests.support.server import CommandProcess, providers

Strike = Callable[[CommandProcess, Seen], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What happens, again and again."""

    name: str
    strike: Strike
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    crowd: dict[str, Any] = field(default_factory=dict)


def _database(gateway: CommandProcess) -> Path:
    return gateway.folder / "data" / "aigateway.sqlite3"


async def _start(gateway: CommandProcess) -> None:
    await asyncio.to_thread(gateway.start)


async def kill(gateway: CommandProcess, seen: Seen) -> None:
    """The server dies while it answers."""
    await some_more(seen, random.randint(1, 40))
    await asyncio.sleep(random.uniform(0, 0.1))
    gateway.kill()
    await _start(gateway)


async def kill_worker(gateway: CommandProcess, seen: Seen) -> None:
    """One of two workers dies; the other goes on."""

    def serving() -> list[int]:
        return [int(pid) for pid in re.findall(r"a worker serves .*worker_pid=(\d+)", gateway.log) if lives(int(pid))]

    await until(lambda: len(serving()) == 2)
    await some_more(seen, random.randint(1, 40))
    os.kill(random.choice(serving()), signal.SIGKILL)
    await until(lambda: len(serving()) < 2)


async def terminate(gateway: CommandProcess, seen: Seen) -> None:
    """The server is stopped as it should be, and started again."""
    await some_more(seen, random.randint(1, 40))
    status = await asyncio.to_thread(gateway.stop)
    assert status == 0, f"SIGTERM ended with status {status}"
    await _start(gateway)


async def fill_disk(gateway: CommandProcess, seen: Seen) -> None:
    """No file can grow for a while (RLIMIT_FSIZE does what a full disk does)."""
    await some_more(seen)
    refused = seen.statuses[503]
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    await until(lambda: seen.statuses[503] >= refused + 20)
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await some_more(seen)


async def hold_up_database(gateway: CommandProcess, seen: Seen) -> None:
    """Somebody else holds the database for a while."""
    await some_more(seen)
    with closing(sqlite3.connect(_database(gateway), isolation_level=None, timeout=30)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        await some_more(seen, 100)
    await some_more(seen)


async def hold_up_and_kill(gateway: CommandProcess, seen: Seen) -> None:
    """The server dies while all that it recorded is in its journal."""
    with closing(sqlite3.connect(_database(gateway), isolation_level=None, timeout=30)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        await some_more(seen, random.randint(20, 60))
        gateway.kill()
    await _start(gateway)


async def fill_journal(gateway: CommandProcess, seen: Seen) -> None:
    """The database is away until the journal takes nothing new."""
    refused = seen.statuses[503]
    with closing(sqlite3.connect(_database(gateway), isolation_level=None, timeout=30)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        await until(lambda: seen.statuses[503] >= refused + 20)
    await some_more(seen)


async def remove_journal(gateway: CommandProcess, seen: Seen) -> None:
    """Somebody removes the journal while all records are in it, and then the server dies."""
    journal = gateway.folder / "data" / "journal"
    with closing(sqlite3.connect(_database(gateway), isolation_level=None, timeout=30)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        await some_more(seen)
        shutil.rmtree(journal)
        await until(lambda: list(journal.glob("0/*.segment")))
        await some_more(seen)
        gateway.kill()
    await _start(gateway)


async def nothing_more(_gateway: CommandProcess, seen: Seen) -> None:
    """The crowd itself does the damage."""
    await some_more(seen, 50)


FAULTS = (
    Fault("kill -9 of the server", kill),
    Fault("kill -9 of one of two workers", kill_worker, args=("--workers", "2")),
    Fault("SIGTERM, and started again", terminate),
    Fault("disk full", fill_disk),
    Fault("database away", hold_up_database),
    Fault("database away, then kill -9", hold_up_and_kill),
    Fault("journal at its largest size", fill_journal, env={"CODER_AI_GATEWAY_JOURNAL_MAX_SIZE": "256KiB"}),
    Fault("journal removed, then kill -9", remove_journal),
    Fault("clients hang up in mid-answer", nothing_more, crowd={"impatient": True}),
    Fault(
        "clients hang up, answers are drained",
        nothing_more,
        env={"CODER_AI_GATEWAY_ON_DISCONNECT": "drain"},
        crowd={"impatient": True},
    ),
    Fault("providers hang up in mid-answer", nothing_more, crowd={"wish": "drop:4"}),
)


async def _strike(fault: Fault, gateway: CommandProcess, seen: Seen, seconds: float, clients: int) -> int:
    """How often it struck."""
    strikes, end = 0, time.monotonic() + seconds
    async with crowd(gateway.base, gateway.token, seen, clients=clients, **fault.crowd):
        while time.monotonic() < end:
            await fault.strike(gateway, seen)
            strikes += 1
    return strikes


def suffer(fault: Fault, url: str, seconds: float, clients: int) -> tuple[int, Ledger]:
    """Let one fault strike for a time; how often it did, and what came of it."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        env = providers(*providers_of(url)) | fault.env
        with CommandProcess(Path(folder), env, *fault.args) as gateway:
            strikes = asyncio.run(_strike(fault, gateway, seen, seconds, clients))
            status = gateway.stop()
            assert status == 0, f"{fault.name}: the server ended with status {status}"
            assert "Traceback" not in gateway.log, gateway.log
            # What a worker left that died just before the end waits for the next start, or for this.
            command = [sys.executable, "-m", "aigateway", "journal", "ship"]
            subprocess.run(command, env=gateway.env, check=True, capture_output=True)
        return strikes, ledger(seen, _database(gateway))


def main() -> int:
    """Run, print the table, and return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="all faults together (20)")
    parser.add_argument("--clients", type=int, default=16, help="requests in flight at once (16)")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    asked = parser.parse_args()
    faults = [fault for fault in FAULTS if asked.only in fault.name]
    seconds = asked.minutes * 60 / max(1, len(faults))
    bad = 0
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # of the simulator, whose clients leave
    print("| Fault | Repetitions | In flight | Seen | On record | Lost | Duplicates |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    with SimulatorThread(event_interval=0.002) as simulated:
        for fault in faults:
            strikes, found = suffer(fault, simulated.url, seconds, asked.clients)
            bad += not found.clean
            cells = (strikes, asked.clients, found.seen, found.on_record, len(found.lost), found.duplicates)
            print(f"| {fault.name} | {' | '.join(f'{cell:,}' for cell in cells)} |", flush=True)
            if found.open:
                print(f"{found.open} interceptions were left open", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
