from __future__ import annotations

import hashlib

import pytest

from aigateway.store.envelope import KeyMissing, Keyring, SealBroken, Sealed, key_id

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def test_a_secret_comes_back_from_its_own_place_only():
    keys = Keyring([OLD])
    sealed = keys.seal(b"gho_secret", "row 1")
    assert keys.unseal(sealed, "row 1") == b"gho_secret"
    with pytest.raises(SealBroken, match="moved from another row"):
        keys.unseal(sealed, "row 2")


def test_a_secret_is_not_in_what_is_kept_and_never_looks_the_same():
    keys = Keyring([OLD])
    first, second = (keys.seal(b"gho_secret", "row") for _ in range(2))
    assert b"gho_secret" not in first.data
    assert first.data != second.data
    assert "gho" not in repr(first)


@pytest.mark.parametrize("at", [0, 1, 12, 13, -17, -1])
def test_a_changed_bit_is_noticed_wherever_it_is(at):
    keys = Keyring([OLD])
    sealed = keys.seal(b"gho_secret", "row")
    changed = bytearray(sealed.data)
    changed[at] ^= 1
    with pytest.raises(SealBroken):
        keys.unseal(Sealed(bytes(changed), sealed.key_id), "row")


@pytest.mark.parametrize("length", [0, 1, 12, 13, 20])
def test_what_was_cut_is_noticed(length):
    keys = Keyring([OLD])
    sealed = keys.seal(b"gho_secret", "row")
    with pytest.raises(SealBroken):
        keys.unseal(Sealed(sealed.data[:length], sealed.key_id), "row")


def test_the_first_key_seals_and_all_keys_open():
    old = Keyring([OLD]).seal(b"before", "row")
    both = Keyring([NEW, OLD])
    assert both.unseal(old, "row") == b"before"
    assert both.seal(b"after", "row").key_id == key_id(NEW) == both.sealing
    assert both.ids == {key_id(NEW), key_id(OLD)}


def test_a_missing_key_is_named_by_its_id():
    sealed = Keyring([OLD]).seal(b"before", "row")
    with pytest.raises(KeyMissing, match=key_id(OLD)) as caught:
        Keyring([NEW]).unseal(sealed, "row")
    assert caught.value.key_ids == (key_id(OLD),)


def test_a_secret_of_one_key_is_not_taken_for_one_of_another():
    sealed = Keyring([OLD]).seal(b"before", "row")
    with pytest.raises(SealBroken):
        Keyring([NEW, OLD]).unseal(Sealed(sealed.data, key_id(NEW)), "row")


def test_a_keys_id_is_the_documented_one():
    assert key_id(OLD) == hashlib.sha256(OLD).digest()[:7].hex()


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, bytes(16)]])
def test_a_keyring_takes_only_whole_keys(keys):
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(keys)
