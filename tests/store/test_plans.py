"""No statement that runs with every batch of records, or with every purge, reads a whole table."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import event

from aigateway.store import interceptions, purge, sessions
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.interceptions import InterceptionFilter
from tests.store.stories import ANN, end, start, story, tool, uid

LATER = datetime(2026, 2, 1, tzinfo=UTC)


def at_work(connection):
    """Everything that ingest and purge do: new rows, late ends, threads that are joined, sessions that move."""
    apply(connection, story(3, 20, answers="b", calls="c"))
    apply(connection, [start(2, 10, answers="a"), tool(2, 11, "b")])
    apply(connection, [end(2, 12, metadata={"attempts": 2})])
    apply(connection, [*story(1, 0, calls="a"), start(9, 0, client_session_id="s")])
    purge.records(connection, LATER, 10)


def plans(connection, explain, work=at_work):
    """How the database goes about each statement."""
    seen = []

    @event.listens_for(connection, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, _context, executemany):
        if not statement.startswith(("INSERT", explain, "EXPLAIN")):
            seen.append((statement, parameters[0] if executemany else parameters))

    work(connection)
    event.remove(connection, "before_cursor_execute", note)
    return {
        statement: "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
        for statement, parameters in seen
    }


def lists(connection):
    """The newest pages of all and of one person, and what is below them."""
    for whose in (None, ANN):
        wanted = InterceptionFilter(visible_to=whose)
        sessions.page(connection, wanted, after=None, offset=0, limit=10)
        sessions.below(connection, wanted, after=(LATER, uid(1), ANN), limit=10)
    everybody = InterceptionFilter(visible_to=None)
    interceptions.page(connection, everybody, after_id=None, offset=0, limit=10)
    interceptions.below(connection, everybody, after=(LATER, uid(1)), limit=10)


async def test_what_is_newest_is_read_backwards_along_an_index(sqlite):
    found = await sqlite.write(plans, "EXPLAIN QUERY PLAN", lists)
    ordered = {statement: plan for statement, plan in found.items() if "ORDER BY aibridge" in statement}
    keys = [plan for plan in ordered.values() if "_by_time" in plan or "_of_initiator" in plan]
    assert len(keys) == 6
    assert not any("TEMP B-TREE" in plan for plan in keys)


async def test_in_the_embedded_database(sqlite):
    found = await sqlite.write(plans, "EXPLAIN QUERY PLAN")
    assert len(found) > 15
    assert {statement: plan for statement, plan in found.items() if "SCAN aibridge_" in plan} == {}


def plans_without_scans(connection):
    """PostgreSQL reads small tables whole unless it is told that this is dear."""
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return plans(connection, "EXPLAIN")


async def test_in_postgresql(postgresql_url):
    store = await Store.open(postgresql_url)
    found = await store.write(plans_without_scans)
    await store.close()
    assert len(found) > 15
    assert {statement: plan for statement, plan in found.items() if "Seq Scan on aibridge_" in plan} == {}
