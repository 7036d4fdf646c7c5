from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, text

from aigateway.store import purge
from aigateway.store.ingest import apply
from aigateway.store.tables import api_keys, interceptions, metadata, users
from tests.store.stories import end, start, story, uid

HOUR = timedelta(hours=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
"""The stories begin so many seconds after it."""


async def counts(store):
    """How many rows the tables of the record have: one number when all have as many."""
    tables = [table for table in metadata.sorted_tables if table.name.startswith("aibridge_")]

    def count(connection):
        return {connection.execute(select(func.count()).select_from(table)).scalar() for table in tables}

    return await store.read(count)


async def ids(store):
    found = await store.read(lambda connection: connection.execute(select(interceptions.c.id)).scalars().all())
    return set(found)


async def test_what_is_too_old_goes_with_all_that_belongs_to_it(store):
    for number in range(1, 7):
        await store.write(apply, story(number, number, calls=f"call_{number}"))
    assert await store.write(purge.records, NEW_YEAR + timedelta(seconds=4), 100) == 3 * 5
    assert await ids(store) == {uid(4), uid(5), uid(6)}
    assert await counts(store) == {3}
    assert await store.write(purge.records, NEW_YEAR + timedelta(seconds=4), 100) == 0


async def test_a_batch_takes_the_oldest_and_no_more(store):
    for number in (3, 1, 2):
        await store.write(apply, story(number, number, calls="a"))
    assert await store.write(purge.records, NEW_YEAR + HOUR, 2) == 2 * 5
    assert await ids(store) == {uid(3)}
    assert await store.write(purge.records, NEW_YEAR + HOUR, 2) == 5
    assert await counts(store) == {0}


async def test_what_has_not_ended_is_left_for_a_day_so_that_its_end_finds_it(store):
    await store.write(apply, [start(1, 0), *story(2, 0)])
    assert await store.write(purge.records, NEW_YEAR + HOUR, 100) > 0
    assert await ids(store) == {uid(1)}
    await store.write(apply, [end(1, 5, status_code=200)])
    assert await store.write(purge.records, NEW_YEAR + HOUR, 100) == 1
    await store.write(apply, [start(3, 0)])
    assert await store.write(purge.records, NEW_YEAR + timedelta(days=1), 100) == 0
    assert await store.write(purge.records, NEW_YEAR + timedelta(days=1, seconds=1), 100) == 1


async def test_keys_go_when_they_expired_long_ago(store):
    user = {"id": uid(1), "username": "ann", "rbac_roles": [], "login_type": "password"}
    key = {"hashed_secret": b"", "user_id": uid(1), "login_type": "token", "scopes": [], "allow_list": []}
    times = {"created_at": NEW_YEAR, "updated_at": NEW_YEAR}

    def prepare(connection):
        connection.execute(insert(users), user | times)
        rows = [key | times | {"id": f"key{number}", "expires_at": NEW_YEAR + number * HOUR} for number in range(6)]
        connection.execute(insert(api_keys), rows)

    await store.write(prepare)
    assert await store.write(purge.expired_api_keys, NEW_YEAR + 4 * HOUR, 3) == 3
    assert await store.write(purge.expired_api_keys, NEW_YEAR + 4 * HOUR, 3) == 1
    assert await store.write(purge.expired_api_keys, NEW_YEAR + 4 * HOUR, 3) == 0
    left = await store.read(lambda connection: connection.execute(select(api_keys.c.id)).scalars().all())
    assert sorted(left) == ["key4", "key5"]


async def test_the_file_shrinks_and_keeps_a_quarter_for_rows_to_come(sqlite, tmp_path):
    path = tmp_path / "aigateway.sqlite3"
    records = [record for number in range(1, 1501) for record in story(number, 0, calls=str(number))]
    await sqlite.write(apply, records)
    full = checkpointed(path)
    while await sqlite.write(purge.records, NEW_YEAR + HOUR, 500):
        pass
    assert checkpointed(path) == full
    steps = []
    while released := await sqlite.write(purge.release_pages, 50):
        steps.append(released)
    assert steps[0] == 50
    assert checkpointed(path) < full / 10
    await sqlite.write(apply, records)
    assert checkpointed(path) <= full * 1.1


def checkpointed(path):
    """The size of the file, once all that was written is in it."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.stat().st_size


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT id FROM aibridge_interceptions WHERE started_at < 'x' ORDER BY started_at LIMIT 9", "_by_time"),
        ("SELECT id FROM api_keys WHERE expires_at < 'x' ORDER BY expires_at LIMIT 9", "ix_api_keys_expires_at"),
        ("DELETE FROM aibridge_model_thoughts WHERE interception_id IN ('a', 'b')", "thoughts_interception_id"),
        ("DELETE FROM aibridge_tool_usages WHERE interception_id IN ('a', 'b')", "usages_interception_id"),
        ("DELETE FROM aibridge_token_usages WHERE interception_id IN ('a', 'b')", "usages_interception_id"),
        ("DELETE FROM aibridge_user_prompts WHERE interception_id IN ('a', 'b')", "prompts_"),
    ],
)
async def test_nothing_is_searched_from_end_to_end(sqlite, statement, index):
    def plan(connection):
        return [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]

    [step] = await sqlite.read(plan)
    assert step.startswith("SEARCH")
    assert index in step
