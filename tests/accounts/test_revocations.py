"""Two replicas on one PostgreSQL: what one revokes, the other refuses within a second."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from aigateway.accounts import revocations, tokens
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.keys import issue
from aigateway.accounts.new_user import NewUser
from aigateway.accounts.revocations import Revocations
from aigateway.store import api_keys, users
from aigateway.store.api_keys import TOKEN
from aigateway.store.engine import Store
from aigateway.store.tables import api_keys as key_table
from aigateway.store.times import utc_now


class Replica:
    """What of a replica lets people in."""

    def __init__(self, store):
        self.store = store
        self.authenticator = Authenticator(store)
        self.revocations = Revocations(store, self.authenticator)

    async def accepts(self, token):
        return await self.authenticator.authenticate(token) is not None

    async def hears(self):
        """Until beats arrive, which need somebody who asks."""
        async with asyncio.timeout(10):
            while self.authenticator._heard_until < 0:
                await self.accepts(tokens.mint().text)
                await asyncio.sleep(0.02)

    async def refuses(self, token):
        """How many seconds it takes until it does."""
        began = time.monotonic()
        async with asyncio.timeout(5):
            while await self.accepts(token):  # noqa: ASYNC110  # nothing tells but the answer itself
                await asyncio.sleep(0.01)
        return time.monotonic() - began


@asynccontextmanager
async def replicas(url, count=2):
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            store = await Store.open(url)
            stack.push_async_callback(store.close)
            replica = Replica(store)
            stack.push_async_callback(replica.authenticator.close)
            replica.revocations.start()
            stack.push_async_callback(replica.revocations.stop)
            made.append(replica)
        yield made


@pytest.fixture
def lookups(monkeypatch):
    asked = []
    real = api_keys.holder

    def holder(connection, key_id):
        asked.append(key_id)
        return real(connection, key_id)

    monkeypatch.setattr(api_keys, "holder", holder)
    return asked


async def person(store, name="ann"):
    """A user and a token of theirs."""
    user = NewUser(username=name, email=f"{name}@example.com", password="correct horse", status="active").at(utc_now())
    await store.write(users.add, user, "")
    return user, await another(store, user)


async def another(store, user):
    return await store.write(issue, user.id, login_type=TOKEN, lifetime=timedelta(hours=1), now=utc_now())


async def test_what_one_replica_revokes_the_other_refuses_at_once(postgresql_url, lookups):
    async with replicas(postgresql_url) as (here, there):
        await asyncio.gather(here.hears(), there.hears())
        _, token = await person(here.store)
        assert await there.accepts(token)
        lookups.clear()
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert await there.accepts(token)
            await asyncio.sleep(0.02)
        assert len(lookups) <= 1, "it was asked about again and again, although nothing was told"
        await here.store.write(api_keys.remove, key_table.c.id == token[:10])
        assert await there.refuses(token) < 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM api_keys",
        "DELETE FROM users",
        "UPDATE users SET status = 'suspended'",
        "UPDATE users SET deleted = true",
        "UPDATE api_keys SET expires_at = now() - interval '1 hour'",
        "UPDATE api_keys SET hashed_secret = 'x'",
    ],
)
async def test_what_a_person_changes_by_hand_counts_as_well(postgresql_url, postgresql, statement):
    async with replicas(postgresql_url, 1) as (replica,):
        await replica.hears()
        _, token = await person(replica.store)
        assert await replica.accepts(token)
        postgresql.execute(statement, postgresql_url.rpartition("/")[2])
        assert await replica.refuses(token) < 1


async def test_new_roles_count_at_once(postgresql_url):
    async with replicas(postgresql_url) as (here, there):
        await asyncio.gather(here.hears(), there.hears())
        user, token = await person(here.store)
        assert (await there.authenticator.authenticate(token)).roles == frozenset()
        await here.store.write(users.change, user.id, {"rbac_roles": ["auditor"]})
        began = time.monotonic()
        while not (await there.authenticator.authenticate(token)).roles:  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 1


async def test_that_a_token_is_used_is_no_change(postgresql_url, lookups):
    """It is noted once a minute for each token in use, and nobody needs to hear of that."""
    async with replicas(postgresql_url) as (here, there):
        await asyncio.gather(here.hears(), there.hears())
        _, token = await person(here.store)
        assert await there.accepts(token)
        lookups.clear()
        await here.accepts(token)
        await here.authenticator.close()
        await asyncio.gather(here.hears(), there.hears())
        assert await there.accepts(token)
        assert lookups == [token[:10]]


async def test_a_replica_that_hears_nothing_refuses_within_a_second_all_the_same(
    postgresql_url, postgresql, monkeypatch
):
    """The connection that listens is lost, and cannot be made again for a while."""
    monkeypatch.setattr(revocations, "_CONNECT_AGAIN_SECONDS", 0.5)
    database = postgresql_url.rpartition("/")[2]
    async with replicas(postgresql_url) as (here, there):
        await asyncio.gather(here.hears(), there.hears())
        user, token = await person(here.store)
        assert await there.accepts(token)
        postgresql.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'",
            parameters=[database],
        )
        await here.store.write(api_keys.remove, key_table.c.id == token[:10])
        assert await there.refuses(token) < 1.2
        there.authenticator._heard_until = float("-inf")
        await there.hears()
        token = await another(here.store, user)
        assert await there.accepts(token)
        await here.store.write(api_keys.remove, key_table.c.id == token[:10])
        assert await there.refuses(token) < 1


async def test_a_pooler_that_relays_no_messages_is_noticed(postgresql_url, monkeypatch):
    """PgBouncer in transaction mode: LISTEN succeeds, and nothing ever arrives."""
    monkeypatch.setattr(revocations, "_DEAF_AFTER", 0.2)
    monkeypatch.setattr(revocations, "_CONNECT_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr("aigateway.store.postgresql.CHANNEL", "another")
    told = []
    monkeypatch.setattr(revocations, "_log", SimpleNamespace(warning=lambda _, error: told.append(error)))
    async with replicas(postgresql_url) as (here, there):
        _, token = await person(here.store)
        assert await there.accepts(token)
        await here.store.write(api_keys.remove, key_table.c.id == token[:10])
        assert await there.refuses(token) < 1.2
        async with asyncio.timeout(5):
            while not told:
                await there.accepts(token)
                await asyncio.sleep(0.02)
        assert "PgBouncer" in told[0]


async def test_nothing_is_sent_while_nobody_asks(postgresql_url, monkeypatch):
    sent = []
    monkeypatch.setattr(revocations, "_BEAT_SECONDS", 0.01)
    monkeypatch.setattr(revocations, "send_beat", lambda _, text: sent.append(text))
    async with replicas(postgresql_url, 1) as (replica,):
        async with asyncio.timeout(5):
            while not sent:
                await replica.accepts(tokens.mint().text)
                await asyncio.sleep(0.01)
        replica.authenticator.last_asked_at -= 5
        await replica.store.ask(lambda _: None)
        sent.clear()
        await asyncio.sleep(0.1)
        assert sent == []


async def test_on_sqlite_nothing_is_heard_and_nothing_runs(sqlite_url):
    async with replicas(sqlite_url, 1):
        assert all(task.get_name() != "revocations" for task in asyncio.all_tasks())
