"""Secrets at rest in both databases: put, changed, rotated and cleared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from aigateway.store import external_auth, sealed
from aigateway.store.envelope import KeyMissing, Keyring, SealBroken, key_id
from aigateway.store.external_auth import Link
from tests.store.stories import ANN, BOB

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def link(keys, user=ANN, provider="github", secret=b"gho_canary", **more):
    fields = {"expires_at": None, "failure": "", "created_at": WHEN, "updated_at": WHEN} | more
    tokens = keys.seal(secret, external_auth.place(user, provider))
    return Link(user_id=user, provider_id=provider, tokens=tokens, **fields)


def opened(keys, found):
    return keys.unseal(found.tokens, found.place)


async def test_an_account_is_kept_with_its_tokens(store):
    keys = Keyring([OLD])
    await store.write(external_auth.put, link(keys, expires_at=WHEN))
    found = await store.read(external_auth.find, ANN, "github")
    assert opened(keys, found) == b"gho_canary"
    assert (found.expires_at, found.failure) == (WHEN, "")
    assert await store.read(external_auth.find, BOB, "github") is None


async def test_linking_again_takes_the_place_of_what_was_there(store):
    keys = Keyring([OLD])
    await store.write(external_auth.put, link(keys))
    await store.write(external_auth.put, link(keys, secret=b"gho_second"))
    [found] = await store.read(external_auth.of_user, ANN)
    assert opened(keys, found) == b"gho_second"


async def test_a_change_does_not_undo_one_that_came_before(store):
    keys = Keyring([OLD])
    first = link(keys)
    await store.write(external_auth.put, first)
    assert await store.write(external_auth.replace, first, link(keys, secret=b"two"))
    assert not await store.write(external_auth.replace, first, link(keys, secret=b"three"))
    assert opened(keys, await store.read(external_auth.find, ANN, "github")) == b"two"


async def test_an_account_can_be_removed_and_so_can_all_of_a_person(store):
    keys = Keyring([OLD])
    for user, provider in ((ANN, "github"), (ANN, "gitlab"), (BOB, "github")):
        await store.write(external_auth.put, link(keys, user, provider))
    assert await store.write(external_auth.remove, ANN, "github")
    assert not await store.write(external_auth.remove, ANN, "github")
    await store.write(external_auth.remove_all, ANN)
    assert await store.read(external_auth.of_user, ANN) == []
    assert len(await store.read(external_auth.of_user, BOB)) == 1


async def test_a_secret_that_is_copied_to_another_row_is_refused(store):
    keys = Keyring([OLD])
    await store.write(external_auth.put, link(keys, BOB))
    theirs = await store.read(external_auth.find, BOB, "github")
    await store.write(external_auth.put, replace(theirs, user_id=ANN))
    stolen = await store.read(external_auth.find, ANN, "github")
    with pytest.raises(SealBroken):
        opened(keys, stolen)


async def test_rotation_seals_everything_anew(store, monkeypatch):
    monkeypatch.setattr(sealed, "_BATCH", 2)
    old, both = Keyring([OLD]), Keyring([NEW, OLD])
    for number in range(5):
        await store.write(external_auth.put, link(old, ANN, f"service-{number}", f"secret {number}".encode()))
    assert await store.read(sealed.key_ids) == {key_id(OLD)}
    done = []
    while count := await store.write(sealed.reseal, both):
        done.append(count)
    assert done == [2, 2, 1]
    assert await store.read(sealed.key_ids) == {key_id(NEW)}
    found = await store.read(external_auth.of_user, ANN)
    assert [opened(Keyring([NEW]), each) for each in found] == [f"secret {n}".encode() for n in range(5)]


async def test_rotation_stops_at_a_secret_that_it_cannot_open_and_changes_nothing(store):
    await store.write(external_auth.put, link(Keyring([OLD])))
    with pytest.raises(KeyMissing, match=key_id(OLD)):
        await store.write(sealed.reseal, Keyring([NEW]))
    assert await store.read(sealed.key_ids) == {key_id(OLD)}


async def test_everything_sealed_can_be_cleared(store):
    keys = Keyring([OLD])
    await store.write(external_auth.put, link(keys))
    await store.write(external_auth.put, link(keys, BOB))
    assert await store.write(sealed.clear) == 2
    assert await store.read(sealed.key_ids) == frozenset()


def test_every_sealed_column_has_its_key_beside_it():
    for column in sealed.COLUMNS:
        assert column.data.table is column.key_id.table


async def test_the_secret_is_not_in_the_row(store):
    await store.write(external_auth.put, link(Keyring([OLD])))
    row = await store.read(lambda connection: connection.execute(text("SELECT * FROM external_auth_links")).one())
    assert not any(b"canary" in bytes(value) for value in row if isinstance(value, bytes | memoryview))
    assert "canary" not in repr(row)
