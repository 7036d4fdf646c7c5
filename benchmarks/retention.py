"""What a purge of a million rows costs, and what others notice of it.

    python benchmarks/retention.py [rows]

An embedded database gets the rows (a fifth of them interceptions, each with a prompt, token usage, a tool call and a
thought); then a pass of the retention deletes all but a tenth, while tokens are looked up and new records are written.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop

from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.bootstrap import create_admin, create_token
from aigateway.audit.retention import Retention
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import (
    AnyRecord,
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.store.times import rfc3339
from aigateway.telemetry.events import Events

ROWS_EACH = 5
BATCH = 1000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
RETENTION = timedelta(days=60)
TEXT = "the quick brown fox jumps over the lazy dog " * 10


def interception(started: datetime) -> Iterator[AnyRecord]:
    """All rows of one interception."""
    ident, at = str(uuid4()), rfc3339(started)
    yield InterceptionStart(
        interception_id=ident,
        initiator_id=str(uuid4()),
        provider="openai",
        provider_name="openai",
        model="sim",
        client="Codex",
        credential_kind="centralized",
        credential_hint="sk-...abc",
        streaming=True,
        request_bytes=1000,
        started_at=at,
        metadata={"request_user_agent": "codex/1.0"},
    )
    common: dict[str, Any] = {"interception_id": ident, "msg_id": f"resp_{ident}", "created_at": at}
    yield PromptUsage(id=str(uuid4()), prompt=TEXT, **common)
    yield TokenUsage(id=str(uuid4()), input_tokens=1, output_tokens=2, **common)
    yield ToolUsage(id=str(uuid4()), tool_call_id=f"call_{ident}", tool="shell", input=TEXT, **common)
    yield ModelThought(id=str(uuid4()), content=TEXT, **common)
    yield InterceptionEnd(interception_id=ident, ended_at=at, status_code=200)


async def fill(store: Store, rows: int) -> None:
    """A tenth of the rows is young enough to stay."""
    count = rows // ROWS_EACH
    for first in range(0, count, BATCH):
        ages = [RETENTION * (0.5 if number % 10 == 0 else 1.5) for number in range(first, min(first + BATCH, count))]
        await store.write(apply, [record for age in ages for record in interception(NOW - age)])


async def watch(done: asyncio.Event, every: float, act: Callable[[], Awaitable[object]]) -> list[float]:
    """How long `act` took, each time, until the purge was over; in milliseconds."""
    took = []
    while not done.is_set():
        began = time.perf_counter()
        await act()
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(every)
    return took


def line(what: str, took: list[float]) -> str:
    """The spread of some times in milliseconds."""
    took = sorted(took)
    return (
        f"{what:28} {len(took):6} times   median {took[len(took) // 2]:7.2f} ms   "
        f"99 % {took[int(len(took) * 0.99)]:7.2f} ms   longest {took[-1]:7.2f} ms"
    )


async def main(rows: int, folder: Path) -> None:
    """Fill, purge, tell."""
    path = folder / "a.sqlite3"
    store = await Store.open(f"sqlite:///{path}")
    user = await create_admin(
        store, username="ann", email="ann@example.com", password="correct horse battery"
    )  # of a benchmark
    token = await create_token(store, user, name="", lifetime=timedelta(days=1))
    authenticator = Authenticator(store)

    async def look_up() -> None:
        authenticator.forget(token[:10])
        await authenticator.authenticate(token)

    async def ship() -> None:
        await store.write(apply, list(interception(NOW)))

    await fill(store, rows)
    before = path.stat().st_size
    print(f"{rows} rows in {before / 1e6:.0f} MB")
    idle = asyncio.Event()
    calm = asyncio.gather(watch(idle, 0.01, look_up), watch(idle, 0.05, ship))
    await asyncio.sleep(3)
    idle.set()
    looked_up, shipped = await calm
    print(line("token looked up, no purge", looked_up))
    print(line("records written, no purge", shipped))

    done = asyncio.Event()
    others = asyncio.gather(watch(done, 0.01, look_up), watch(done, 0.05, ship))
    retention = Retention(store, records=RETENTION, expired_keys=None, events=Events(), clock=lambda: NOW)
    began, cpu = time.perf_counter(), time.process_time()
    purged = await retention.purge()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    done.set()
    looked_up, shipped = await others
    print(f"{purged.aibridge_records} rows purged in {wall:.1f} s, {cpu:.1f} s of CPU")
    print(line("token looked up", looked_up))
    print(line("records written", shipped))
    await authenticator.close()
    await store.close()
    print(f"file {before / 1e6:.0f} MB, then {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, Path(made)))
