from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import DataError

from aigateway.audit import indexer
from aigateway.audit.indexer import Indexer
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.ingest import apply
from aigateway.store.search import documents, index
from tests.store.search.test_index import asked, found, without_index
from tests.store.stories import uid
from tests.support.waiting import eventually, eventually_is


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


async def test_what_ends_is_found_within_a_second(store):
    running = Indexer(store)
    running.start()
    await eventually(lambda: running._task is not None)
    await store.write(apply, asked(1, "hello"))
    await eventually_is(lambda: found(store, "hello"), [1], seconds=1)
    await running.stop()


async def test_a_start_looks_back_and_goes_on_with_what_is_old(store):
    for number in range(1, 30):
        await store.write(apply, asked(number, "hello"))
    await store.write(without_index)
    running = Indexer(store, clock=lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
    running.start()
    await eventually_is(lambda: found(store, "hello"), list(range(1, 30)))
    await eventually_is(lambda: store.ask(index.is_behind), wanted=False)
    await running.stop()


async def test_while_the_database_is_away_it_waits_and_loses_nothing(store, monkeypatch):
    monkeypatch.setattr(indexer, "_TRY_AGAIN_SECONDS", 0.01)
    await store.write(apply, asked(1, "hello"))
    away = asyncio.Event()
    ask, tries = store.ask, []

    async def refuse(*args):
        tries.append(args)
        if not away.is_set():
            raise StoreUnavailable("away")
        return await ask(*args)

    monkeypatch.setattr(store, "ask", refuse)
    running = Indexer(store)
    running.start()
    await eventually(lambda: len(tries) > 2)
    away.set()
    await eventually_is(lambda: found(store, "hello"), [1])
    await running.stop()


@pytest.mark.parametrize("old", [False, True])
async def test_a_text_that_the_database_refuses_holds_back_no_other(store, monkeypatch, old):
    monkeypatch.setattr(index, "_MOST_AT_ONCE", -1)
    for number in range(1, 12):
        await store.write(apply, asked(number, "poison" if number == 5 else "hello"))
    if old:
        await store.write(without_index)
    put = documents.put

    def refuse(connection, found):
        if any("poison" in document.words for document in found):
            raise DataError("INSERT", {}, Exception("string is too long for tsvector"))
        put(connection, found)

    monkeypatch.setattr(documents, "put", refuse)
    logged = []
    log = SimpleNamespace(error=lambda _event, **fields: logged.append(fields["interception_id"]))
    monkeypatch.setattr(indexer, "_log", log)
    await Indexer(store).catch_up()
    assert await found(store, "hello") == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert await found(store, "poison") == []
    assert logged == [uid(5)]


async def test_the_longest_text_of_the_rarest_letters_is_taken_in(store):
    """A `tsvector` has at most a megabyte."""
    hieroglyphs = "".join(map(chr, range(0x13000, 0x13430)))
    await store.write(apply, asked(1, "first " + hieroglyphs * 200))
    rare = " ".join(chr(0x20000 + number) for number in range(42_000))
    await store.write(apply, asked(2, f"first {rare} " + "\ufdfa" * 60_000))
    short = " ".join(f"{number:x}" for number in range(60_000))
    await store.write(apply, asked(3, f"first {short}"))
    await Indexer(store).catch_up()
    assert await found(store, "first") == [1, 2, 3]
