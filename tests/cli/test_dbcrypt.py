from __future__ import annotations

import asyncio
import base64

import pytest

from aigateway.app.sealing import keyring
from aigateway.app.storage import store_url
from aigateway.cli import dbcrypt
from aigateway.cli.server import command as server
from aigateway.settings.secret import Secret
from aigateway.store import external_auth, sealed
from aigateway.store.engine import Store
from aigateway.store.envelope import Keyring, key_id
from tests.store.stories import ANN
from tests.store.test_sealed import link

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
OLD_TEXT, NEW_TEXT = (base64.b64encode(key).decode() for key in (OLD, NEW))


class Database:
    """A database on either engine, and the words that name it on the command line."""

    def __init__(self, tmp_path, url):
        self.words = ("--data-dir", str(tmp_path), *(("--postgres-url", url) if url else ()))
        self.url = store_url(Secret(url) if url else None, tmp_path)

    def run(self, work, *args):
        async def on_store():
            store = await Store.open(self.url)
            try:
                return await store.write(work, *args)
            finally:
                await store.close()

        return asyncio.run(on_store())


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    return Database(tmp_path, request.getfixturevalue("postgresql_url") if request.param == "postgresql" else None)


def test_everything_is_encrypted_anew(cli, database):
    database.run(external_auth.put, link(Keyring([OLD])))
    result = cli(dbcrypt.command, "rotate", "--new-key", NEW_TEXT, "--old-keys", OLD_TEXT, *database.words)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("1 secrets were encrypted anew.")
    found = database.run(external_auth.find, ANN, "github")
    assert Keyring([NEW]).unseal(found.tokens, found.place) == b"gho_canary"


def test_a_key_that_is_not_given_is_named_by_its_id(cli, database):
    database.run(external_auth.put, link(Keyring([OLD])))
    result = cli(dbcrypt.command, "rotate", *database.words, stdin=f"{NEW_TEXT}\n")
    assert result.exit_code == 1
    assert key_id(OLD) in result.output
    assert "--old-keys" in result.output
    assert NEW_TEXT not in result.output
    assert database.run(sealed.key_ids) == {key_id(OLD)}


def test_one_moves_from_the_key_in_the_data_directory_to_ones_own(cli, tmp_path):
    database = Database(tmp_path, None)
    database.run(external_auth.put, link(keyring([], tmp_path, may_make=True)))
    result = cli(server, *database.words, "dbcrypt", "rotate", "--new-key", NEW_TEXT)
    assert result.exit_code == 0, result.output
    assert database.run(sealed.key_ids) == {key_id(NEW)}


def test_everything_encrypted_can_be_deleted(cli, database):
    database.run(external_auth.put, link(Keyring([OLD])))
    assert cli(dbcrypt.command, "delete", *database.words, stdin="n\n").exit_code == 1
    assert database.run(sealed.key_ids) == {key_id(OLD)}
    result = cli(dbcrypt.command, "delete", "-y", *database.words)
    assert result.output == "1 secrets were deleted.\n"
    assert database.run(sealed.key_ids) == frozenset()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--new-key", "short"), "--new-key (CODER_EXTERNAL_TOKEN_ENCRYPTION_ENCRYPT_NEW_KEY): not 32 bytes in base64"),
        (
            ("--new-key", NEW_TEXT, "--old-keys", "short"),
            "--old-keys (CODER_EXTERNAL_TOKEN_ENCRYPTION_ENCRYPT_OLD_KEYS)",
        ),
        (("--new-key", NEW_TEXT), "--data-dir (CODER_AI_GATEWAY_DATA_DIR): there is no database in"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_options_name(cli, tmp_path, words, told):
    result = cli(dbcrypt.command, "rotate", *words, "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert told in result.output
    assert "Traceback" not in result.output
