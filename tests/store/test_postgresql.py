"""What only PostgreSQL has: addresses, refusals, connections that are lost, and turns."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from aigateway.store.engine import Store, StoreRefused, StoreUnavailable
from aigateway.store.turns import Turn, has, wait_for
from tests.support.postgres import PASSWORD
from tests.support.server import free_port
from tests.support.waiting import eventually


@pytest.fixture
async def store(postgresql_url):
    opened = await Store.open(postgresql_url)
    yield opened
    await opened.close()


def run(connection, statement, **values):
    connection.execute(text(statement), values)


def ask(connection, statement):
    return connection.execute(text(statement)).scalar()


def server_pid(connection):
    return ask(connection, "SELECT pg_backend_pid()")


async def refused(url):
    with pytest.raises(StoreRefused) as told:
        await Store.open(url)
    assert "--postgres-url (CODER_PG_CONNECTION_URL)" in str(told.value)
    assert "secret" not in str(told.value)
    assert PASSWORD not in str(told.value)
    return str(told.value)


async def test_a_wrong_password_is_refused(postgresql):
    assert "password authentication failed" in await refused(postgresql.url().replace(PASSWORD, "wrong-secret"))


async def test_a_database_that_is_not_there_is_refused(postgresql):
    assert '"nowhere" does not exist' in await refused(postgresql.url("nowhere"))


async def test_a_url_that_cannot_be_read_is_refused_without_a_piece_of_its_password():
    for url in (
        "postgres://me:top/secret@host/db",
        "postgres://me:top@secret@host/db",
        "postgres://me:top#secret@host/db",
        "postgres://me:top-secret@host:port/db",
        "postgresql://me:top%secret@host/db",
        "postgres://me:pw@host/db?secretoption=1",
        "mysql://me:secret@host/db",
    ):
        await refused(url)


async def test_a_server_without_encryption_is_refused_where_encryption_is_wanted(postgresql):
    assert "SSL" in await refused(postgresql.url(sslmode="require"))


async def test_a_role_that_may_not_make_tables_is_refused(postgresql):
    postgresql.execute("CREATE ROLE guest LOGIN PASSWORD 'secret-of-a-guest'")
    try:
        with postgresql.database() as name:
            url = postgresql.url(name).replace(f"postgres:{PASSWORD}@", "guest:secret-of-a-guest@")
            assert "GRANT CREATE" in await refused(url)
    finally:
        postgresql.execute("DROP ROLE guest")


async def test_an_encoding_that_cannot_hold_every_text_is_refused(postgresql):
    postgresql.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        assert "LATIN1" in await refused(postgresql.url("latin"))
    finally:
        postgresql.execute("DROP DATABASE latin")


async def test_a_server_that_is_not_there_is_away(postgresql):
    with pytest.raises(StoreUnavailable, match="refused"):
        await Store.open(postgresql.url().replace(str(postgresql.port), str(free_port())))


async def test_both_spellings_of_the_scheme_and_options_of_the_library_are_taken(postgresql, postgresql_url):
    url = postgresql_url.replace("postgres://", "postgresql://") + "?application_name=somebody&connect_timeout=3"
    store = await Store.open(url)
    assert await store.read(ask, "SHOW application_name") == "somebody"
    await store.close()


async def test_a_password_with_special_characters_is_written_percent_encoded(postgresql):
    password = "p@ss/w:rd?#%"
    postgresql.execute(f"CREATE ROLE special LOGIN SUPERUSER PASSWORD '{password}'")
    try:
        with postgresql.database() as name:
            url = postgresql.url(name).replace(f"postgres:{PASSWORD}@", f"special:{quote(password, safe='')}@")
            await (await Store.open(url)).close()
    finally:
        postgresql.execute("DROP ROLE special")


async def test_a_transaction_that_reads_sees_one_state_and_cannot_write(store):
    def look_twice(connection):
        first = ask(connection, "SELECT count(*) FROM users")
        seen.set_result(None)
        gate.acquire()
        return first, ask(connection, "SELECT count(*) FROM users")

    seen, gate = Future(), threading.Semaphore(0)
    looking = asyncio.create_task(store.read(look_twice))
    await asyncio.wrap_future(seen)
    await store.write(
        run,
        "INSERT INTO users (id, username, rbac_roles, login_type, created_at, updated_at) "
        "VALUES (gen_random_uuid(), 'ann', '[]', 'password', now(), now())",
    )
    gate.release()
    assert await looking == (0, 0)
    assert await store.read(ask, "SELECT count(*) FROM users") == 1
    with pytest.raises(Exception, match="read-only"):
        await store.read(run, "DELETE FROM users")


async def test_what_postgresql_says_of_a_row_does_not_tell_its_values(store):
    """The details of its errors quote the row."""
    insert = "INSERT INTO users (id, username, rbac_roles, login_type, created_at, updated_at) VALUES "
    ann = "(gen_random_uuid(), 'a-secret-name', '[]', 'password', now(), now())"
    for statement in (f"{insert} {ann}, {ann}", """SELECT '{"a secret prompt": "\\u0000"}'::jsonb"""):
        with pytest.raises(DBAPIError) as told:
            await store.write(lambda connection, text: connection.exec_driver_sql(text), statement)
        cause = told.value.orig
        assert "duplicate key" in str(cause) or "unsupported Unicode" in str(cause)
        assert "secret" not in str(cause)
        assert "secret" not in str(told.value).partition("[SQL: ")[0]


async def test_connections_that_the_server_closed_are_not_begun_on(store, postgresql):
    """After a restart of the server, say: whoever comes next must not be told that it is away."""
    await asyncio.gather(*(store.read(ask, "SELECT pg_sleep(0.05)") for _ in range(4)), store.write(server_pid))
    database = await store.read(ask, "SELECT current_database()")
    postgresql.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", parameters=[database]
    )
    await asyncio.gather(*(store.read(ask, "SELECT pg_sleep(0.05)") for _ in range(4)), store.write(server_pid))


async def test_a_connection_lost_in_a_transaction_is_absence_and_the_next_works(store):
    with pytest.raises(StoreUnavailable):
        await store.write(ask, "SELECT pg_terminate_backend(pg_backend_pid())")
    await store.write(run, "SELECT 1")


async def test_a_transaction_that_hangs_is_cut(store, monkeypatch):
    """As behind a network that drops everything, or on a machine that is frozen."""
    await store.read(server_pid)
    object.__setattr__(store._reading, "limit", 0.2)
    began = time.monotonic()
    results = await asyncio.gather(*(store.read(ask, "SELECT pg_sleep(60)") for _ in range(9)), return_exceptions=True)
    assert time.monotonic() - began < 10
    assert {type(result) for result in results} == {StoreUnavailable}
    object.__setattr__(store._reading, "limit", 10)
    assert await store.read(ask, "SELECT 1") == 1


async def test_transactions_that_stop_each_other_are_tried_again(store):
    """A deadlock, which PostgreSQL ends by undoing one of the two."""
    await store.write(run, "CREATE TABLE two (id int PRIMARY KEY, n int DEFAULT 0)")
    await store.write(run, "INSERT INTO two VALUES (1), (2)")
    both = threading.Barrier(2, timeout=10)
    begun = []

    def add(connection, *order):
        begun.append(order)
        run(connection, "SET LOCAL deadlock_timeout = '50ms'")
        run(connection, "UPDATE two SET n = n + 1 WHERE id = :id", id=order[0])
        if len(begun) <= 2:
            both.wait()
        run(connection, "UPDATE two SET n = n + 1 WHERE id = :id", id=order[1])

    await asyncio.gather(store.write(add, 1, 2), store.write(add, 2, 1))
    assert len(begun) == 3
    assert await store.read(ask, "SELECT sum(n) FROM two") == 4
    await store.write(run, "DROP TABLE two")


async def test_one_at_a_time_has_the_turn(store):
    order = []

    def first(connection):
        wait_for(connection, Turn.INGEST)
        order.append("first has it")
        ask(connection, "SELECT pg_sleep(0.2)")
        order.append("first is done")

    def second(connection):
        wait_for(connection, Turn.INGEST)
        order.append("second has it")

    def third(connection):
        return has(connection, Turn.INGEST), has(connection, Turn.PURGE)

    one = asyncio.create_task(store.write(first))
    await eventually(lambda: order)
    two = asyncio.create_task(store.write(second))
    assert await store.write(third) == (False, True)
    await asyncio.gather(one, two)
    assert order == ["first has it", "first is done", "second has it"]


def test_nothing_of_postgresql_is_imported_for_sqlite(tmp_path):
    script = f"""
import asyncio, sys
from aigateway.store.engine import Store
from aigateway.store import ingest
async def main():
    store = await Store.open("sqlite:///{tmp_path}/a.sqlite3")
    await store.write(ingest.apply, [])
    await store.close()
asyncio.run(main())
print("psycopg" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
