from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from aigateway.store import purge, session_sums
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import InterceptionEnd, InterceptionStart
from aigateway.store.tables import interceptions, session_uses, sessions
from tests.store.stories import ANN, BOB, end, start, story, tool, uid
from tests.support.embedded import migrated
from tests.support.examples import examples

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BOUNDS = (InterceptionStart, InterceptionEnd)
KEY = ("session_id", "initiator_id")
USE = (*KEY, "provider", "provider_name", "model", "client")


def known(connection: Connection):
    """What the tables of sessions hold, and what the interceptions say."""

    def of(table, names):
        return sorted(
            connection.execute(select(*(table.c[name] for name in (*names, "started_at", "last_started_at"))))
        )

    def said(names):
        column = interceptions.c
        group = [column[name] for name in names]
        query = select(*group, func.min(column.started_at), func.max(column.started_at))
        return sorted(connection.execute(query.where(column.ended_at.is_not(None)).group_by(*group)))

    return (of(sessions, KEY), of(session_uses, USE)), (said(KEY), said(USE))


def sums_of(connection: Connection, keys):
    """What the sums say, as far as there are any, and what the interceptions say."""
    return session_sums.sums(connection, keys), session_sums._read(connection, keys)


async def check(store):
    kept, told = await store.read(known)
    assert kept == told
    summed, read = await store.read(sums_of, [tuple(row[:2]) for row in kept[0]])
    assert summed == read
    await store.write(session_sums.advance, NEW_YEAR + timedelta(days=1), 2)
    return [tuple(row[:2]) for row in kept[0]]


async def test_a_session_is_there_when_its_first_interception_has_ended(store):
    await store.write(apply, [start(1, 0, client_session_id="s")])
    assert await check(store) == []
    await store.write(apply, [end(1, 5), start(2, 3, client_session_id="s", model="other"), end(2, 4)])
    assert await check(store) == [("s", ANN)]


async def test_two_people_with_one_id_have_two_sessions(store):
    await store.write(apply, [start(1, 0, client_session_id="s"), end(1, 1)])
    await store.write(apply, [start(2, 0, client_session_id="s", who=BOB), end(2, 1)])
    assert await check(store) == [("s", ANN), ("s", BOB)]


async def test_a_thread_that_turns_out_to_go_on_from_another_leaves_its_own_session(store):
    await store.write(apply, [start(3, 5, answers="b"), end(3, 6)])
    await store.write(apply, [start(2, 3, answers="a"), tool(2, 4, "b"), end(2, 4)])
    assert await check(store) == [(uid(2), ANN)]
    await store.write(apply, [start(1, 0), tool(1, 1, "a"), end(1, 2)])
    assert await check(store) == [(uid(1), ANN)]


async def test_what_is_purged_is_forgotten(store):
    for number in range(1, 5):
        await store.write(
            apply,
            [start(number, number, client_session_id="s" if number < 4 else "t", model=f"m{number}"), end(number, 9)],
        )
    await store.write(purge.records, NEW_YEAR + timedelta(seconds=3), 100)
    assert await check(store) == [("s", ANN), ("t", ANN)]
    await store.write(purge.records, NEW_YEAR + timedelta(seconds=4), 100)
    assert await check(store) == [("t", ANN)]


RECORDS = [
    *story(1, 0, calls="a"),
    *story(2, 2, answers="a", calls="b"),
    *story(3, 4, answers="b", calls="c"),
    *story(4, 4, answers="b", who=BOB),
    *story(5, 6, answers="c"),
    start(6, 7, client_session_id="s", answers="c"),
    tool(6, 7, "d"),
    end(6, 8),
    *story(7, 9, answers="d"),
]


def starts_first(records):
    """All starts before all ends: an end does not come before its start in an earlier call."""
    places = iter(sorted(number for number, one in enumerate(records) if isinstance(one, BOUNDS)))
    ordered = list(records)
    for one in sorted(filter(lambda one: isinstance(one, BOUNDS), records), key=lambda one: isinstance(one, BOUNDS[1])):
        ordered[next(places)] = one
    return ordered


@settings(max_examples=examples(10), deadline=None)
@given(st.permutations(RECORDS), st.lists(st.integers(0, len(RECORDS)), max_size=6), st.integers(0, 12))
def test_the_tables_of_sessions_are_true_in_whatever_order_rows_come(records, cuts, until):
    async def run(folder):
        store = await Store.open(migrated(Path(folder) / "aigateway.sqlite3"))
        try:
            ordered = starts_first(records)
            edges = [0, *sorted(cuts), len(ordered)]
            for first, last in pairwise(edges):
                for _twice in range(2):
                    await store.write(apply, ordered[first:last])
                await check(store)
            await store.write(purge.records, NEW_YEAR + timedelta(seconds=until), 2)
            await check(store)
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))
