from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from aigateway.accounts import authenticate, tokens
from aigateway.accounts.keys import SESSION
from aigateway.store import api_keys, users
from aigateway.store.engine import StoreUnavailable
from aigateway.store.tables import api_keys as key_table
from aigateway.store.tables import users as user_table
from tests.support.waiting import eventually


@pytest.fixture
def lookups(monkeypatch):
    """The ids of the keys that the store was asked for."""
    asked = []
    real = api_keys.holder

    def holder(connection, key_id):
        asked.append(key_id)
        return real(connection, key_id)

    monkeypatch.setattr(api_keys, "holder", holder)
    return asked


@pytest.fixture
def store_away(world):
    """Takes the store away, and brings it back."""

    def switch(away):
        world.store._closed = away

    return switch


async def last_used(world, token):
    query = select(key_table.c.last_used).where(key_table.c.id == tokens.parse(token)[0])
    return await world.store.read(lambda connection: connection.execute(query).scalar_one())


async def test_a_token_tells_whose_it_is(world):
    user = await world.user("ann", "auditor")
    token = await world.token(user)
    actor = await world.authenticator.authenticate(token)
    assert (actor.user_id, actor.username, actor.email) == (user.id, "ann", "ann@example.com")
    assert (actor.roles, actor.api_key_id) == ({"auditor"}, token[:10])


async def test_a_token_that_was_looked_up_is_known_at_once_and_no_other(world, lookups):
    token = await world.token(await world.user("ann"))
    flipped = token[:-1] + ("a" if token[-1] != "a" else "b")

    def known(text):
        return world.authenticator.known(*tokens.shown(text))

    assert known(token) is None
    actor = await world.authenticator.authenticate(token)
    assert known(token) == actor
    assert [known(text) for text in (tokens.mint().text, flipped)] == [None, None]
    world.authenticator.forget(token[:10])
    assert known(token) is None
    assert lookups == [token[:10]]


async def test_other_texts_tell_nothing(world):
    user = await world.user("ann")
    token = await world.token(user)
    flipped = token[:-1] + ("a" if token[-1] != "a" else "b")
    for text in ("", "nonsense", tokens.mint().text, flipped, token + "\n", token.replace("-", "")):
        assert await world.authenticator.authenticate(text) is None
    assert await world.authenticator.authenticate(token)
    assert await world.authenticator.authenticate(flipped) is None


async def test_a_fresh_entry_asks_nobody(world, lookups):
    token = await world.token(await world.user("ann"))
    for _ in range(5):
        await world.authenticator.authenticate(token)
    assert len(lookups) == 1
    world.clock.advance(1.5)
    await world.authenticator.authenticate(token)
    assert len(lookups) == 2


async def test_requests_at_the_same_time_share_a_lookup(world, lookups):
    token = await world.token(await world.user("ann"))
    actors = await asyncio.gather(*(world.authenticator.authenticate(token) for _ in range(20)))
    assert len({actor.user_id for actor in actors}) == 1
    assert len(lookups) == 1


async def test_a_client_that_goes_away_does_not_take_the_shared_lookup_along(world):
    token = await world.token(await world.user("ann"))
    leaving = asyncio.create_task(world.authenticator.authenticate(token))
    staying = asyncio.create_task(world.authenticator.authenticate(token))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_an_expired_token_is_refused_on_time_even_from_the_cache(world):
    token = await world.token(await world.user("ann"), timedelta(seconds=10))
    world.clock.advance(9.8)
    assert await world.authenticator.authenticate(token)
    world.clock.advance(0.2)
    assert await world.authenticator.authenticate(token) is None


@pytest.mark.parametrize("status", ["dormant", "suspended"])
async def test_only_active_users_enter(world, status):
    user = await world.user("ann")
    token = await world.token(user)
    assert await world.authenticator.authenticate(token)
    await world.store.write(users.change, user.id, {"status": status})  # as another replica would
    world.clock.advance(1.1)
    assert await world.authenticator.authenticate(token) is None


async def test_system_and_deleted_users_do_not_enter(world):
    for username, change in (("ann", {"deleted": True}), ("bob", {"is_system": True})):
        user = await world.user(username)
        await world.store.write(users.change, user.id, change)
        assert await world.authenticator.authenticate(await world.token(user)) is None


async def test_a_key_that_another_replica_removed_is_refused_within_a_second(world):
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)
    await world.store.write(api_keys.remove, key_table.c.id == token[:10])
    world.clock.advance(1.01)
    assert await world.authenticator.authenticate(token) is None


async def test_a_lookup_from_before_a_revocation_is_not_kept(world, monkeypatch):
    """The key is removed while a lookup is under way that still saw it."""
    user = await world.user("ann")
    token = await world.token(user)
    read, removed = threading.Event(), threading.Event()
    real = api_keys.holder

    def slow(connection, key_id):
        found = real(connection, key_id)
        read.set()
        removed.wait(10)
        return found

    monkeypatch.setattr(api_keys, "holder", slow)
    first = asyncio.create_task(world.authenticator.authenticate(token))
    await eventually(read.is_set)
    await world.store.write(api_keys.remove, key_table.c.id == token[:10])
    world.authenticator.forget(token[:10])
    removed.set()
    await first
    assert await world.authenticator.authenticate(token) is None


async def test_people_keep_working_for_an_hour_while_the_store_is_away(world, store_away):
    token = await world.token(await world.user("ann"), timedelta(days=1))
    assert await world.authenticator.authenticate(token)
    store_away(True)
    for _ in range(11):
        world.clock.advance(300)
        assert await world.authenticator.authenticate(token)
    world.clock.advance(400)
    with pytest.raises(StoreUnavailable):
        await world.authenticator.authenticate(token)
    store_away(False)
    assert await world.authenticator.authenticate(token)


async def test_an_unknown_token_is_not_called_wrong_while_the_store_is_away(world, store_away):
    store_away(True)
    with pytest.raises(StoreUnavailable):
        await world.authenticator.authenticate(tokens.mint().text)
    assert await world.authenticator.authenticate("no token at all") is None


async def test_a_wrong_secret_and_an_expired_token_are_refused_while_the_store_is_away(world, store_away):
    token = await world.token(await world.user("ann"), timedelta(minutes=5))
    assert await world.authenticator.authenticate(token)
    store_away(True)
    world.clock.advance(100)
    assert await world.authenticator.authenticate(token[:11] + "x" * 22) is None
    world.clock.advance(300)
    assert await world.authenticator.authenticate(token) is None


async def test_a_revocation_counts_again_as_soon_as_the_store_is_back(world, store_away):
    user = await world.user("ann")
    token = await world.token(user)
    assert await world.authenticator.authenticate(token)
    store_away(True)
    world.clock.advance(2)
    assert await world.authenticator.authenticate(token)
    store_away(False)
    await world.store.write(api_keys.remove, key_table.c.id == token[:10])
    async with asyncio.timeout(5):
        while await world.authenticator.authenticate(token):
            world.clock.advance(1)
            await asyncio.gather(*world.authenticator._lookups.values())


async def test_a_store_that_hangs_is_away(world, monkeypatch):
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)

    over = threading.Event()

    def hang(connection, key_id):
        over.wait(10)

    monkeypatch.setattr(api_keys, "holder", hang)
    monkeypatch.setattr(authenticate, "LOOKUP_LIMIT", 0.05)
    world.clock.advance(2)
    assert await world.authenticator.authenticate(token)
    with pytest.raises(StoreUnavailable):
        await world.authenticator.authenticate(tokens.mint().text)
    over.set()


async def test_a_token_in_use_waits_for_no_lookup(world, lookups, monkeypatch):
    """The store is asked a little before the second is over, beside the request."""
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)
    go_on = threading.Event()
    real = api_keys.holder

    def slow(connection, key_id):
        go_on.wait(10)
        return real(connection, key_id)

    monkeypatch.setattr(api_keys, "holder", slow)
    for _ in range(3):
        world.clock.advance(0.3)
        assert await world.authenticator.authenticate(token)
    assert world.authenticator._lookups
    go_on.set()
    await asyncio.gather(*world.authenticator._lookups.values())
    world.clock.advance(0.9)
    assert await world.authenticator.authenticate(token)


async def test_a_store_that_hangs_holds_up_one_request_and_not_for_long(world, monkeypatch):
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)
    over = threading.Event()
    monkeypatch.setattr(api_keys, "holder", lambda *_: over.wait(10))
    monkeypatch.setattr(authenticate, "PATIENCE", 0.05)
    world.clock.advance(2)
    async with asyncio.timeout(1):
        assert await world.authenticator.authenticate(token)
    monkeypatch.setattr(authenticate, "PATIENCE", 100)
    async with asyncio.timeout(1):
        for _ in range(5):
            assert await world.authenticator.authenticate(token)
    over.set()


async def test_while_every_change_is_heard_the_store_is_rarely_asked(world, lookups):
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)
    listening_since = world.clock.monotonic()
    for _ in range(58):
        world.clock.advance(0.5)
        world.authenticator.heard(since=listening_since, until=world.clock.monotonic())
        assert await world.authenticator.authenticate(token)
    assert len(lookups) == 1
    world.clock.advance(2)
    world.authenticator.heard(since=listening_since, until=world.clock.monotonic())
    assert await world.authenticator.authenticate(token)
    await asyncio.gather(*world.authenticator._lookups.values())
    assert len(lookups) == 2


async def test_what_was_asked_before_the_listening_began_is_asked_again(world, lookups):
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)
    world.clock.advance(2)
    world.authenticator.heard(since=world.clock.monotonic(), until=world.clock.monotonic())
    assert await world.authenticator.authenticate(token)
    assert len(lookups) == 2


async def test_the_last_use_is_noted_at_most_once_a_minute(world):
    user = await world.user("ann")
    token = await world.token(user)
    began = world.clock.now()
    await world.authenticator.authenticate(token)
    await world.authenticator.close()
    assert await last_used(world, token) == began
    world.clock.advance(59)
    await world.authenticator.authenticate(token)
    await world.authenticator.close()
    assert await last_used(world, token) == began
    world.clock.advance(1)
    await world.authenticator.authenticate(token)
    await world.authenticator.close()
    assert await last_used(world, token) == world.clock.now()
    query = select(user_table.c.last_seen_at)
    seen = await world.store.read(lambda connection: connection.execute(query).scalar_one())
    assert seen == world.clock.now()


async def test_a_note_that_cannot_be_written_hurts_nobody(world, store_away):
    token = await world.token(await world.user("ann"), timedelta(days=1))
    await world.authenticator.authenticate(token)
    await world.authenticator.close()
    store_away(True)
    world.clock.advance(61)
    assert await world.authenticator.authenticate(token)
    await world.authenticator.close()


async def test_a_session_in_use_goes_on_and_a_token_ends(world):
    user = await world.user("ann")
    session = await world.token(user, timedelta(hours=1), login_type=SESSION)
    token = await world.token(user, timedelta(hours=1))
    for _ in range(4):
        world.clock.advance(1000)
        assert await world.authenticator.authenticate(session)
        await world.authenticator.close()
    assert await world.authenticator.authenticate(token) is None


async def test_a_session_ends_when_sessions_do_not_slide(world):
    fixed = authenticate.Authenticator(
        world.store, sliding_sessions=False, clock=world.clock.now, monotonic=world.clock.monotonic
    )
    session = await world.token(await world.user("ann"), timedelta(hours=1), login_type=SESSION)
    for _ in range(3):
        world.clock.advance(1000)
        assert await fixed.authenticate(session)
        await fixed.close()
    world.clock.advance(1000)
    assert await fixed.authenticate(session) is None


async def test_memory_is_bounded(world, monkeypatch):
    monkeypatch.setattr(authenticate, "MAX_ENTRIES", 3)
    user = await world.user("ann")
    for _ in range(6):
        assert await world.authenticator.authenticate(await world.token(user))
    for _ in range(6):
        assert await world.authenticator.authenticate(tokens.mint().text) is None
    assert len(world.authenticator._entries) == 3
    assert not world.authenticator._lookups
