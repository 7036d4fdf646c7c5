from __future__ import annotations

import pytest

from aigateway.audit import summer
from aigateway.audit.summer import Summer
from aigateway.store import activity_sums, session_sums
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.ingest import apply
from tests.store.test_activity import ANN, ask, rows
from tests.store.test_activity_sums import NOW
from tests.support.waiting import eventually, eventually_is


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


def left(store):
    return store.ask(activity_sums.missing, NOW)


async def requests(store):
    return (await ask(store)).requests


async def test_a_month_is_summed_up_in_the_background(store):
    await store.write(apply, [*rows(1, ANN, 0), *rows(2, ANN, -700)])
    running = Summer(store, clock=lambda: NOW)
    running.start()
    await eventually_is(lambda: left(store), [])
    await running.stop()


async def test_a_start_counts_what_an_older_version_wrote_late(store, monkeypatch):
    await Summer(store, clock=lambda: NOW).catch_up()
    with monkeypatch.context() as older:
        older.setattr(activity_sums, "forget", lambda connection, moments: None)
        await store.write(apply, rows(1, ANN, 2))
    assert (await ask(store)).requests == 0
    running = Summer(store, clock=lambda: NOW)
    running.start()
    await eventually_is(lambda: requests(store), 1)
    await eventually_is(lambda: left(store), [])
    await running.stop()
    assert await requests(store) == 1


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("broken")])
async def test_whatever_goes_wrong_it_tries_again(store, monkeypatch, error):
    monkeypatch.setattr(summer, "_LOOK_AGAIN_SECONDS", 0.01)
    ask, tries = store.ask, []

    async def refuse(*args):
        tries.append(args)
        if len(tries) < 3:
            raise error
        return await ask(*args)

    monkeypatch.setattr(store, "ask", refuse)
    running = Summer(store, clock=lambda: NOW)
    running.start()
    await eventually(lambda: len(tries) > 3)
    await eventually_is(lambda: left(store), [])
    await running.stop()


async def test_hours_are_summed_up_between_sessions_that_never_come_to_an_end(store, monkeypatch):
    await store.write(apply, rows(1, ANN, -3))
    done = []

    def missing(connection, now):
        return ["an hour"] if done.count("hour") < 2 and len(done) != 1 else []

    monkeypatch.setattr(activity_sums, "missing", missing)
    monkeypatch.setattr(activity_sums, "advance", lambda *_: done.append("hour"))
    monkeypatch.setattr(session_sums, "is_behind", lambda *_: len(done) < 4)
    monkeypatch.setattr(session_sums, "advance", lambda *_: done.append("session"))
    await Summer(store, clock=lambda: NOW).catch_up()
    assert done == ["hour", "session", "hour", "session"]
