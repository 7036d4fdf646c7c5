from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from aigateway.app.sealing import KeyUnusable, check, keyring
from aigateway.settings.secret import Secret
from aigateway.store import external_auth
from aigateway.store.engine import Store
from aigateway.store.envelope import Keyring, key_id
from tests.store.stories import ANN
from tests.store.test_sealed import link

KEY = bytes(range(32))
SECRET = Secret(base64.b64encode(KEY).decode())


def test_the_operators_keys_are_used(tmp_path):
    keys = keyring([SECRET], tmp_path, may_make=True)
    assert keys.ids == {key_id(KEY)}
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_for_this_user_alone(tmp_path):
    first = keyring([], tmp_path, may_make=True)
    assert keyring([], tmp_path, may_make=True).ids == first.ids
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_workers_that_start_together_agree_on_the_key(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: keyring([], tmp_path, may_make=True).sealing, range(16)))
    assert len(set(made)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_no_key_is_made_where_others_would_need_it(tmp_path):
    assert keyring([], tmp_path, may_make=False) is None
    assert list(tmp_path.iterdir()) == []


def test_the_made_key_still_opens_once_the_operator_sets_keys(tmp_path):
    made = keyring([], tmp_path, may_make=True)
    both = keyring([SECRET], tmp_path, may_make=True)
    assert both.sealing == key_id(KEY)
    assert both.unseal(made.seal(b"x", "row"), "row") == b"x"


def test_a_damaged_key_says_what_to_do(tmp_path):
    (tmp_path / "encryption.key").write_text("nonsense")
    with pytest.raises(KeyUnusable, match=r"is damaged.*dbcrypt delete"):
        keyring([], tmp_path, may_make=True)


def test_a_folder_that_cannot_be_written_names_the_option(tmp_path):
    with pytest.raises(KeyUnusable, match="--data-dir"):
        keyring([], tmp_path / "missing", may_make=True)


async def test_a_key_that_is_missing_keeps_the_server_from_starting(store_url):
    store = await Store.open(store_url)
    await check(store, None)
    await store.write(
        external_auth.put,
        link(Keyring([KEY])),
    )
    assert await store.read(external_auth.find, ANN, "github")
    await check(store, Keyring([bytes(32), KEY]))
    for keys in (None, Keyring([bytes(32)])):
        with pytest.raises(KeyUnusable, match=f"CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS.*{key_id(KEY)}"):
            await check(store, keys)
    await store.close()
