"""How long a page of sessions takes among millions of requests.

    python benchmarks/sessions.py [requests] [--postgres-url URL] [--keep FILE]

A database gets the requests (2,000,000 unless said otherwise) of a thousand people in two months: sessions of very
different lengths, each request with its token usage, some with prompts and tool calls, whose words are as unevenly
common as words are. The texts are indexed as those of an older version would be. Then pages are asked for as REST and
the dashboard do it, the count and the JSON included, and p50, p95 and the CPU time of one are printed, PostgreSQL's
own included where it runs on the same machine: that is what a busy machine does not change. `--keep` keeps the SQLite
file, or uses the one that an earlier run has kept; a PostgreSQL database that is filled is used as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Table, insert, text

from aigateway.api import session_shapes, shapes
from aigateway.audit.summer import Summer
from aigateway.store import activity, facets, interceptions, sessions
from aigateway.store import tables as t
from aigateway.store.bulk import Insert
from aigateway.store.engine import Store
from aigateway.store.facets import Facet
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.search import index
from aigateway.store.search.words import Phrase
from aigateway.store.session_detail import ThreadRange, detail
from aigateway.store.sessions import SessionPage
from aigateway.store.times import rfc3339

END = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 60
PEOPLE = [str(UUID(int=number, version=4)) for number in range(1, 1001)]
MODELS = (("anthropic", "claude-opus-5-5"), ("anthropic", "claude-haiku-4-5"), ("openai", "gpt-5"), ("openai", "rare"))
CLIENTS = {"anthropic": "Claude Code", "openai": "Codex"}
LENGTHS = ((1, 3), (5, 30), (30, 100), (100, 1000))
BATCH = 20_000
TIMES = 9
VOCABULARY = [f"{'bcdfghjklmnprstvw'[n % 17]}{'aeiou'[n % 5]}{n:x}" for n in range(20_000)]
OFTEN = list(accumulate(1 / (rank + 5) for rank in range(len(VOCABULARY))))
"""How often each word is used, summed up: by Zipf's law."""
_SESSION = "session_id, initiator_id"
_USE = f"{_SESSION}, provider, provider_name, model, client"
Rows = dict[Table, list[dict[str, Any]]]


def one_session(dice: random.Random, most: int) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of a session, as `store.bulk` takes them."""
    person = dice.choice(PEOPLE)
    provider, model = dice.choices(MODELS, (60, 20, 19.9, 0.1))[0]
    length = min(most, dice.randint(*dice.choices(LENGTHS, (40, 40, 18, 2))[0]))
    session = _uuid(dice) if dice.random() < 0.9 else None
    began = END - timedelta(seconds=dice.random() * DAYS * 86_400)
    root = None
    for place in range(length):
        ident, moment = _uuid(dice), began + timedelta(seconds=20 * place)
        at = rfc3339(moment)
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
                "metadata": '{"request_user_agent": "claude-cli/2.1", "username": "somebody"}',
                "started_at": at,
                "ended_at": rfc3339(moment + timedelta(seconds=10)),
                "status_code": 429 if failed else 200,
                "error_type": "rate_limited" if failed else None,
                "duration_ms": 10_000,
                "streaming": True,
            },
        )
        common = {"interception_id": ident, "provider_response_id": f"msg_{ident}", "created_at": at}
        tokens = {"input_tokens": 10, "output_tokens": 300, "cache_read_input_tokens": 20_000}
        yield t.token_usages, {"id": _uuid(dice), "metadata": '{"thoughts": 3}', **tokens, **common}
        if is_root:
            yield t.user_prompts, {"id": _uuid(dice), "prompt": f"please mend {said(dice, 40)}", **common}
        elif place % 2:
            yield (
                t.tool_usages,
                {
                    "id": _uuid(dice),
                    "provider_tool_call_id": f"call_{ident}",
                    "tool": "shell",
                    "input": f'{{"command": "sed -n 1,200p src/{said(dice, 1)}/app.py", "why": "{said(dice, 15)}"}}',
                    **common,
                },
            )


def said(dice: random.Random, length: int) -> str:
    """So many words."""
    return " ".join(dice.choices(VOCABULARY, cum_weights=OFTEN, k=length))


def fill(connection: Connection, requests: int) -> None:
    """Put everything in, and build the indexes afterwards, which is quicker."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA cache_size = -2000000"))  # KiB: random ids would write each page many times.
    tables = (t.interceptions, t.token_usages, t.user_prompts, t.tool_usages)
    indexes = [one for table in tables for one in table.indexes]
    for one in indexes:
        one.drop(connection, checkfirst=True)
    _put_in(connection, tables, requests)
    print(", indexes")
    for one in indexes:
        one.create(connection)
    for table, key in (("aibridge_sessions", _SESSION), ("aibridge_session_uses", _USE)):
        columns = f"{key}, started_at, last_started_at"
        rows = f"SELECT {key}, min(started_at), max(started_at) FROM aibridge_interceptions GROUP BY {key}"
        connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text(f"INSERT INTO {table} ({columns}) {rows}"))
    connection.execute(insert(t.search_tasks).values(name="backfill"))
    analyze(connection)


def _put_in(connection: Connection, tables: Sequence[Table], requests: int) -> None:
    dice = random.Random(7)
    done = 0
    while done < requests:
        rows: Rows = {table: [] for table in tables}
        while len(rows[t.interceptions]) < BATCH and done + len(rows[t.interceptions]) < requests:
            for table, row in one_session(dice, requests - done - len(rows[t.interceptions])):
                rows[table].append(row)
        for table, new in rows.items():
            if new:
                Insert(table, tuple(new[0])).write(connection, [tuple(row.values()) for row in new])
        done += len(rows[t.interceptions])
        print(f"\r{done:,} requests", end="", flush=True)


def analyze(connection: Connection) -> None:
    """Let the database know what it has."""
    connection.execute(text("ANALYZE" if connection.dialect.name == "postgresql" else "PRAGMA optimize"))


async def take_in(store: Store) -> None:
    """Index all texts."""
    began, done = time.perf_counter(), 0
    while some := await store.write(index.advance, 500):
        done += some
        print(f"\r{done:,} indexed", end="", flush=True)
    took = time.perf_counter() - began
    print(f" in {took:.0f} s, {took / done * 1e6:.0f} us each")


def _uuid(dice: random.Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


async def measure(store: Store) -> None:
    """Ask for all kinds of pages."""
    everybody = InterceptionFilter(visible_to=None)
    week = {"started_after": END - timedelta(days=7)}
    hour = {"started_after": END - timedelta(days=20), "started_before": END - timedelta(days=20, hours=-1)}
    words = {"common": "please", "frequent": VOCABULARY[20], "middling": VOCABULARY[600], "rare": VOCABULARY[15_000]}
    texts = {name: (Phrase((word,)),) for name, word in words.items()}
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
        **{
            f"text, a {name} word": (InterceptionFilter(visible_to=None, texts=found), 0)
            for name, found in texts.items()
        },
        "text, two words": (InterceptionFilter(visible_to=None, texts=texts["frequent"] + texts["middling"]), 0),
        "text, a phrase": (InterceptionFilter(visible_to=None, texts=(Phrase(("please", "mend", VOCABULARY[9])),)), 0),
        "text, a beginning": (InterceptionFilter(visible_to=None, texts=(Phrase(("pi3a",), begins=True),)), 0),
        "text, frequent, 7 days": (InterceptionFilter(visible_to=None, texts=texts["frequent"], **week), 0),
        "text, common, 7 days": (InterceptionFilter(visible_to=None, texts=texts["common"], **week), 0),
        "text, middling, a model": (InterceptionFilter(visible_to=None, texts=texts["middling"], model="gpt-5"), 0),
        "text, common, a member's": (InterceptionFilter(visible_to=PEOPLE[4], texts=texts["common"]), 0),
    }
    print(f"{'page of 100 sessions':32}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'count':>11}")
    for name, (which, offset) in wanted.items():
        await _time(store, name, lambda which=which, offset=offset: _sessions(store, which, offset))
    deep = (await _page(store, everybody)).count * 2 // 3
    last = (await store.read(sessions.below, everybody, after=None, offset=deep, limit=1))[0]
    key = (last.id, last.initiator_id)
    await _time(store, f"cursor after {deep:,}", lambda: _sessions(store, everybody, after=key))
    for name in ("first page", "of a frequent model", "with failures", "text, a frequent word"):
        await _time(store, f"bars: {name}", lambda which=wanted[name][0]: _bars(store, which))
    first = (await store.read(sessions.page, everybody, after=None, offset=0, limit=100)).sessions
    longest = max(first, key=lambda one: one.interceptions)

    async def whole() -> int:
        shown = await store.read(detail, (longest.id, longest.initiator_id), ThreadRange())
        msgspec.json.encode(session_shapes.detail(shown))
        return longest.interceptions

    await _time(store, "one session, 50 threads", whole)
    for facet, whose in ((Facet.MODEL, None), (Facet.CLIENT, PEOPLE[4]), (Facet.PROVIDER, None)):

        async def values(facet: Facet = facet, whose: str | None = whose) -> int:
            return len(await store.read(facets.values, facet, visible_to=whose, prefix="", offset=0, limit=100))

        await _time(store, f"{facet.value}s{' of a member' if whose else ''}", values)
    for days, steps in ((1, 24), (7, 28), (30, 30)):

        async def home(days: int = days, steps: int = steps) -> int:
            since, step = END - timedelta(days=days), timedelta(days=days) / steps
            return (await store.read(activity.activity, visible_to=None, since=since, step=step, steps=steps)).requests

        await _time(store, f"home, {days} days", home)
    for name, which in (
        ("", everybody),
        (", text, middling", InterceptionFilter(visible_to=None, texts=texts["middling"])),
    ):

        async def listed(which: InterceptionFilter = which) -> int:
            page = await store.read(interceptions.page, which, after_id=None, offset=0, limit=100)
            msgspec.json.encode(shapes.interceptions(page))
            return page.count

        await _time(store, f"100 requests{name}", listed)


async def _page(
    store: Store, which: InterceptionFilter, offset: int = 0, after: tuple[str, str] | None = None
) -> SessionPage:
    return await store.read(sessions.page, which, after=after, offset=offset, limit=100)


async def _sessions(
    store: Store, which: InterceptionFilter, offset: int = 0, after: tuple[str, str] | None = None
) -> int:
    page = await _page(store, which, offset, after)
    msgspec.json.encode(session_shapes.sessions(page))
    return page.count


async def _bars(store: Store, which: InterceptionFilter) -> int:
    return sum((await store.read(sessions.begun, which, timedelta(days=1))).values())


async def _time(store: Store, name: str, ask: Callable[[], Awaitable[int]]) -> None:
    took, count = [], await ask()
    used = await store.read(_cpu)
    for _ in range(TIMES):
        began = time.perf_counter()
        count = await ask()
        took.append(time.perf_counter() - began)
    used = await store.read(_cpu) - used
    _print(name, took, used / TIMES, count)


def _cpu(connection: Connection) -> float:
    """Seconds of CPU that this process and PostgreSQL's have used."""
    used = time.process_time()
    if connection.dialect.name == "postgresql":
        for pid in connection.execute(text("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid[0]}/stat").read_text().rpartition(")")[2].split()
                used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def _print(name: str, took: list[float], cpu: float, count: int) -> None:
    ordered = sorted(took)
    p95 = ordered[max(0, round(len(ordered) * 0.95) - 1)]
    print(f"{name:32}{statistics.median(ordered) * 1000:9.1f}{p95 * 1000:9.1f}{cpu * 1000:9.1f}{count:11,}", flush=True)


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
        if await store.ask(index.is_behind):
            await take_in(store)
            await store.write(analyze)
        await Summer(store, clock=lambda: END).catch_up()
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
