from __future__ import annotations

from datetime import timedelta, timezone

import msgspec
import pytest
from sqlalchemy import select

from aigateway.store import activity_sums, purge
from aigateway.store.ingest import apply
from aigateway.store.records import InterceptionEnd, TokenUsage
from aigateway.store.tables import activity_figures, activity_hours
from aigateway.store.times import rfc3339
from tests.store.test_activity import ANN, BOB, HOUR, START, ask, rows, story, uid

__all__ = ["story"]

NOW = START + 5 * HOUR
"""The hours of the story are over by then, the last one by an hour."""


async def sum_up(store, now=NOW):
    while await store.write(activity_sums.advance, now, 1000):
        pass


async def hours(store):
    """The hours from the start on that are summed up, by their number."""
    found = await store.read(activity_sums.known, START, START + timedelta(days=40))
    return sorted((hour - START) // HOUR for hour in found)


async def test_hours_are_summed_up_when_they_are_over_for_an_hour(store, story):
    assert (await store.read(activity_sums.missing, NOW))[0] == START + 3 * HOUR
    await sum_up(store, NOW - timedelta(microseconds=1))
    assert await hours(store) == [0, 1, 2]
    await sum_up(store)
    assert await hours(store) == [0, 1, 2, 3]
    assert await store.read(activity_sums.missing, NOW) == []


@pytest.mark.parametrize("visible_to", [None, ANN, BOB])
@pytest.mark.parametrize("step", [1, 2])
async def test_the_sums_say_what_the_requests_say(store, story, visible_to, step):
    read = await ask(store, visible_to, steps=4, step=step * HOUR)
    await sum_up(store, START + 3 * HOUR)
    partly = await ask(store, visible_to, steps=4, step=step * HOUR)
    await sum_up(store)
    summed = await ask(store, visible_to, steps=4, step=step * HOUR)
    assert read == partly == summed
    assert summed.requests


@pytest.mark.parametrize("most", [1, 2, 1000])
async def test_the_newest_hours_come_first_and_those_before_the_first_request_cost_nothing(store, story, most):
    all_of_them = len(await store.read(activity_sums.missing, NOW))
    assert await store.write(activity_sums.advance, NOW, most) == all_of_them - 5 + min(most, 5)
    assert await hours(store) == [0, 1, 2, 3][-most:]


async def test_a_new_server_sums_up_nothing_at_once(store):
    assert await store.write(activity_sums.advance, NOW, 1)
    assert await store.read(activity_sums.missing, NOW) == []


async def test_what_ends_late_is_counted(store, story):
    await sum_up(store)
    late = rfc3339(NOW)
    await store.write(apply, [InterceptionEnd(interception_id=uid(6), ended_at=late, status_code=200)])
    assert await hours(store) == [0, 1, 3]
    assert [bucket.requests for bucket in (await ask(store)).buckets] == [2, 1, 2]
    await sum_up(store)
    assert [bucket.requests for bucket in (await ask(store)).buckets] == [2, 1, 2]


async def test_what_is_written_late_is_counted(store, story):
    await sum_up(store)
    await store.write(apply, rows(8, ANN, 1.5))
    used = {"input_tokens": 100, "output_tokens": 1000}
    await store.write(
        apply, [TokenUsage(id=uid(2000), interception_id=uid(2), msg_id="", created_at=rfc3339(NOW), **used)]
    )
    assert await hours(store) == [2, 3]
    await sum_up(store)
    found = (await ask(store)).buckets
    assert [(bucket.requests, bucket.people, bucket.input_tokens) for bucket in found[:2]] == [(2, 1, 110), (2, 2, 10)]


async def test_what_is_written_with_the_time_of_another_zone_is_counted_in_its_hour(store, story):
    await sum_up(store)
    start, *others = rows(8, ANN, 1.5)
    elsewhere = (START + 1.5 * HOUR).astimezone(timezone(timedelta(hours=5))).isoformat()
    await store.write(apply, [msgspec.structs.replace(start, started_at=elsewhere), *others])
    assert await hours(store) == [0, 2, 3]
    await sum_up(store)
    assert [bucket.requests for bucket in (await ask(store)).buckets] == [2, 2, 1]


async def test_what_begins_without_an_end_changes_nothing(store, story):
    await sum_up(store)
    await store.write(apply, [next(rows(8, ANN, 1.5, ended=False))])
    assert await hours(store) == [0, 1, 2, 3]


async def test_what_is_purged_counts_no_more(store, story):
    await sum_up(store)
    assert await store.write(purge.records, START + 1.5 * HOUR, 100)
    await sum_up(store)
    assert [bucket.requests for bucket in (await ask(store)).buckets] == [0, 0, 1]
    counted = await store.read(lambda connection: connection.execute(select(activity_figures.c.hour)).scalars().all())
    assert set(counted) == {START + 2 * HOUR, START + 3 * HOUR}


async def test_hours_that_an_older_version_may_have_changed_are_summed_up_anew(store, story):
    await sum_up(store)
    await store.write(activity_sums.forget_since, START + 1.5 * HOUR)
    assert await hours(store) == [0, 1]


async def test_sums_that_nobody_asks_for_are_dropped(store, story):
    await sum_up(store)
    await sum_up(store, NOW + timedelta(days=32))
    kept = await store.read(lambda connection: connection.execute(select(activity_hours.c.hour)).scalars().all())
    assert min(kept) == NOW
    assert not await store.read(lambda connection: connection.execute(select(activity_figures)).all())


async def test_older_hours_without_sums_are_left_out_and_that_is_said(store, story):
    found = await ask(store, steps=30)
    assert found.hours_left_out == 4
    assert [bucket.requests for bucket in found.buckets[:5]] == [0, 0, 0, 0, 0]
    await sum_up(store)
    found = await ask(store, steps=30)
    assert found.hours_left_out == 0
    assert [bucket.requests for bucket in found.buckets[:5]] == [2, 1, 1, 1, 0]
