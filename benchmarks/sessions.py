"""How long a page of sessions takes among millions of requests.

    python benchmarks/sessions.py [requests] [--postgres-url URL] [--keep FILE]

A database gets the requests (2,000,000 unless said otherwise) of a thousand people in two months: sessions of very
different lengths, each request with its token usage, some with prompts and tool calls. Then pages of sessions are asked
for as REST does it, the count and the JSON included, and p50 and p95 are printed. `--keep` keeps the SQLite file, or
uses the one that an earlier run has kept.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Table, insert, text

from aigateway.api import session_shapes, shapes
from aigateway.store import facets, interceptions, sessions
from aigateway.store import tables as t
from aigateway.store.engine import Store
from aigateway.store.facets import Facet
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.migrations.versions.r0004_sessions import FILL
from aigateway.store.session_detail import ThreadRange, detail

END = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 60
PEOPLE = [str(UUID(int=number, version=4)) for number in range(1, 1001)]
MODELS = (("anthropic", "claude-opus-5-5"), ("anthropic", "claude-haiku-4-5"), ("openai", "gpt-5"), ("openai", "rare"))
CLIENTS = {"anthropic": "Claude Code", "openai": "Codex"}
LENGTHS = ((1, 3), (5, 30), (30, 100), (100, 1000))
BATCH = 20_000
TIMES = 15
Rows = dict[Table, list[dict[str, Any]]]


def one_session(dice: random.Random, most: int) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of a session."""
    person = dice.choice(PEOPLE)
    provider, model = dice.choices(MODELS, (60, 20, 19.9, 0.1))[0]
    length = min(most, dice.randint(*dice.choices(LENGTHS, (40, 40, 18, 2))[0]))
    session = _uuid(dice) if dice.random() < 0.9 else None
    began = END - timedelta(seconds=dice.random() * DAYS * 86_400)
    root = None
    for place in range(length):
        ident, at = _uuid(dice), began + timedelta(seconds=20 * place)
        is_root = place % 8 == 0
        root = ident if is_root else root
        failed = dice.random() < 0.01
        yield (
            t.interceptions,
            {
                "id": ident,
                "initiator_id": person,
                "provider": provider,
                "provider_name": provider,
                "model": model if place % 5 or provider == "openai" else "claude-haiku-4-5",
                "client": CLIENTS[provider],
                "client_session_id": session,
                "thread_root_id": None if is_root else root,
                "credential_hint": "sk-...abc",
                "metadata": {"request_user_agent": "claude-cli/2.1", "username": "somebody"},
                "started_at": at,
                "ended_at": at + timedelta(seconds=10),
                "status_code": 429 if failed else 200,
                "error_type": "rate_limited" if failed else None,
                "duration_ms": 10_000,
                "streaming": True,
            },
        )
        common = {"interception_id": ident, "provider_response_id": f"msg_{ident}", "created_at": at}
        tokens = {"input_tokens": 10, "output_tokens": 300, "cache_read_input_tokens": 20_000}
        yield t.token_usages, {"id": _uuid(dice), "metadata": {"thoughts": 3}, **tokens, **common}
        if is_root:
            yield t.user_prompts, {"id": _uuid(dice), "prompt": "please mend the build " * 10, **common}
        elif place % 2:
            yield (
                t.tool_usages,
                {
                    "id": _uuid(dice),
                    "provider_tool_call_id": f"call_{ident}",
                    "tool": "shell",
                    "input": '{"a": 1}',
                    **common,
                },
            )


def fill(connection: Connection, requests: int) -> None:
    """Put everything in, and build the indexes afterwards, which is quicker."""
    dice = random.Random(7)
    tables = (t.interceptions, t.token_usages, t.user_prompts, t.tool_usages)
    indexes = [index for table in tables for index in table.indexes]
    for index in indexes:
        index.drop(connection, checkfirst=True)
    done = 0
    while done < requests:
        rows: Rows = {table: [] for table in tables}
        while len(rows[t.interceptions]) < BATCH and done + len(rows[t.interceptions]) < requests:
            for table, row in one_session(dice, requests - done - len(rows[t.interceptions])):
                rows[table].append(row)
        for table, new in rows.items():
            if new:
                connection.execute(insert(table), new)
        done += len(rows[t.interceptions])
        print(f"\r{done:,} requests", end="", flush=True)
    print(", indexes")
    for index in indexes:
        index.create(connection)
    for table in ("aibridge_sessions", "aibridge_session_uses"):
        connection.execute(text(f"DELETE FROM {table}"))
    for statement in FILL:
        connection.execute(text(statement))
    connection.execute(text("ANALYZE" if connection.dialect.name == "postgresql" else "PRAGMA optimize"))


def _uuid(dice: random.Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


async def measure(store: Store) -> None:
    """Ask for all kinds of pages."""
    everybody = InterceptionFilter(visible_to=None)
    week = {"started_after": END - timedelta(days=7)}
    hour = {"started_after": END - timedelta(days=20), "started_before": END - timedelta(days=20, hours=-1)}
    wanted: dict[str, tuple[InterceptionFilter, int]] = {
        "first page": (everybody, 0),
        "deep page (offset 40,000)": (everybody, 40_000),
        "of one person": (InterceptionFilter(visible_to=None, initiator_id=PEOPLE[3]), 0),
        "a member's own": (InterceptionFilter(visible_to=PEOPLE[4]), 0),
        "of a frequent model": (InterceptionFilter(visible_to=None, model="claude-haiku-4-5"), 0),
        "of a rare model": (InterceptionFilter(visible_to=None, model="rare"), 0),
        "of a client": (InterceptionFilter(visible_to=None, client="Codex"), 0),
        "of the last 7 days": (InterceptionFilter(visible_to=None, **week), 0),
        "of an hour, 20 days ago": (InterceptionFilter(visible_to=None, **hour), 0),
        "model and 7 days": (InterceptionFilter(visible_to=None, model="gpt-5", **week), 0),
        "with failures": (InterceptionFilter(visible_to=None, error_type="any"), 0),
        "failures of 7 days": (InterceptionFilter(visible_to=None, error_type="rate_limited", **week), 0),
    }
    print(f"{'page of 100 sessions':32}{'p50 ms':>9}{'p95 ms':>9}{'count':>11}")
    for name, (which, offset) in wanted.items():
        took, count = [], 0
        for _ in range(TIMES):
            began = time.perf_counter()
            page = await store.read(sessions.page, which, after=None, offset=offset, limit=100)
            msgspec.json.encode(session_shapes.sessions(page))
            took.append(time.perf_counter() - began)
            count = page.count
        _print(name, took, count)
    first = (await store.read(sessions.page, everybody, after=None, offset=0, limit=100)).sessions
    longest = max(first, key=lambda one: one.interceptions)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        shown = await store.read(detail, (longest.id, longest.initiator_id), ThreadRange())
        msgspec.json.encode(session_shapes.detail(shown))
        took.append(time.perf_counter() - began)
    _print("one session, 50 threads", took, longest.interceptions)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        found = await store.read(facets.values, Facet.MODEL, visible_to=None, prefix="", offset=0, limit=100)
        took.append(time.perf_counter() - began)
    _print("models", took, len(found))
    took = []
    for _ in range(3):
        began = time.perf_counter()
        listed = await store.read(interceptions.page, everybody, after_id=None, offset=0, limit=100)
        msgspec.json.encode(shapes.interceptions(listed))
        took.append(time.perf_counter() - began)
    _print("100 requests (no sessions)", took, listed.count)


def _print(name: str, took: list[float], count: int) -> None:
    ordered = sorted(took)
    p95 = ordered[max(0, round(len(ordered) * 0.95) - 1)]
    print(f"{name:32}{statistics.median(ordered) * 1000:9.1f}{p95 * 1000:9.1f}{count:11,}")


async def run(url: str, requests: int) -> None:
    """Fill the database unless it is, and measure."""
    store = await Store.open(url)
    try:
        if (
            await store.read(lambda connection: connection.execute(text("SELECT 1 FROM aibridge_sessions")).first())
            is None
        ):
            began = time.perf_counter()
            await store.write(fill, requests)
            print(f"filled in {time.perf_counter() - began:.0f} s")
        await measure(store)
    finally:
        await store.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="How long a page of sessions takes among millions of requests.")
    parser.add_argument("requests", nargs="?", type=int, default=2_000_000)
    parser.add_argument("--postgres-url")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.postgres_url or f"sqlite:///{given.keep or Path(folder) / 'aigateway.sqlite3'}"
        asyncio.run(run(url, given.requests))


if __name__ == "__main__":
    main()
