"""`aigateway audit` over a real database."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing

import pytest

from aigateway.app.datadir import DataDirError
from aigateway.app.shipping import own_chain
from aigateway.cli.main import main
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from tests.store.stories import story, uid


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("CODER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CODER_AI_GATEWAY_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def chain(data_dir):
    """A database with three requests in the chain of this data directory."""
    chain = own_chain(data_dir)

    async def fill():
        store = await Store.open(f"sqlite:///{data_dir / 'aigateway.sqlite3'}")
        for number in (1, 2, 3):
            await store.write(apply, story(number, number * 10), chain)
        await store.close()

    asyncio.run(fill())
    return chain.id


def tamper(data_dir, statement):
    with closing(sqlite3.connect(data_dir / "aigateway.sqlite3")) as rows:
        rows.execute(statement)
        rows.commit()


def test_what_is_as_it_was_written_is_said_to_be(cli, chain):
    result = cli(main, "audit", "verify", "--chained-since", "2020-01-01T00:00:00Z")
    assert result.exit_code == 0, result.output
    assert "As they were written: 3 requests." in result.output
    assert f"Checked up to {chain}:3:" in result.output


def test_the_first_request_that_was_changed_is_named_with_status_1(cli, data_dir, chain):
    tamper(data_dir, f"UPDATE aibridge_user_prompts SET prompt = '' WHERE interception_id = '{uid(2)}'")  # noqa: S608  # of constants
    result = cli(main, "audit", "verify")
    assert result.exit_code == 1
    assert f"NOT as it was written: the request {uid(2)} in chain {chain}, link 2: was changed" in result.stderr
    found = json.loads(cli(main, "audit", "verify", "--json").output)
    assert (found["intact"], found["checked"]) == (False, 1)
    assert found["problem"]["interception_id"] == uid(2)


def test_the_record_in_postgresql_is_checked_too(cli, data_dir, postgresql, postgresql_url):
    async def fill():
        store = await Store.open(postgresql_url)
        for number in (1, 2, 3):
            await store.write(apply, story(number, number * 10), own_chain(data_dir))
        await store.close()

    asyncio.run(fill())
    result = cli(main, "audit", "verify", "--postgres-url", postgresql_url)
    assert result.exit_code == 0, result.output
    assert "As they were written: 3 requests." in result.output
    postgresql.execute(
        f"DELETE FROM aibridge_user_prompts WHERE interception_id = '{uid(3)}'",  # noqa: S608  # of constants
        postgresql_url.rsplit("/", 1)[1],
    )
    result = cli(main, "audit", "verify", "--postgres-url", postgresql_url)
    assert result.exit_code == 1
    assert f"the request {uid(3)}" in result.stderr


def test_heads_can_be_printed_and_checked_against_later(cli, data_dir, chain):
    published = cli(main, "audit", "head").output.split()
    assert json.loads(cli(main, "audit", "head", "--json").output) == {"heads": published}
    expect = [word for one in published for word in ("--expect", one)]
    assert cli(main, "audit", "verify", *expect).exit_code == 0
    false = f"{chain}:3:{'0' * 64}"
    result = cli(main, "audit", "verify", "--expect", false)
    assert result.exit_code == 1
    assert "is not what was published" in result.stderr


def test_what_cannot_be_checked_has_status_2(cli, data_dir):
    assert cli(main, "audit", "verify", "--expect", "nonsense").exit_code == 2
    (data_dir / "aigateway.sqlite3").mkdir()
    result = cli(main, "audit", "verify")
    assert result.exit_code == 2
    assert "could not be checked" in result.output + result.stderr


def test_a_data_directory_has_one_chain_for_ever(data_dir):
    first = own_chain(data_dir)
    assert own_chain(data_dir) == first
    assert (data_dir / "chain").stat().st_mode & 0o077 == 0
    (data_dir / "chain").write_text("nonsense")
    with pytest.raises(DataDirError, match="--data-dir"):
        own_chain(data_dir)
