from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aigateway.accounts.errors import Conflict, Invalid, Missing, Refused
from tests.support.people import LIMITS

HOUR = timedelta(hours=1)


async def listed(world, actor, ref="me", *, include_expired=False, include_all=False):
    found = await world.accounts.keys.tokens(actor, ref, include_expired=include_expired, include_all=include_all)
    return [(username, key.token_name) for key, username in found]


async def test_a_token_works_until_it_is_removed(world):
    ann = await world.actor("ann")
    keys = world.accounts.keys
    token = await keys.create_token(ann, "me", "laptop", None)
    assert (await world.authenticator.authenticate(token)).username == "ann"
    await keys.remove(ann, "me", "laptop")
    assert await world.authenticator.authenticate(token) is None
    with pytest.raises(Missing, match="laptop"):
        await keys.remove(ann, "me", "laptop")


async def test_a_key_is_removed_by_its_id_too(world):
    ann = await world.actor("ann")
    token = await world.accounts.keys.create_token(ann, "me", "", None)
    await world.accounts.keys.remove(ann, "me", token[:10])
    assert await world.authenticator.authenticate(token) is None


async def test_lifetimes_are_the_default_and_at_most_the_longest(world):
    ann = await world.actor("ann")
    keys = world.accounts.keys
    for lifetime, seconds in ((None, 168 * 3600), (HOUR, 3600), (LIMITS.max_lifetime, 90 * 86400)):
        token = await keys.create_token(ann, "me", "", lifetime)
        key = next(
            key
            for key, _ in await keys.tokens(ann, "me", include_expired=False, include_all=False)
            if key.id == token[:10]
        )
        assert key.lifetime_seconds == seconds
        assert key.expires_at == world.clock.now() + timedelta(seconds=seconds)
    for lifetime in (LIMITS.max_lifetime + HOUR, timedelta(0), -HOUR):
        with pytest.raises(Invalid) as told:
            await keys.create_token(ann, "me", "", lifetime)
        assert told.value.field == "lifetime"
    with pytest.raises(Invalid, match="2160h"):
        await keys.create_token(ann, "me", "", LIMITS.max_lifetime + HOUR)
    short = replace(keys, limits=replace(LIMITS, max_lifetime=HOUR))
    assert short._checked(None) == HOUR


async def test_names_are_unique_for_a_user(world):
    ann, bob = await world.actor("ann"), await world.actor("bob")
    keys = world.accounts.keys
    await keys.create_token(ann, "me", "laptop", None)
    await keys.create_token(bob, "me", "laptop", None)
    with pytest.raises(Conflict, match="laptop"):
        await keys.create_token(ann, "me", "laptop", None)
    for bad in ("a b", "-x", "x" * 65, "a/b", "laptop\n"):
        with pytest.raises(Invalid):
            await keys.create_token(ann, "me", bad, None)


async def test_tokens_are_listed_without_sessions_and_without_expired_ones(world):
    ann = await world.actor("ann")  # with a token of its own
    keys = world.accounts.keys
    await keys.remove(ann, "me", ann.api_key_id)
    await keys.create_token(ann, "me", "long", 3 * HOUR)
    await keys.create_token(ann, "me", "short", HOUR)
    await keys.create_session(ann, "me")
    assert sorted(await listed(world, ann)) == [("ann", "long"), ("ann", "short")]
    world.clock.advance(3601)
    assert await listed(world, ann) == [("ann", "long")]
    assert len(await listed(world, ann, include_expired=True)) == 2


async def test_only_owners_list_everybodys(world):
    ann, owner = await world.actor("ann"), await world.actor("owner", "owner")
    assert {username for username, _ in await listed(world, ann, include_all=True)} == {"ann"}
    assert {username for username, _ in await listed(world, owner, include_all=True)} == {"ann", "owner"}


@pytest.mark.parametrize(
    ("role", "of_member", "of_service", "of_powerful_service"),
    [
        ("owner", True, True, True),
        ("user-admin", False, True, False),
        ("auditor", False, False, False),
        ("member", False, False, False),
    ],
)
async def test_who_may_handle_whose_tokens(world, role, of_member, of_service, of_powerful_service):
    actor = await world.actor("actor", role)
    targets = {
        (await world.user("somebody")).username: of_member,
        (await world.user("robot", service=True)).username: of_service,
        (await world.user("mighty", "owner", service=True)).username: of_powerful_service,
    }
    keys = world.accounts.keys
    for username, allowed in targets.items():
        tries = (
            lambda ref: keys.create_token(actor, ref, "made", None),
            lambda ref: keys.create_session(actor, ref),
            lambda ref: keys.tokens(actor, ref, include_expired=True, include_all=False),
            lambda ref: keys.remove(actor, ref, "made"),
        )
        for attempt in tries:
            if allowed:
                await attempt(username)
            else:
                with pytest.raises((Refused, Missing)):
                    await attempt(username)


async def test_nobody_removes_anothers_token_under_their_own_name(world):
    ann, bob = await world.actor("ann"), await world.actor("bob")
    with pytest.raises(Missing):
        await world.accounts.keys.remove(ann, "me", bob.api_key_id)
