"""The hash chains of the record: what was not touched is proven, and whatever is touched is found and named."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from aigateway.audit.verification import Published, heads, verify
from aigateway.store import purge
from aigateway.store.chain import LEDGER, Chain
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import InterceptionEnd, PromptUsage, TokenUsage
from aigateway.store.rows import CHILDREN, INTERCEPTION
from aigateway.store.tables import chain_links, chains, interceptions
from aigateway.store.types import Json, UtcTime
from tests.store.stories import ANN, end, start, story, uid
from tests.support.embedded import migrated
from tests.support.examples import examples

HERE = Chain(uid(0xA), "here")
THERE = Chain(uid(0xB), "there")
BEGUN = datetime(2020, 1, 1, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


async def fill(store, number=4):
    """A record of two replicas, as if it had been chained from its beginning."""
    for one in range(1, number + 1):
        where = THERE if one == 3 else HERE
        await store.write(apply, story(one, one * 10, calls=f"call_{one}"), where)
    await store.write(apply, [start(90, 900)], HERE)
    await store.write(lambda connection: connection.execute(update(chains).values(begun_at=BEGUN)))


async def problem(store, **more):
    found = (await verify(store, **more)).problem
    return None if found is None else (found.interception_id, found.what)


class Undone(Exception):
    """Everything is as before."""


async def after(store, *statements):
    """What is found once somebody has done this to the database; and then it is as before."""
    await store.write(lambda connection: [connection.execute(one) for one in statements])
    return await problem(store)


async def test_a_record_that_nobody_touched_is_proven(store):
    await fill(store)
    report = await verify(store)
    assert report.problem is None
    assert (report.checked, report.purged, report.unchained, report.unfinished) == (4, 0, 0, 1)
    assert [(one.chain_id, one.position) for one in report.heads] == [(LEDGER.id, 2), (HERE.id, 3), (THERE.id, 1)]
    assert report.heads == await heads(store)


async def test_nothing_is_nothing(store):
    report = await verify(store)
    assert (report.problem, report.checked, report.heads) == (None, 0, [])


async def test_what_comes_again_is_chained_once_and_what_comes_in_parts_as_well_as_what_comes_whole(store):
    whole = story(1, 10, calls="a")
    await store.write(apply, whole, HERE)
    await store.write(apply, whole, HERE)
    for record in story(2, 20, calls="b"):
        await store.write(apply, [record], HERE)
    await store.write(apply, [end(2, 99, status_code=500)], HERE)
    report = await verify(store)
    assert (report.problem, report.checked) == (None, 2)


async def test_threads_and_sessions_that_are_found_later_change_nothing(store):
    await store.write(apply, story(2, 20, answers="a"), HERE)
    await store.write(apply, story(1, 10, calls="a"), THERE)
    assert (await verify(store)).checked == 2


def other(column, value):
    """Another value that the column takes."""
    kind = column.type
    if isinstance(kind, UtcTime):
        return (value or NEW_YEAR) + timedelta(microseconds=1)
    if isinstance(kind, Json):
        return {**(value or {}), "more": True}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) or "INT" in str(kind):
        return (value or 0) + 1
    return uid(77) if column.name in {"initiator_id", "interception_id"} else f"{value or ''}x"[-15:]


COLUMNS = [
    (table, name)
    for table, names in ((interceptions, INTERCEPTION), *CHILDREN.items())
    for name in names
    if name not in {"id", "interception_id"}
]


async def test_whatever_column_of_whatever_row_is_changed_the_request_is_named(store):
    await fill(store, 2)
    for table, name in COLUMNS:
        key = table.c.id if table is interceptions else table.c.interception_id
        old = await store.read(lambda c, t=table, n=name, k=key: c.execute(select(t.c[n]).where(k == uid(2))).scalar())

        async def write(value, table=table, name=name, key=key):
            await store.write(lambda c: c.execute(update(table).where(key == uid(2)).values({name: value})))

        await write(other(table.c[name], old))
        found = await problem(store)
        if name == "ended_at":
            assert found is not None
        assert found is not None, (table.name, name)
        assert found[0] == uid(2), (table.name, name)
        await write(old)
        assert await problem(store) is None, (table.name, name)


async def test_whatever_row_is_removed_the_request_is_named(store):
    await fill(store, 2)
    for table in (interceptions, *CHILDREN):
        key = table.c.id if table is interceptions else table.c.interception_id
        row = dict(await store.read(lambda c, t=table, k=key: c.execute(select(t).where(k == uid(1))).mappings().one()))
        assert (await after(store, delete(table).where(key == uid(1))))[0] == uid(1)
        row.pop("session_id", None)
        assert await after(store, insert(table).values(**row)) is None


async def test_rows_that_are_put_in_are_named(store):
    await fill(store, 2)
    prompts = next(iter(CHILDREN))
    forged = {"id": uid(500), "provider_response_id": "", "prompt": "!", "metadata": {}, "created_at": NEW_YEAR}
    assert (await after(store, insert(prompts).values(interception_id=uid(1), **forged)))[0] == uid(1)
    assert (await after(store, update(prompts).where(prompts.c.id == uid(500)).values(interception_id=uid(404)))) == (
        None,
        "belongs to no interception",
    )
    assert await after(store, delete(prompts).where(prompts.c.id == uid(500))) is None
    row = {"id": uid(600), "initiator_id": ANN, "provider": "openai", "model": "sim"}
    found = await after(store, insert(interceptions).values(**row, started_at=NEW_YEAR, ended_at=NEW_YEAR))
    assert found == (uid(600), "is in no chain: the gateway did not write it")


async def test_two_that_change_places_are_found(store):
    await fill(store, 2)
    link = chain_links.c
    mine = link.chain_id == HERE.id
    found = await after(
        store,
        update(chain_links).where(mine, link.position == 1).values(interception_id=uid(2)),
        update(chain_links).where(mine, link.position == 2).values(interception_id=uid(1)),
    )
    assert found[0] == uid(2)


async def test_links_that_are_removed_are_missed_wherever_they_were(store):
    await fill(store)
    mine = chain_links.c.chain_id == HERE.id
    report = []
    for position in (3, 2, 1):
        await store.write(lambda c, p=position: c.execute(delete(chain_links).where(mine, chain_links.c.position == p)))
        found = (await verify(store)).problem
        report.append((found.chain_id, found.position, found.what))
    assert report == [
        (HERE.id, 3, "the newest links are missing"),
        (HERE.id, 2, "the newest links are missing"),
        (HERE.id, 1, "the newest links are missing"),
    ]


async def test_a_tail_that_is_cut_off_with_all_that_belongs_to_it_is_not_the_end_that_was_published(store):
    """Whoever knows how a chain works shortens it well; so its ends are published."""
    await fill(store)
    published = next(one for one in await heads(store) if one.chain_id == HERE.id)
    assert await problem(store, expected=[published]) is None

    def cut(connection):
        before = connection.execute(
            select(chain_links.c.digest).where(chain_links.c.chain_id == HERE.id, chain_links.c.position == 2)
        ).scalar_one()
        connection.execute(delete(chain_links).where(chain_links.c.chain_id == HERE.id, chain_links.c.position == 3))
        connection.execute(update(chains).where(chains.c.id == HERE.id).values(length=2, head=before))
        for table in CHILDREN:
            connection.execute(delete(table).where(table.c.interception_id == uid(4)))
        connection.execute(delete(interceptions).where(interceptions.c.id == uid(4)))

    await store.write(cut)
    assert await problem(store) is None
    assert await problem(store, expected=[published]) == (None, "the link that was published is missing")
    false = Published(HERE.id, 2, "0" * 64)
    assert await problem(store, expected=[false]) == (uid(2), "is not what was published")


async def test_a_chain_that_is_removed_is_missed(store):
    await fill(store)

    def remove(connection):
        for table in CHILDREN:
            connection.execute(delete(table).where(table.c.interception_id == uid(3)))
        connection.execute(delete(interceptions).where(interceptions.c.id == uid(3)))
        connection.execute(delete(chain_links).where(chain_links.c.chain_id == THERE.id))
        connection.execute(delete(chains).where(chains.c.id == THERE.id))

    await store.write(remove)
    found = (await verify(store)).problem
    assert (found.chain_id, found.what) == (THERE.id, "the whole chain is missing")


async def test_a_chain_that_is_put_in_is_found(store):
    await fill(store)
    await store.write(lambda c: c.execute(delete(chain_links).where(chain_links.c.chain_id == LEDGER.id)))
    await store.write(lambda c: c.execute(delete(chains).where(chains.c.id == LEDGER.id)))
    assert (await verify(store)).problem.what == "the ledger does not know this chain"


async def test_what_retention_removed_is_known_and_what_only_looks_like_it_is_not(store):
    await fill(store)
    await store.write(purge.records, NEW_YEAR + timedelta(seconds=25), 100)
    report = await verify(store)
    assert (report.problem, report.checked, report.purged) == (None, 2, 2)
    assert await store.read(lambda c: c.execute(text("SELECT count(*) FROM audit_chain_links")).scalar()) == 6
    mine = chain_links.c.interception_id == uid(4)
    assert (await after(store, update(chain_links).where(mine).values(purged=True))) == (
        uid(4),
        "is marked as purged, and retention did not purge it",
    )
    await after(store, update(chain_links).where(mine).values(purged=False))
    ledger = (chain_links.c.chain_id == LEDGER.id) & (chain_links.c.position == 3)
    forged = text("UPDATE audit_chain_links SET detail = replace(detail, '[[1,2]]', '[[1,3]]') WHERE position = 3")
    found = await after(store, forged)
    assert found[1] == "was changed, or rows of it were changed, removed or added"
    await after(store, delete(chain_links).where(ledger))
    assert (await verify(store)).problem is not None


async def test_all_that_was_purged_and_came_again_and_went_again_is_proven(store):
    await fill(store)
    later = NEW_YEAR + timedelta(days=1)
    for _ in range(2):
        while await store.write(purge.records, later, 1):
            pass
        assert await problem(store) is None
        await store.write(apply, story(1, 10, calls="call_1"), HERE)
        assert await problem(store) is None
    await store.write(apply, story(7, 70), HERE)
    report = await verify(store)
    assert (report.problem, report.checked, report.purged) == (None, 2, 5)


async def test_what_is_older_than_the_chains_is_told_apart(store):
    await fill(store, 1)
    row = {"id": uid(600), "initiator_id": ANN, "provider": "openai", "model": "sim"}
    old = datetime(2019, 1, 1, tzinfo=UTC)
    assert await after(store, insert(interceptions).values(**row, started_at=old, ended_at=old)) is None
    assert (await verify(store)).unchained == 1
    assert await problem(store, chained_since=old) == (uid(600), "is in no chain: the gateway did not write it")


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
METADATA = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat(timespec="microseconds") + "Z"
)


@settings(max_examples=examples(6), deadline=None)
@given(data=st.data())
def test_whatever_is_recorded_is_proven_on_either_database(data, postgresql_url_of_this_module):
    """Metadata in any order, odd numbers, NUL characters, texts that are cut, times of any precision."""
    rows = []
    for number in range(1, 4):
        prompt = PromptUsage(
            interception_id=uid(number),
            id=uid(1000 + number),
            msg_id=data.draw(st.text(max_size=3)),
            prompt=data.draw(st.text()),
            created_at=data.draw(TIMES),
            metadata=data.draw(METADATA),
        )
        usage = TokenUsage(
            interception_id=uid(number),
            id=uid(2000 + number),
            msg_id="m",
            input_tokens=data.draw(st.integers(-5, 2**65)),
            output_tokens=1,
            created_at=data.draw(TIMES),
            metadata=data.draw(METADATA),
        )
        ended = InterceptionEnd(
            interception_id=uid(number),
            ended_at=data.draw(TIMES),
            error_message=data.draw(st.text() | st.just("e" * 2000)),
            metadata=data.draw(METADATA),
        )
        begun = start(
            number,
            1,
            model=data.draw(st.text(max_size=300)),
            client_session_id=data.draw(st.none() | st.text(max_size=300)),
            metadata=data.draw(METADATA),
        )
        rows.append([begun, prompt, usage, ended])
    cut = data.draw(st.integers(1, 4))

    async def run(url):
        store = await Store.open(url)
        try:
            for table in (chain_links, chains, interceptions, *CHILDREN):
                await store.write(lambda c, t=table: c.execute(delete(t)))
            for records in rows:
                await store.write(apply, records[:cut], HERE)
                await store.write(apply, records[cut:], HERE)
            report = await verify(store, chained_since=BEGUN)
            assert (report.problem, report.checked) == (None, 3)
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(migrated(Path(folder) / "a.sqlite3")))
    asyncio.run(run(postgresql_url_of_this_module))


@pytest.fixture(scope="module")
def postgresql_url_of_this_module(postgresql):
    with postgresql.database() as name:
        yield postgresql.url(name)
