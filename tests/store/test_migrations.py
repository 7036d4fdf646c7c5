from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from aigateway.audit.indexer import Indexer
from aigateway.store import interceptions, migrations
from aigateway.store.engine import Store, StoreTooNew, StoreUnavailable, _database
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.migrations.run import upgrade
from aigateway.store.search.words import Phrase
from aigateway.store.tables import metadata_for_postgresql
from tests.store.stories import ANN, uid
from tests.support.waiting import eventually

TIME = "'2026-01-01T00:00:00.000000Z'"
ROWS = f"""
INSERT INTO users (id, email, username, rbac_roles, login_type, created_at, updated_at)
VALUES ('{ANN}', 'ann@example.com', 'ann', '["owner"]', 'password', {TIME}, {TIME});

INSERT INTO api_keys
(id, hashed_secret, user_id, expires_at, login_type, scopes, allow_list, created_at, updated_at)
SELECT 'key' || n, 'hash', '{ANN}', {TIME}, 'token', '[]', '[]', {TIME}, {TIME}
FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS numbers;

INSERT INTO aibridge_interceptions (id, initiator_id, provider, model, started_at, ended_at, metadata)
VALUES ('{uid(1)}', '{ANN}', 'openai', 'sim', {TIME}, {TIME}, '{{}}'),
       ('{uid(2)}', '{ANN}', 'openai', 'sim', {TIME}, NULL, NULL);

INSERT INTO aibridge_token_usages (id, interception_id, input_tokens, output_tokens, created_at)
VALUES ('{uid(3)}', '{uid(1)}', 1, 2, {TIME});

INSERT INTO aibridge_user_prompts (id, interception_id, prompt, created_at)
VALUES ('{uid(4)}', '{uid(1)}', 'hello', {TIME});
"""  # noqa: S608  # of constants
"""Rows as the first schema takes them, in SQL that both engines read."""
TABLES = ("users", "api_keys", "aibridge_interceptions", "aibridge_token_usages", "aibridge_user_prompts")


@pytest.fixture
def empty_url(request, tmp_path, store_engine):
    """A database without a schema."""
    if store_engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'aigateway.sqlite3'}"
        return
    server = request.getfixturevalue("postgresql")
    with server.database() as name:
        yield server.url(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_engine(request):
    return request.param


def ask(connection, statement):
    return connection.execute(text(statement)).scalar()


def make_revision(url, revision, rows):
    """A database as an older version left it."""
    engine = _database(url).engine
    options = {"aigateway_writes": True} if url.startswith("sqlite") else {}
    with engine.execution_options(**options).connect() as connection:
        if url.startswith("sqlite"):
            with connection.begin():
                upgrade(connection, revision)
        else:
            upgrade(connection, revision)
    with engine.begin() as connection:
        for statement in rows.split(";\n\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()


async def search(store):
    """How often a text of an older version is found, and whether that is all."""
    wanted = InterceptionFilter(visible_to=ANN, texts=(Phrase(("hello",)),))
    page = await store.read(interceptions.page, wanted, after_id=None, offset=0, limit=10)
    return page.count, page.is_complete


def counts(connection):
    return [ask(connection, f"SELECT count(*) FROM {table}") for table in TABLES]  # noqa: S608  # constants


@pytest.mark.parametrize("released", migrations.REVISIONS[:-1])
async def test_a_database_of_each_older_version_is_brought_up_to_date_with_its_rows(empty_url, released):
    make_revision(empty_url, released, ROWS)
    store = await Store.open(empty_url)
    assert await store.read(ask, "SELECT version_num FROM alembic_version") == migrations.HEAD
    assert await store.read(counts) == [1, 3, 2, 1, 1]
    if released < "0008":  # Versions from then on took rows into the index as they came, which these did not.
        assert await search(store) == (0, False)
        await Indexer(store).catch_up()
        assert await search(store) == (1, True)
    await store.close()


async def test_the_tables_on_postgresql_are_those_that_the_program_uses(postgresql_url):
    engine = _database(postgresql_url).engine
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata_for_postgresql())
    engine.dispose()
    assert differences == []


@pytest.mark.parametrize("old", [None, "0001"])
def test_many_processes_may_start_on_one_database_that_is_empty_or_old(empty_url, old):
    """Each migrates, or waits for the one that does."""
    if old:
        make_revision(empty_url, old, ROWS)
    script = """
import asyncio, sys
from aigateway.store.engine import Store
async def main():
    store = await Store.open(sys.argv[1])
    print(store.dialect)
    await store.close()
asyncio.run(main())
"""
    starting = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", script, empty_url], stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in starting]
    assert [status for _, _, status in ended] == [0] * 4, ended
    engine = _database(empty_url).engine
    with engine.connect() as connection:
        assert ask(connection, "SELECT version_num FROM alembic_version") == migrations.HEAD
        assert counts(connection) == ([1, 3, 2, 1, 1] if old else [0] * 5)
    engine.dispose()


async def test_a_revision_that_was_interrupted_is_run_again(postgresql):
    """An index whose building was interrupted is there, and not valid."""
    with postgresql.database() as name:
        make_revision(postgresql.url(name), "0001", ROWS)
        postgresql.execute("CREATE INDEX ix_api_keys_expires_at ON api_keys (expires_at)", name)
        postgresql.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_api_keys_expires_at'::regclass", name
        )
        await (await Store.open(postgresql.url(name))).close()
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_api_keys_expires_at'::regclass"
        assert postgresql.execute(valid, name) == [(True,)]


async def test_people_write_while_an_index_is_built(postgresql):
    """The build waits for the transactions that are open, and they do not wait for it."""
    with postgresql.database() as name:
        make_revision(postgresql.url(name), "0001", ROWS)
        engine = create_engine(postgresql.url(name).replace("postgres://", "postgresql+psycopg://"))
        with engine.begin() as busy:
            busy.exec_driver_sql("UPDATE api_keys SET last_used = now()")
            opening = asyncio.create_task(Store.open(postgresql.url(name)))
            building = (
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
            )
            await eventually(lambda: postgresql.execute(building, name))
            with engine.begin() as other:
                other.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
                other.exec_driver_sql(
                    "INSERT INTO api_keys SELECT 'other', hashed_secret, user_id, last_used, expires_at, "
                    "lifetime_seconds, login_type, 'other', scopes, allow_list, ip_address, created_at, updated_at "
                    "FROM api_keys WHERE id = 'key1'"
                )
        await (await opening).close()
        engine.dispose()
        assert postgresql.execute("SELECT count(*) FROM api_keys", name) == [(4,)]


async def test_a_migration_does_not_hold_up_a_busy_table(postgresql, monkeypatch):
    """It gives up its place in the queue for the table's lock, and may be tried again."""
    monkeypatch.setattr("aigateway.store.postgresql._DDL_LOCK_TIMEOUT", "100ms")
    with postgresql.database() as name:
        make_revision(postgresql.url(name), "0002", ROWS)
        engine = create_engine(postgresql.url(name).replace("postgres://", "postgresql+psycopg://"))
        with engine.begin() as busy:
            busy.exec_driver_sql("UPDATE api_keys SET last_used = now()")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await Store.open(postgresql.url(name))
        engine.dispose()
        await (await Store.open(postgresql.url(name))).close()


async def test_a_newer_schema_is_left_alone(store_url):
    store = await Store.open(store_url)
    await store.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await store.close()
    with pytest.raises(StoreTooNew, match="9999"):
        await Store.open(store_url)
