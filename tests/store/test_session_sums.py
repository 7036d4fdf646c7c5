from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest
from sqlalchemy import select

from aigateway.store import interception_count, interceptions, session_sums
from aigateway.store.ingest import apply
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.records import TokenUsage
from aigateway.store.session_sums import TokenSum
from aigateway.store.tables import session_uses, sessions
from tests.store.stories import ANN, BOB, at, end, start, story, tool, uid
from tests.store.test_session_search import drawn, is_meant, records

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOW = NEW_YEAR + timedelta(hours=1)
EVERY = {
    "visible_to": [None, BOB],
    "model": [None, "a"],
    "started_after": [None, NEW_YEAR + timedelta(seconds=20)],
    "started_before": [None, NEW_YEAR + timedelta(seconds=35)],
    "error_type": [None],
    "texts": [()],
}


async def sum_up(store, now=NOW):
    while await store.write(session_sums.advance, now, 2):
        pass


async def without_sums(store):
    """The sessions, and what was used in them, that are not summed up."""

    def ask(connection):
        for table in (sessions, session_uses):
            query = select(table.c.session_id).where(table.c.interceptions.is_(None)).order_by(table.c.session_id)
            yield connection.execute(query).scalars().all()

    return await store.read(lambda connection: list(ask(connection)))


async def come_to(store, session, who=ANN):
    return (await store.read(session_sums.sums, [(session, who)]))[session, who]


def usage(number, second, tokens):
    common = {"interception_id": uid(number), "msg_id": "", "created_at": at(second)}
    return TokenUsage(id=uid(5000 + number), input_tokens=tokens, output_tokens=0, **common)


async def test_a_session_is_summed_up_when_nothing_has_begun_in_it_for_a_while(store):
    await store.write(apply, [start(1, 0, client_session_id="s"), end(1, 9)])
    assert not await store.ask(session_sums.is_behind, NEW_YEAR + session_sums.QUIET)
    later = NEW_YEAR + session_sums.QUIET + timedelta(seconds=1)
    assert await store.ask(session_sums.is_behind, later)
    await sum_up(store, later)
    assert not await store.ask(session_sums.is_behind, later)
    assert await without_sums(store) == [[], []]


async def test_a_session_of_one_request_is_summed_up_when_that_ends(store):
    """But for those of which it cannot be said so simply; and whatever joins it takes its sums away."""
    usages = [usage(4, 1, 7), TokenUsage(**{**msgspec.structs.asdict(usage(4, 2, 8)), "id": uid(9)})]
    await store.write(apply, [start(1, 0), usage(1, 1, 7), end(1, 9, error_type="timeout"), start(2, 0), end(2, 3)])
    await store.write(apply, [start(3, 0, metadata={"purpose": "title"}), end(3, 1), start(4, 0), *usages, end(4, 3)])
    await store.write(apply, [start(5, 0), usage(5, 1, 7)])
    await store.write(apply, [end(5, 2)])
    assert await without_sums(store) == [[uid(3), uid(4)]] * 2
    told = [await come_to(store, uid(number)) for number in range(1, 6)]
    await store.write(session_sums.forget_since, NEW_YEAR)
    assert [len(sessions) for sessions in await without_sums(store)] == [5, 5]
    assert [await come_to(store, uid(number)) for number in range(1, 6)] == told
    await sum_up(store)
    await store.write(apply, story(6, 20, calls="a"))
    assert await without_sums(store) == [[], []]
    await store.write(apply, story(7, 30, answers="a"))
    assert (await come_to(store, uid(6))).interceptions == 2
    assert await without_sums(store) == [[uid(6)]] * 2


async def test_the_sums_are_what_the_requests_come_to(store):
    await store.write(
        apply,
        [
            *story(1, 0, calls="a"),
            *story(2, 2, answers="a"),
            start(3, 4, client_session_id=uid(1), model="other"),
            end(3, 20, error_type="timeout"),
            start(4, 5, client_session_id=uid(1), metadata={"purpose": "title"}),
            end(4, 6),
        ],
    )
    read = await come_to(store, uid(1))
    await sum_up(store)
    assert await come_to(store, uid(1)) == read
    assert (read.threads, read.interceptions, read.failures) == (2, 4, 1)
    assert read.tokens == TokenSum(input_tokens=2, output_tokens=4)
    assert read.ended_at == NEW_YEAR + timedelta(seconds=20)


async def test_whatever_is_written_of_a_session_takes_its_sums_away(store):
    told = {"client_session_id": "s"}
    writes = [
        [start(1, 0, **told), end(1, 1)],
        [start(2, 2, **told), usage(2, 3, 10)],
        [end(2, 4)],
        [usage(1, 5, 100)],  # late
        [start(3, 6, answers="a", **told), end(3, 7)],
        [start(4, 1, **told), tool(4, 2, "a"), end(4, 3)],  # now 3 goes on from it, in the same session
    ]
    found = []
    for rows in writes:
        await store.write(apply, rows)
        await sum_up(store)
        one = await come_to(store, "s")
        found.append((one.interceptions, one.threads, one.tokens.input_tokens))
    assert found == [(1, 1, 0), (1, 1, 0), (2, 2, 10), (2, 2, 110), (3, 3, 110), (4, 3, 110)]


async def test_only_what_was_used_again_is_counted_anew(store):
    await store.write(apply, [start(1, 0, client_session_id="s"), end(1, 1)])
    await store.write(apply, [start(2, 0, client_session_id="s", model="other"), end(2, 1)])
    await store.write(apply, [start(3, 0, client_session_id="t"), end(3, 1)])
    await sum_up(store)
    await store.write(apply, [start(4, 2, client_session_id="s"), end(4, 3)])
    assert await without_sums(store) == [["s"], ["s"]]


async def test_sessions_that_an_older_version_may_have_changed_are_summed_up_anew(store):
    for number in (1, 2):
        await store.write(apply, [start(number, number, client_session_id=f"s{number}"), end(number, 9)])
    await sum_up(store)
    await store.write(session_sums.forget_since, NEW_YEAR + timedelta(seconds=2))
    assert await without_sums(store) == [["s2"], ["s2"]]


@pytest.mark.parametrize("read_at_most", [0, 2000], ids=["all read", "summed up"])
async def test_interceptions_are_counted_right_whatever_is_summed_up(store, monkeypatch, read_at_most):
    monkeypatch.setattr(interception_count, "_READ_AT_MOST", read_at_most)
    rows = list(drawn())
    random.Random(5).shuffle(rows)

    def check(connection, ended):
        for values in product(*EVERY.values()):
            wanted = dict(zip(EVERY, values, strict=True))
            page = interceptions.page(connection, InterceptionFilter(**wanted), after_id=None, offset=0, limit=1)
            assert page.count == sum(1 for row in ended if is_meant(row, wanted)), wanted

    for there, more in ((0, 40), (40, len(rows))):
        await store.write(apply, [record for row in rows[there:more] for record in records(row)])
        ended = [row for row in rows[:more] if row["ended"]]
        await store.read(check, ended)
        await store.write(session_sums.advance, NOW, 4)
        await store.read(check, ended)
        await sum_up(store)
        await store.read(check, ended)
