from __future__ import annotations

import asyncio
import re
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from aigateway.store import migrations
from aigateway.store.absence import means_away
from aigateway.store.bulk import sqlite_of
from aigateway.store.engine import Store, StoreRefused, StoreTooNew, StoreUnavailable
from aigateway.store.tables import metadata
from tests.support.waiting import eventually


def run(connection, statement, **values):
    connection.execute(text(statement), values)


def ask(connection, statement):
    return connection.execute(text(statement)).scalar()


async def test_the_migrations_make_the_tables_that_the_program_uses(sqlite):
    def schema(connection):
        """The words of each statement; blanks, quotes and brackets do not matter."""
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        # FTS5 makes tables of its own, which SQLAlchemy does not know.
        own = [row for row in found if not row.name.startswith("aigateway_search_words")]
        words = {row.name: sorted(re.findall(r"\w+", row.sql)) for row in own}
        words.pop("alembic_version", None)
        return words

    migrated = await sqlite.read(schema)
    plain = create_engine("sqlite://")
    with plain.begin() as connection:
        metadata.create_all(connection)
        wanted = schema(connection)
    plain.dispose()
    assert migrated == wanted


def test_the_known_revisions_are_those_of_the_scripts():
    config = Config()
    config.set_main_option("script_location", "aigateway.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrations.HEAD]
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == migrations.REVISIONS


def test_opening_again_does_not_import_alembic(tmp_path):
    script = f"""
import asyncio, sys
from aigateway.store.engine import Store
async def main():
    store = await Store.open("sqlite:///{tmp_path / "a.sqlite3"}")
    await store.ping()
    await store.close()
asyncio.run(main())
print("alembic" in sys.modules)
"""
    for expected in ("True", "False"):
        done = subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == expected


async def test_the_files_can_be_read_by_their_owner_only(tmp_path):
    path = tmp_path / "deep" / "a.sqlite3"
    store = await Store.open(f"sqlite:///{path}")
    await store.write(run, "DELETE FROM users")
    names = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await store.close()
    assert "a.sqlite3-wal" in names
    assert set(names.values()) == {0o600}


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "a.sqlite3"
    await (await Store.open(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreTooNew, match="9999"):
        await Store.open(f"sqlite:///{path}")


async def test_a_folder_that_cannot_be_made_is_told_with_the_option(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="--data-dir"):
        await Store.open(f"sqlite:///{tmp_path / 'file' / 'a.sqlite3'}")


async def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "a.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await Store.open(f"sqlite:///{tmp_path / 'a.sqlite3'}")


async def test_a_text_that_is_no_url_is_told():
    with pytest.raises(StoreRefused, match="--postgres-url"):
        await Store.open("nonsense")


async def test_a_locked_database_is_away(sqlite, tmp_path):
    await sqlite.read(run, "PRAGMA busy_timeout=1")
    other = sqlite3.connect(tmp_path / "aigateway.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await sqlite.write(run, "SELECT 1")
    other.execute("ROLLBACK")
    other.close()
    await sqlite.write(run, "SELECT 1")


async def test_a_mistake_of_ours_is_not_taken_for_absence(store):
    with pytest.raises(DBAPIError, match=r"no such table|does not exist"):
        await store.read(run, "SELECT * FROM nonsense")


async def test_the_text_of_an_error_does_not_tell_values(store):
    with pytest.raises(DBAPIError) as told:
        await store.read(run, "SELECT :value FROM nonsense", value="a secret prompt")
    assert "secret" not in str(told.value)


async def test_a_closed_store_is_away(store):
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ping()


async def test_a_transaction_that_fails_leaves_nothing(store):
    def fail(connection):
        run(connection, "UPDATE alembic_version SET version_num = 'x'")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(fail)
    assert await store.read(ask, "SELECT version_num FROM alembic_version") == migrations.HEAD


async def test_a_transaction_whose_caller_went_away_runs_to_its_end(store):
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection):
        run(connection, "UPDATE alembic_version SET version_num = 'x'")
        begun.set()
        go_on.wait(10)
        run(connection, "UPDATE alembic_version SET version_num = version_num || 'y'")

    leaving = asyncio.create_task(store.write(slow))
    await eventually(begun.is_set)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await store.read(ask, "SELECT version_num FROM alembic_version") == migrations.HEAD
    go_on.set()
    async with asyncio.timeout(10):
        while await store.read(ask, "SELECT version_num FROM alembic_version") != "xy":  # noqa: ASYNC110  # another thread writes it
            await asyncio.sleep(0.01)


async def test_a_transaction_whose_caller_went_away_before_its_turn_never_runs(store):
    go_on, ran = threading.Event(), []
    first = asyncio.create_task(store.write(lambda _: go_on.wait(10)))
    leaving = asyncio.create_task(store.write(ran.append))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    go_on.set()
    await first
    await store.write(run, "SELECT 1")
    assert ran == []


async def test_closing_lets_the_transactions_under_way_end(store, store_url):
    go_on = threading.Event()

    def slow(connection):
        go_on.wait(10)
        run(connection, "UPDATE alembic_version SET version_num = 'x'")

    writing = asyncio.create_task(store.write(slow))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(writing, closing)
    raw = create_engine(store_url.replace("postgres://", "postgresql+psycopg://"))
    with raw.connect() as connection:
        assert ask(connection, "SELECT version_num FROM alembic_version") == "x"
    raw.dispose()


async def test_foreign_keys_are_enforced_and_the_log_is_ahead(sqlite):
    pragmas = {
        name: await sqlite.read(ask, f"PRAGMA {name}") for name in ("foreign_keys", "journal_mode", "synchronous")
    }
    assert pragmas == {"foreign_keys": 1, "journal_mode": "wal", "synchronous": 2}


def test_a_lost_connection_of_postgresql_is_absence():
    class Told(Exception):
        def __init__(self, sqlstate):
            self.sqlstate = sqlstate

    for away in ("57P01", "40P01", "25006"):
        assert means_away(OperationalError("SELECT 1", {}, Told(away)))
    for wrong in ("42P01", "23505", "25P02"):
        assert not means_away(DBAPIError("SELECT 1", {}, Told(wrong)))
    assert means_away(OperationalError("SELECT 1", {}, Told(None)))
    assert not means_away(DBAPIError("SELECT 1", {}, Told(None)))
    assert means_away(ConnectionRefusedError())


async def test_people_can_read_on_new_connections_while_somebody_writes(store):
    """A connection that is being prepared must not need the lock of the one that writes."""
    go_on = threading.Event()
    writing = asyncio.create_task(store.write(lambda _: go_on.wait(10)))

    def slow(connection):
        ask(connection, "SELECT 1")
        threading.Event().wait(0.05)

    await asyncio.gather(*(store.read(slow) for _ in range(4)))
    go_on.set()
    await writing


async def test_what_the_driver_of_sqlite_says_itself_is_told_apart_too(sqlite):
    """Rows of the record are written past SQLAlchemy."""

    def fill(connection):
        own = sqlite_of(connection)
        own.execute("PRAGMA max_page_count = 1")
        own.execute("CREATE TABLE more (x)")
        while True:
            own.execute("INSERT INTO more VALUES (zeroblob(100000))")

    with pytest.raises(StoreUnavailable, match="full"):
        await sqlite.write(fill)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await sqlite.write(lambda connection: sqlite_of(connection).execute("SELECT 1 FROM nowhere"))
