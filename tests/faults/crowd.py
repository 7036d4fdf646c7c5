"""A crowd that asks all the time and remembers what it saw, and the ledger that holds that against the record."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.postgres import Postgres

HELLO = "Tell me something long sim:long:20"
MESSAGES = [{"role": "user", "content": HELLO}]
REQUESTS = [
    (
        "openai/v1/chat/completions",
        {"model": "sim", "stream": True, "stream_options": {"include_usage": True}, "messages": MESSAGES},
        b"[DONE]",
    ),
    ("openai/v1/responses", {"model": "sim", "stream": True, "input": HELLO}, b"response.completed"),
    (
        "anthropic/v1/messages",
        {"model": "sim", "stream": True, "max_tokens": 99, "messages": MESSAGES},
        b"message_stop",
    ),
    ("openai/v1/chat/completions", {"model": "sim", "messages": MESSAGES}, None),
    ("anthropic/v1/messages", {"model": "sim", "max_tokens": 99, "messages": MESSAGES}, None),
]
"""Path, body, and what says in a stream that the answer is complete."""


@dataclass
class Seen:
    """What clients have seen, by interception id."""

    begun: set[str] = field(default_factory=set)
    """The headers of an answer came."""
    ended: set[str] = field(default_factory=set)
    """Its own end came too."""
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """Connections that ended without a word."""
    seconds: list[float] = field(default_factory=list)
    """From each request to the headers of its answer."""


@dataclass(frozen=True)
class Ledger:
    """What was seen against what is on record. All but the first two must be nothing."""

    seen: int
    on_record: int
    lost: set[str]
    """Seen to begin and not on record, or seen to end and without usage."""
    open: int
    """On record and never ended."""
    duplicates: int
    """Usages beyond the first of an interception, each of which had one answer."""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.open or self.duplicates)


async def ask(
    session: aiohttp.ClientSession,
    base: str,
    token: str,
    seen: Seen,
    number: int,
    *,
    wish: str | None = None,
    impatient: bool = False,
) -> int | None:
    """Ask once; the status, or None when the connection broke. Who is impatient leaves at the first piece."""
    path, payload, mark = REQUESTS[number % len(REQUESTS)]
    headers = {"Authorization": f"Bearer {token}"} | ({"X-Sim-Scenario": wish} if wish else {})
    began = time.monotonic()
    try:
        async with session.post(f"{base}/{path}", json=payload, headers=headers) as answer:
            seen.seconds.append(time.monotonic() - began)
            seen.statuses[answer.status] += 1
            if answer.status != 200:
                return answer.status
            ident = answer.headers["X-AI-Gateway-Interception-Id"]
            seen.begun.add(ident)
            body = b""
            async for piece in answer.content.iter_any():
                if impatient:
                    answer.close()
                    return 200
                body += piece
                if mark is not None and mark in body:
                    seen.ended.add(ident)
            if mark is None:
                seen.ended.add(ident)
            return 200
    except (aiohttp.ClientError, ConnectionError):
        seen.broken += 1
        return None


@asynccontextmanager
async def crowd(
    base: str, token: str, seen: Seen, *, clients: int = 8, wish: str | None = None, impatient: bool = False
):
    """Let clients ask until the block is left; those that are answered then are let finish.

    Every third request has the wish that the simulated provider obeys, or is of somebody impatient.
    """
    leaving = asyncio.Event()

    async def client(session: aiohttp.ClientSession, first: int) -> None:
        number = first
        while not leaving.is_set():
            third = number % 3 == 0
            status = await ask(
                session, base, token, seen, number, wish=wish if third else None, impatient=impatient and third
            )
            number += 1
            if status != 200:
                # A refusal costs nothing: without a rest the crowd would do nothing but be refused.
                await asyncio.sleep(0.02)

    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        asking = [asyncio.create_task(client(session, number)) for number in range(clients)]
        try:
            yield
        finally:
            leaving.set()
            await asyncio.gather(*asking)


async def until(condition, *, seconds: float = 30.0) -> None:
    """Wait for a condition while a crowd asks."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)


async def some_more(seen: Seen, answers: int = 20) -> None:
    """Wait until that many more answers were seen to end."""
    before = len(seen.ended)
    await until(lambda: len(seen.ended) >= before + answers)


def ledger(seen: Seen, *databases: Path) -> Ledger:
    """Hold what was seen against the records in embedded databases, whose servers have stopped."""
    found: dict[str, list[Any]] = {name: [] for name in _RECORD}
    for database in databases:
        with closing(sqlite3.connect(database)) as rows:
            for name, query in _RECORD.items():
                found[name] += rows.execute(query)
    return reckon(seen, found)


def ledger_of_postgresql(seen: Seen, server: Postgres, database: str) -> Ledger:
    """The same for a database on PostgreSQL."""
    return reckon(seen, {name: server.execute(query, database) for name, query in _RECORD.items()})


_RECORD = {
    "ends": "SELECT CAST(id AS text), error_type FROM aibridge_interceptions WHERE ended_at IS NOT NULL",
    "usages": "SELECT CAST(interception_id AS text) FROM aibridge_token_usages",
    "open": "SELECT id FROM aibridge_interceptions WHERE ended_at IS NULL",
}
"""What is asked of the record."""


def reckon(seen: Seen, found: Mapping[str, Sequence[Any]]) -> Ledger:
    """Hold what was seen against what `_RECORD` found."""
    ends = dict(found["ends"])
    usages = Counter(ident for (ident,) in found["usages"])
    lost = (seen.begun - set(ends)) | (seen.ended - set(usages))
    return Ledger(len(seen.begun), len(ends), lost, len(found["open"]), sum(count - 1 for count in usages.values()))


def providers_of(url: str) -> Iterable[dict[str, str]]:
    """The two providers that the crowd asks, both simulated."""
    return (
        {"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{url}/v1"},
        {"TYPE": "anthropic", "KEY": "sk-central-0123456789", "BASE_URL": url},
    )
