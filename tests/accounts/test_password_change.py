from __future__ import annotations

import pytest

from aigateway.accounts.errors import Conflict, Invalid, Missing, NotSignedIn, Refused
from aigateway.accounts.new_user import NewUser
from aigateway.accounts.sign_in import SignIn

OLD, NEW = "correct horse", "battery staple"


@pytest.fixture
async def boss(world):
    return await world.actor("boss", "owner")


async def person(world, boss, name="ann", *roles):
    return await world.accounts.people.create(
        boss, NewUser(username=name, email=f"{name}@example.com", password=OLD, roles=roles)
    )


async def test_one_changes_ones_own_password_and_other_sessions_end(world, boss):
    await person(world, boss)
    here, there = [await world.accounts.sign_in.login("ann@example.com", OLD) for _ in range(2)]
    ann = await world.authenticator.authenticate(here)
    token = await world.accounts.keys.create_token(ann, "me", "laptop", None)
    await world.accounts.password_change.change(ann, "me", NEW, OLD)
    known = [await world.authenticator.authenticate(key) for key in (here, there, token)]
    assert [bool(actor) for actor in known] == [True, False, True]
    with pytest.raises(NotSignedIn):
        await world.accounts.sign_in.login("ann@example.com", OLD)
    await world.accounts.sign_in.login("ann@example.com", NEW)


@pytest.mark.parametrize("old", ["", "wrong", OLD + " "])
async def test_not_without_the_old_one(world, boss, old):
    await person(world, boss)
    ann = await world.authenticator.authenticate(await world.accounts.sign_in.login("ann@example.com", OLD))
    with pytest.raises(Invalid, match="old password"):
        await world.accounts.password_change.change(ann, "ann", NEW, old)
    with pytest.raises(Invalid, match="characters"):
        await world.accounts.password_change.change(ann, "ann", "short", OLD)
    await world.accounts.sign_in.login("ann@example.com", OLD)


async def test_those_who_manage_somebody_set_their_password(world, boss):
    await person(world, boss)
    await person(world, boss, "adm", "user-admin")
    session = await world.accounts.sign_in.login("ann@example.com", OLD)
    admin = await world.authenticator.authenticate(await world.accounts.sign_in.login("adm@example.com", OLD))
    await world.accounts.password_change.change(admin, "ann", NEW)
    assert await world.authenticator.authenticate(session) is None
    await world.accounts.sign_in.login("ann@example.com", NEW)
    with pytest.raises(Refused):
        await world.accounts.password_change.change(admin, "boss", NEW)


@pytest.mark.parametrize("role", ["member", "auditor"])
async def test_others_do_not(world, boss, role):
    await person(world, boss)
    other = await world.actor("other", *({role} - {"member"}))
    with pytest.raises((Refused, Missing), match=r"may not|may see"):
        await world.accounts.password_change.change(other, "ann", NEW)
    await world.accounts.sign_in.login("ann@example.com", OLD)


async def test_whoever_has_no_password_gets_none(world, boss):
    people = world.accounts.people
    await people.create(boss, NewUser(username="grace", email="grace@example.com", login_type="oidc"))
    await people.create(boss, NewUser(username="ci", is_service_account=True))
    for name in ("grace", "ci"):
        with pytest.raises(Conflict, match="does not sign in with a password"):
            await world.accounts.password_change.change(boss, name, NEW)


async def test_where_passwords_are_off_owners_alone_use_theirs(world, boss):
    await person(world, boss)
    await person(world, boss, "second", "owner")
    only = SignIn(
        world.store, world.authenticator, world.accounts.sign_in.session_duration, world.clock.now, owners_only=True
    )
    with pytest.raises(NotSignedIn, match="--disable-password-auth"):
        await only.login("ann@example.com", OLD)
    assert await only.login("second@example.com", OLD)
