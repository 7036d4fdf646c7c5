from __future__ import annotations

import asyncio

import pytest

from aigateway.accounts import bootstrap
from aigateway.accounts.errors import Conflict, Invalid, Missing, NotSignedIn, Refused
from aigateway.accounts.new_user import NewUser
from aigateway.store import external_auth
from aigateway.store.envelope import Keyring
from tests.store.test_sealed import link
from tests.support import people

ANN = NewUser(username="ann", email="ann@example.com", password="correct horse")


def somebody(username, **more):
    return NewUser(username=username, email=f"{username}@example.com", password="correct horse", **more)


def service(username, **more):
    return NewUser(username=username, is_service_account=True, **more)


async def test_the_first_user_is_an_active_owner_and_there_is_only_one(world):
    assert not await world.accounts.people.is_anybody_there()
    made = await asyncio.gather(
        *(world.accounts.people.create_first(somebody(name)) for name in ("ann", "bob", "cid")), return_exceptions=True
    )
    first = [user for user in made if not isinstance(user, Conflict)]
    assert len(first) == 1
    assert (first[0].roles, first[0].status) == (("owner",), "active")
    assert await world.accounts.people.is_anybody_there()


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("username", {"username": ""}),
        ("username", {"username": "me"}),
        ("username", {"username": "a b"}),
        ("username", {"username": "ann\n"}),
        ("username", {"username": "x" * 33}),
        ("email", {"email": ""}),
        ("email", {"email": "ann"}),
        ("email", {"email": "ann@example.com\r\nBcc: x@y"}),
        ("password", {"password": "short"}),
        ("roles", {"roles": ("root",)}),
        ("user_status", {"status": "suspended"}),
        ("name", {"name": "a\x1b[31m"}),
        ("email", {"is_service_account": True, "password": ""}),
        ("password", {"is_service_account": True, "email": ""}),
    ],
)
def test_a_user_that_cannot_be_is_told_by_field(field, fields):
    with pytest.raises(Invalid) as told:
        NewUser(**{"username": "ann", "email": "ann@example.com", "password": "correct horse"} | fields)
    assert told.value.field == field


async def test_names_and_addresses_are_taken_in_any_case(world):
    owner = await world.actor("owner", "owner")
    await world.accounts.people.create(owner, ANN)
    for taken in (
        NewUser(username="ANN", email="other@example.com", password="correct horse"),
        NewUser(username="other", email="Ann@Example.com", password="correct horse"),
    ):
        with pytest.raises(Conflict, match="taken"):
            await world.accounts.people.create(owner, taken)


async def test_a_deleted_user_leaves_no_accounts_at_other_services(world):
    owner = await world.actor("boss", "owner")
    ann = await world.user("ann")
    await world.store.write(external_auth.put, link(Keyring([bytes(32)]), ann.id))
    await world.accounts.people.delete(owner, "ann")
    assert await world.store.read(external_auth.of_user, ann.id) == []


async def test_the_name_of_a_deleted_user_is_free_again(world):
    owner = await world.actor("owner", "owner")
    first = await world.accounts.people.create(owner, ANN)
    await world.accounts.people.delete(owner, "ann")
    second = await world.accounts.people.create(owner, ANN)
    assert first.id != second.id
    assert (await world.accounts.people.get(owner, "ann")).id == second.id
    with pytest.raises(Missing):
        await world.accounts.people.get(owner, first.id)
    assert await world.accounts.people.initiator_id(owner, first.id.upper()) == first.id


@pytest.mark.parametrize(
    ("role", "may_create", "may_create_auditor", "sees_others"),
    [
        ("owner", True, True, True),
        ("user-admin", True, False, True),
        ("auditor", False, False, True),
        ("member", False, False, False),
    ],
)
async def test_who_may_make_and_see_users(world, role, may_create, may_create_auditor, sees_others):
    actor = await world.actor("actor", role)
    await world.user("other")
    for new, allowed in (
        (service("robot"), may_create),
        (somebody("dan", roles=("auditor",)), may_create_auditor),
    ):
        if allowed:
            await world.accounts.people.create(actor, new)
        else:
            with pytest.raises(Refused):
                await world.accounts.people.create(actor, new)
    assert (await world.accounts.people.get(actor, "me")).username == "actor"
    seen = await world.accounts.people.page(actor, search="", after_id=None, offset=0, limit=10)
    if sees_others:
        assert (await world.accounts.people.get(actor, "OTHER")).username == "other"
        assert {"actor", "other"} <= {user.username for user in seen.users}
    else:
        with pytest.raises(Missing):
            await world.accounts.people.get(actor, "other")
        assert (seen.count, [user.username for user in seen.users]) == (1, ["actor"])


CHANGES = {
    "suspend": lambda people, actor, ref: people.suspend(actor, ref),
    "activate": lambda people, actor, ref: people.activate(actor, ref),
    "delete": lambda people, actor, ref: people.delete(actor, ref),
    "set_roles": lambda people, actor, ref: people.set_roles(actor, ref, []),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_who_may_change_whom(world, change):
    for role in ("owner", "auditor", "user-admin", "member"):
        await world.user(f"target-{role}", role)
    for role, allowed in {
        "owner": {"owner", "auditor", "user-admin", "member"},
        "user-admin": {"member"},
        "auditor": set(),
        "member": set(),
    }.items():
        actor = await world.actor(f"actor-{role}", role)
        for target in ("owner", "auditor", "user-admin", "member"):
            ref = (await world.user(f"{role[0]}-{target}", target)).username
            try:
                await CHANGES[change](world.accounts.people, actor, ref)
                done = True
            except (Refused, Missing):
                done = False
            assert done == (target in allowed), (role, target)


@pytest.mark.parametrize("change", CHANGES)
async def test_nobody_changes_their_own_account_so(world, change):
    actor = await world.actor("ann", "owner")
    await world.user("bob", "owner")
    with pytest.raises(Refused, match="your own"):
        await CHANGES[change](world.accounts.people, actor, "me")


async def test_a_user_admin_makes_nobody_an_owner(world):
    actor = await world.actor("admin", "user-admin")
    await world.user("friend")
    with pytest.raises(Refused, match="owner"):
        await world.accounts.people.set_roles(actor, "friend", ["owner"])


@pytest.mark.parametrize("change", ["suspend", "delete", "set_roles"])
async def test_the_last_active_owner_stays(world, change):
    """Two owners remove each other at the same time; a dormant one does not count."""
    ann, bob = await world.actor("ann", "owner"), await world.actor("bob", "owner")
    await world.user("cid", "owner", status="dormant")
    results = await asyncio.gather(
        CHANGES[change](world.accounts.people, ann, "bob"),
        CHANGES[change](world.accounts.people, bob, "ann"),
        return_exceptions=True,
    )
    assert sorted(isinstance(result, Conflict) for result in results) == [False, True]


async def test_a_suspended_user_is_refused_on_the_next_request(world):
    owner = await world.actor("owner", "owner")
    token = await world.token(await world.user("ann"))
    assert await world.authenticator.authenticate(token)
    assert (await world.accounts.people.suspend(owner, "ann")).status == "suspended"
    assert await world.authenticator.authenticate(token) is None
    assert (await world.accounts.people.activate(owner, "ann")).status == "active"
    assert await world.authenticator.authenticate(token)
    await world.accounts.people.set_roles(owner, "ann", ["auditor", "member"])
    assert (await world.authenticator.authenticate(token)).roles == {"auditor"}
    await world.accounts.people.delete(owner, "ann")
    assert await world.authenticator.authenticate(token) is None


async def test_users_are_listed_by_name_in_pages(world):
    owner = await world.actor("Zoe", "owner")
    for name in ("bob", "Ann", "cid", "per-cent"):
        await world.user(name)
    people = world.accounts.people

    async def names(search="", after_id=None, offset=0, limit=10):
        page = await people.page(owner, search=search, after_id=after_id, offset=offset, limit=limit)
        return page.count, [user.username for user in page.users]

    assert await names() == (5, ["Ann", "bob", "cid", "per-cent", "Zoe"])
    assert await names(limit=2) == (5, ["Ann", "bob"])
    assert await names(offset=3) == (5, ["per-cent", "Zoe"])
    assert await names(after_id=(await people.get(owner, "bob")).id, limit=2) == (5, ["cid", "per-cent"])
    assert await names("AN") == (1, ["Ann"])
    assert await names("%") == (0, [])
    assert await names("n@example.com") == (1, ["Ann"])


async def test_the_first_sign_in_wakes_a_dormant_user(world):
    owner = await world.actor("owner", "owner")
    created = await world.accounts.people.create(owner, ANN)
    assert created.status == "dormant"
    token = await world.token(created)
    assert await world.authenticator.authenticate(token) is None
    session = await world.accounts.sign_in.login("ANN@example.com", "correct horse")
    actor = await world.authenticator.authenticate(session)
    assert actor.username == "ann"
    assert await world.authenticator.authenticate(token)
    await world.accounts.sign_in.logout(actor)
    assert await world.authenticator.authenticate(session) is None


async def test_who_may_not_sign_in(world):
    owner = await world.actor("owner", "owner")
    await world.accounts.people.create(owner, ANN)
    await world.accounts.people.create(owner, service("robot"))
    sign_in = world.accounts.sign_in
    for email, password in (
        ("ann@example.com", "wrong horse"),
        ("nobody@example.com", "correct horse"),
        ("", ""),
        ("", "correct horse"),
        ("owner@example.com", ""),
    ):
        with pytest.raises(NotSignedIn, match="not right"):
            await sign_in.login(email, password)
    await world.accounts.people.suspend(owner, "ann")
    with pytest.raises(NotSignedIn, match="suspended"):
        await sign_in.login("ann@example.com", "correct horse")
    with pytest.raises(NotSignedIn, match="not right"):
        await sign_in.login("ann@example.com", "wrong horse")


async def test_an_admin_and_a_token_are_made_offline(world):
    user = await bootstrap.create_admin(
        world.store, username="root", email="root@example.com", password="correct horse", name="Root"
    )
    assert (user.status, user.roles, user.name) == ("active", ("owner",), "Root")
    with pytest.raises(Conflict):
        await bootstrap.create_admin(world.store, username="root", email="r@example.com", password="correct horse")
    from datetime import timedelta

    token = await bootstrap.create_token(world.store, user, name="dev", lifetime=timedelta(hours=1))
    assert (await world.authenticator.authenticate(token)).roles == {"owner"}


async def test_two_servers_make_one_first_user(postgresql_url):
    async with people.world(postgresql_url) as here, people.world(postgresql_url) as there:
        news = [somebody("ann"), somebody("bob")]
        made = await asyncio.gather(
            *(world.accounts.people.create_first(new) for world, new in zip((here, there), news, strict=True)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in made) == ["Conflict", "User"]


async def test_two_owners_who_remove_each_other_at_once_on_two_servers_leave_one(postgresql_url):
    async with people.world(postgresql_url) as here, people.world(postgresql_url) as there:
        ann, bob = await here.actor("ann", "owner"), await here.actor("bob", "owner")
        results = await asyncio.gather(
            here.accounts.people.suspend(ann, "bob"),
            there.accounts.people.set_roles(bob, "ann", []),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in results) == ["Conflict", "User"]


async def test_whoever_is_suspended_while_they_sign_in_stays_suspended(postgresql_url):
    async with people.world(postgresql_url) as here, people.world(postgresql_url) as there:
        owner = await here.actor("owner", "owner")
        ann = await here.user("ann")
        for _ in range(10):
            await here.accounts.people.activate(owner, "ann")
            await asyncio.gather(
                here.store.write(here.accounts.sign_in._enter, ann.id),
                there.accounts.people.suspend(owner, "ann"),
                return_exceptions=True,
            )
            assert (await here.accounts.people.get(owner, "ann")).status == "suspended"
