from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from aigateway.store import session_sums
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.ingest import apply
from aigateway.store.records import PromptUsage, TokenUsage
from aigateway.store.tables import metadata
from tests.store.stories import ANN, BOB, at, end, start, story, tool, uid
from tests.support.embedded import migrated
from tests.support.examples import examples


async def dump(store):
    """All that is in the tables of the record."""

    def rows(connection):
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table.name.startswith("aibridge_")
        }

    return await store.read(rows)


async def one(store, number):
    table = metadata.tables["aibridge_interceptions"]
    return await store.read(lambda connection: connection.execute(select(table).where(table.c.id == uid(number))).one())


async def test_a_whole_story_is_kept(store):
    await store.write(apply, story(1, 10, calls="call_1"))
    row = await one(store, 1)
    assert (row.initiator_id, row.model, row.client, row.status_code) == (ANN, "sim", "Codex", 200)
    assert (row.session_id, row.thread_parent_id, row.thread_root_id) == (uid(1), None, None)
    assert row.metadata == {"request_user_agent": "x", "attempts": 1}
    assert row.ended_at > row.started_at
    assert row.credential_hint == "sk-...abc"
    assert {name: len(rows) for name, rows in (await dump(store)).items()} == dict.fromkeys(await dump(store), 1)


async def test_nothing_is_nothing(store):
    await store.write(apply, [])


async def test_only_the_first_end_counts(store):
    await store.write(
        apply, [start(1, 0), end(1, 5, status_code=200), end(1, 6, status_code=500, metadata={"late": True})]
    )
    await store.write(apply, [end(1, 7, error_type="interrupted")])
    row = await one(store, 1)
    assert (row.status_code, row.error_type, row.ended_at.second) == (200, None, 5)
    assert row.metadata == {"request_user_agent": "x"}


async def test_an_end_may_name_the_key_that_served(store):
    await store.write(apply, [start(1, 0), end(1, 5, credential_hint="sk-...xyz")])
    assert (await one(store, 1)).credential_hint == "sk-...xyz"


async def test_a_request_with_a_tool_result_continues_the_one_that_called_the_tool(store):
    records = [*story(1, 0, calls="a"), *story(2, 10, answers="a", calls="b"), *story(3, 20, answers="b")]
    await store.write(apply, records)
    second, third = await one(store, 2), await one(store, 3)
    assert (second.thread_parent_id, second.thread_root_id, second.session_id) == (uid(1), uid(1), uid(1))
    assert (third.thread_parent_id, third.thread_root_id, third.session_id) == (uid(2), uid(1), uid(1))


async def test_nobody_continues_another_persons_thread(store):
    await store.write(apply, [*story(1, 0, calls="a"), *story(2, 10, answers="a", who=BOB)])
    assert (await one(store, 2)).thread_parent_id is None


async def test_the_newest_call_before_the_request_is_the_one_it_answers(store):
    """Some providers number their calls from zero in every answer."""
    await store.write(apply, [*story(1, 0, calls="0"), *story(2, 10, calls="0"), *story(3, 20, answers="0", calls="0")])
    assert (await one(store, 3)).thread_parent_id == uid(2)


async def test_a_later_call_with_the_same_id_does_not_adopt_an_older_request(store):
    await store.write(apply, story(1, 0, answers="0"))
    await store.write(apply, story(2, 10, calls="0"))
    assert (await one(store, 1)).thread_parent_id is None


async def test_hostile_ids_do_not_make_a_circle(store):
    """Each answers the other's call, and all times are equal."""
    for records in ([start(1, 0, answers="b"), tool(1, 0, "a")], [start(2, 0, answers="a"), tool(2, 0, "b")]):
        await store.write(apply, records)
    first, second = await one(store, 1), await one(store, 2)
    assert {first.thread_parent_id, second.thread_parent_id} in ({None, uid(1)}, {None, uid(2)})
    await store.write(apply, [start(3, 0, answers="c"), tool(3, 0, "c", row=77)])
    assert (await one(store, 3)).thread_parent_id is None


async def test_values_that_do_not_fit_do_not_hold_up_the_rows_behind_them(store):
    huge = TokenUsage(
        interception_id=uid(1), id=uid(9), msg_id="m", input_tokens=10**40, output_tokens=-5, created_at=at(0)
    )
    long = start(1, 0, client="c" * 500, client_session_id="s" * 500, credential_hint="h" * 99, model="\x00" * 9)
    await store.write(apply, [long, huge, end(1, 1, error_message="e" * 5000)])
    row = await one(store, 1)
    assert (len(row.client), len(row.client_session_id), len(row.credential_hint)) == (64, 256, 15)
    assert len(row.error_message) == 1024


async def test_a_store_that_is_away_keeps_nothing_and_says_so(store):
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.write(apply, story(1, 0))


BATCHES = (
    story(1, 0, calls="a"),
    story(2, 10, answers="a", calls="b"),
    story(3, 20, answers="b", calls="c"),
    story(4, 30, answers="c"),
    story(5, 30, answers="c", who=BOB),
    story(6, 40, answers="b"),
)


@settings(max_examples=examples(12), deadline=None)
@given(
    order=st.permutations(range(len(BATCHES))),
    again=st.lists(st.integers(0, len(BATCHES) - 1), max_size=4),
    merge=st.booleans(),
)
def test_batches_in_any_order_and_any_number_give_the_same_tables(order, again, merge):
    """Replicas ship in their own time, and a shipper that died ships again."""

    async def tables(batches):
        with tempfile.TemporaryDirectory() as folder:
            store = await Store.open(migrated(Path(folder) / "a.sqlite3"))
            try:
                for batch in batches:
                    await store.write(apply, batch)
                while await store.write(session_sums.advance, datetime(2026, 1, 2, tzinfo=UTC), 100):
                    pass
                return await dump(store)
            finally:
                await store.close()

    async def check():
        shuffled = [BATCHES[number] for number in (*order, *again)]
        if merge:
            shuffled = [[record for batch in shuffled for record in batch]]
        assert await tables(shuffled) == await _expected(tables)

    asyncio.run(check())


_known: dict[str, object] = {}


async def _expected(tables):
    if "tables" not in _known:
        _known["tables"] = await tables(BATCHES)
    return _known["tables"]


async def test_many_rows_go_in_one_transaction(store):
    records = [record for number in range(1, 501) for record in story(number, 0, calls=str(number))]
    await store.write(apply, records)
    await store.write(apply, records)
    assert {len(rows) for rows in (await dump(store)).values()} == {500}


async def test_texts_that_postgresql_cannot_keep_or_index_do_not_hold_up_a_record(store):
    """NUL characters, and names and ids of strangers that are longer than an index takes."""
    wide = "".join(chr(0x1F300 + number % 700) for number in range(3000))
    call = tool(1, 1, wide)
    prompt = PromptUsage(
        interception_id=uid(1),
        id=uid(7),
        msg_id=wide,
        prompt=f"a\x00{wide}",
        created_at=at(1),
        metadata={"\x00": ["\x00"]},
    )
    await store.write(apply, [start(1, 0, model=wide), call, prompt, end(1, 2, error_message="\x00", status_code=200)])
    await store.write(apply, [start(2, 10, answers=wide), end(2, 12, status_code=200)])
    first, second = await one(store, 1), await one(store, 2)
    assert wide.startswith(first.model)
    assert len(first.model) == 256
    assert second.thread_parent_id == uid(1), "a call's id is cut alike where it is made and where it is answered"
    table = metadata.tables["aibridge_user_prompts"]
    kept = await store.read(lambda connection: connection.execute(select(table.c.prompt, table.c.metadata)).one())
    assert kept.prompt.endswith(wide)
    if store.dialect == "postgresql":
        assert kept.prompt.startswith("a\ufffd")
        assert kept.metadata == {"\ufffd": ["\ufffd"]}


async def test_very_many_calls_in_one_answer_are_taken(sqlite):
    """More than a statement has room for."""
    calls = [tool(1, 1, f"call_{number}", row=10_000 + number) for number in range(33_000)]
    await sqlite.write(apply, [start(1, 0), *calls, start(2, 10, answers="call_32999")])
    assert (await one(sqlite, 2)).thread_parent_id == uid(1)
