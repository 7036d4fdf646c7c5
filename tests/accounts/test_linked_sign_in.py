from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from aigateway.accounts.errors import Conflict, NotSignedIn, SignInFailed
from aigateway.accounts.linked_sign_in import LinkedSignIn, SignUps
from aigateway.accounts.new_user import NewUser
from aigateway.accounts.oidc.identity import Identity
from aigateway.store import user_links, users

ISSUER = "https://id.example.com"


def somebody(subject="1", **fields):
    base = {"email": f"grace{subject}@example.com", "username": "grace", "name": "Grace", "roles": None}
    return Identity(**{"issuer": ISSUER, "subject": subject, **base, **fields})


@pytest.fixture
def door(world):
    return LinkedSignIn(
        world.store, world.authenticator, timedelta(hours=24), SignUps(allowed=True, otherwise=None), world.clock.now
    )


@pytest.fixture
async def boss(world):
    return await world.actor("boss", "owner")


async def entered(world, door, identity):
    actor = await world.authenticator.authenticate(await door.enter(identity))
    return await world.store.read(users.by_id, actor.user_id)


async def test_of_many_who_come_first_one_owns_the_server(world, door):
    tokens = await asyncio.gather(*(door.enter(somebody(str(number))) for number in range(4)))
    actors = [await world.authenticator.authenticate(token) for token in tokens]
    assert sorted(tuple(actor.roles) for actor in actors) == [(), (), (), ("owner",)]
    assert len({actor.username for actor in actors}) == 4


async def test_one_who_comes_twice_at_once_has_one_account(world, door, boss):
    tokens = await asyncio.gather(*(door.enter(somebody()) for _ in range(3)))
    assert len({(await world.authenticator.authenticate(token)).user_id for token in tokens}) == 1


@pytest.mark.parametrize(
    ("wished", "begins"), [("grace", "grace-"), ("me", "me-"), ("", "user"), ("x" * 24, "x" * 24), ("first", "first-")]
)
async def test_a_username_that_cannot_be_had_gets_something_behind_it(world, door, boss, wished, begins):
    await world.user("grace")
    user = await entered(world, door, somebody(username=wished))
    assert user.username.startswith(begins)


async def test_an_account_that_awaits_somebody_is_theirs_at_their_first_sign_in(world, door, boss):
    people = world.accounts.people
    made = await people.create(
        boss, NewUser(username="rear-admiral", email="GRACE1@example.com", login_type="oidc", roles=("auditor",))
    )
    closed = LinkedSignIn(
        world.store,
        world.authenticator,
        timedelta(hours=1),
        SignUps(allowed=False, otherwise="Not you."),
        world.clock.now,
    )
    user = await entered(world, closed, somebody())
    assert (user.id, user.roles, user.status) == (made.id, ("auditor",), "active")
    with pytest.raises(SignInFailed, match="address already"):
        await closed.enter(somebody("2", email="grace1@example.com"))
    with pytest.raises(SignInFailed, match=r"Not you\."):
        await closed.enter(somebody("3"))


async def test_an_account_with_a_password_is_nobodys_by_its_address(world, door, boss):
    with pytest.raises(SignInFailed, match="address already"):
        await door.enter(somebody(email="BOSS@example.com"))


async def test_subjects_of_another_issuer_are_others(world, door, boss):
    first = await entered(world, door, somebody())
    second = await entered(world, door, somebody(issuer="https://other.example.com", email="other@example.com"))
    assert first.id != second.id


async def test_roles_follow_the_claim_at_each_sign_in_and_at_once(world, door, boss):
    token = await door.enter(somebody(roles=("owner",)))
    assert (await world.authenticator.authenticate(token)).roles == {"owner"}
    await door.enter(somebody(roles=()))
    assert (await world.authenticator.authenticate(token)).roles == set()
    await world.accounts.people.set_roles(boss, "grace", ["auditor"])
    assert (await entered(world, door, somebody(roles=None))).roles == ("auditor",)


async def test_the_last_owner_stays_one_whatever_the_claim_says(world, door):
    first = await entered(world, door, somebody(roles=("auditor",)))
    assert first.roles == ("auditor", "owner")
    await entered(world, door, somebody("2", roles=("owner",)))
    assert (await entered(world, door, somebody(roles=("auditor",)))).roles == ("auditor",)


async def test_the_suspended_stay_suspended_and_the_deleted_begin_anew(world, door, boss):
    people = world.accounts.people
    user = await entered(world, door, somebody(roles=None))
    await people.suspend(boss, user.id)
    with pytest.raises(NotSignedIn, match="suspended"):
        await door.enter(somebody(roles=("owner",)))
    still = await world.store.read(users.by_id, user.id)
    assert (still.status, still.roles) == ("suspended", ())
    await people.delete(boss, user.id)
    assert not await world.store.read(user_links.is_linked, user.id)
    assert (await entered(world, door, somebody())).id != user.id


async def test_an_address_of_somebody_else_is_not_taken_over_by_a_change(world, door, boss):
    await entered(world, door, somebody())
    user = await entered(world, door, somebody(email="boss@example.com", name="Grace B. Hopper"))
    assert (user.email, user.name) == ("grace1@example.com", "Grace B. Hopper")


async def test_connecting_replaces_what_was_connected_and_takes_nothing_from_others(world, door, boss):
    grace = await world.actor("grace")
    await door.connect(grace, somebody("1"))
    await door.connect(grace, somebody("2"))
    assert (await entered(world, door, somebody("2"))).id == grace.user_id
    assert (await entered(world, door, somebody("1", email="new@example.com"))).id != grace.user_id
    with pytest.raises(Conflict, match="Another account"):
        await door.connect(boss, somebody("2"))
    assert not await world.store.read(user_links.is_linked, boss.user_id)


async def test_the_session_slides_like_any_other_and_is_no_token(world, door, boss):
    token = await door.enter(somebody())
    actor = await world.authenticator.authenticate(token)
    listed = await world.accounts.keys.tokens(actor, "me", include_expired=True, include_all=False)
    assert listed == []
    for _ in range(2):
        world.clock.advance(20 * 3600)
        assert await world.authenticator.authenticate(token)
        await world.authenticator.close()  # Once its use is noted.
