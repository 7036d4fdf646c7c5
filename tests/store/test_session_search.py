"""Which sessions are found, compared with what reading every interception tells."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import text

from aigateway.store import session_search, sessions
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.interceptions import ANY, InterceptionFilter
from aigateway.store.records import PromptUsage
from aigateway.store.search.words import Phrase
from aigateway.store.tables import sessions as sessions_table
from tests.store.search.test_index import catch_up
from tests.store.stories import ANN, BOB, at, end, start, uid

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
LITERAL = {"literal_binds": True}
EVERY = {
    "visible_to": [None, BOB],
    "model": [None, "a"],
    "error_type": [None, ANY, "timeout"],
    "texts": [(), (Phrase(("odd",)),)],
    "started_after": [None, NEW_YEAR + timedelta(seconds=20)],
    "started_before": [None, NEW_YEAR + timedelta(seconds=35)],
}
"""What is asked for, in all combinations."""


def drawn():
    """Interceptions of several sessions, in no order, some of which share an id, or their second, or have not ended."""
    dice = random.Random(3)
    for number in range(1, 60):
        yield {
            "id": number,
            "initiator_id": dice.choice((ANN, BOB)),
            "session_id": dice.choice((*"stuvw", None)) or uid(number),
            "model": dice.choice("abb"),
            "second": dice.randrange(50),
            "error_type": dice.choice((None, None, "timeout", "rate_limited")),
            "text": dice.choice(("odd", "even")),
            "ended": dice.random() < 0.9,
        }


def records(row):
    number, second = row["id"], row["second"]
    session = row["session_id"] if len(row["session_id"]) == 1 else None
    told = {"client_session_id": session, "model": row["model"]}
    yield start(number, second, who=row["initiator_id"], **told)
    common = {"interception_id": uid(number), "msg_id": "", "created_at": at(second)}
    yield PromptUsage(id=uid(2000 + number), prompt=row["text"], **common)
    if row["ended"]:
        yield end(number, second + 1, error_type=row["error_type"])


def is_meant(row, wanted):
    moment = NEW_YEAR + timedelta(seconds=row["second"])
    return (
        wanted["visible_to"] in (None, row["initiator_id"])
        and wanted["model"] in (None, row["model"])
        and (wanted["error_type"] in (None, row["error_type"]) or (wanted["error_type"] == ANY and row["error_type"]))
        and all(row["text"] in phrase.words for phrase in wanted["texts"])
        and (wanted["started_after"] is None or moment >= wanted["started_after"])
        and (wanted["started_before"] is None or moment <= wanted["started_before"])
    )


def expected(rows, wanted):
    """Session keys, newest first."""
    begun = {}
    for row in rows:
        key = (row["session_id"], row["initiator_id"])
        begun[key] = min(begun.get(key, 99), row["second"])
    found = {(row["session_id"], row["initiator_id"]) for row in rows if is_meant(row, wanted)}
    return sorted(found, key=lambda key: (begun[key], *key), reverse=True)


@pytest.mark.parametrize("few", [0, 2000], ids=["met on the way", "looked up"])
async def test_every_combination_finds_the_sessions_that_have_such_an_interception(store, few, monkeypatch):
    monkeypatch.setattr(session_search, "FEW", few)
    rows = list(drawn())
    await store.write(apply, [record for row in rows for record in records(row)])
    await catch_up(store)
    ended = [row for row in rows if row["ended"]]

    def check(connection, wanted):
        meant, want = InterceptionFilter(**wanted), expected(ended, wanted)
        page = sessions.page(connection, meant, after=None, offset=1, limit=3)
        assert page.count == len(want), wanted
        assert [(one.id, one.initiator_id) for one in page.sessions] == want[1:4], wanted
        if len(want) > 3:
            rest = sessions.page(connection, meant, after=want[3], offset=0, limit=99)
            assert [(one.id, one.initiator_id) for one in rest.sessions] == want[4:], wanted
        begun = sessions.begun(connection, meant, timedelta(minutes=1))
        assert begun == ({NEW_YEAR: len(want)} if want else {}), wanted

    for values in product(*EVERY.values()):
        await store.read(check, dict(zip(EVERY, values, strict=True)))


async def test_failures_are_found_by_their_index_alone_in_the_embedded_database(sqlite):
    """Without statistics SQLite would rather look up a model, or read every request in the order of sessions."""

    def plans(connection):
        for more in ({"error_type": ANY}, {"status_code": 429}, {"error_type": "timeout", "model": "a", "client": "b"}):
            search = session_search.Search.of(InterceptionFilter(visible_to=None, **more))
            count = search.sessions(sessions_table.c.session_id, few=True).compile(connection, compile_kwargs=LITERAL)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {count}").all()
            yield "\n".join(row[-1] for row in plan)

    for plan in await sqlite.read(lambda connection: list(plans(connection))):
        assert "aibridge_interceptions USING" in plan
        assert "ix_aibridge_interceptions_failures" in plan


async def test_a_search_that_is_asked_often_is_planned_for_its_own_words(postgresql_url):
    """PostgreSQL planned it for all words after ten times, and then looked for a rare one in every document."""
    store = await Store.open(postgresql_url)
    mode = text("SHOW plan_cache_mode")
    wanted = InterceptionFilter(visible_to=None, texts=(Phrase(("rare",)),))

    def look(connection):
        sessions.page(connection, wanted, after=None, offset=0, limit=1)
        return connection.execute(mode).scalar()

    assert await store.read(look) == "force_custom_plan"
    assert await store.read(lambda connection: connection.execute(mode).scalar()) == "auto"
    await store.close()


async def test_a_list_of_sessions_is_of_one_moment(store):
    asked, written = threading.Event(), threading.Event()
    everybodys = InterceptionFilter(visible_to=None)

    def twice(connection):
        first = sessions.page(connection, everybodys, after=None, offset=0, limit=10)
        asked.set()
        assert written.wait(30)
        return first, sessions.page(connection, everybodys, after=None, offset=0, limit=10)

    await store.write(apply, [start(1, 1), end(1, 2)])
    reading = asyncio.create_task(store.read(twice))
    assert await asyncio.to_thread(asked.wait, 30)
    await store.write(apply, [start(2, 1), end(2, 2)])
    written.set()
    first, second = await reading
    assert first == second
    assert first.count == 1
    assert (await store.read(sessions.page, everybodys, after=None, offset=0, limit=10)).count == 2
