from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from aigateway.store import interceptions, purge, sessions
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.records import ModelThought, PromptUsage
from aigateway.store.search import index
from aigateway.store.search.documents import Document, put
from aigateway.store.search.words import Phrase
from aigateway.store.tables import interceptions as interception_table
from aigateway.store.tables import search_documents, search_queue, search_tasks
from tests.store.stories import ANN, BOB, at, end, start, tool, uid
from tests.support.examples import examples

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = {
    1: "Why does get_user in src/app.py return nothing?",
    2: "東京都の天気を調べてください",
    3: "把用户登录的接口改成异步",
    4: "Die Straße nach München, bitte naïve",
    5: "def getUserName(): return 'anything'",
}


def asked(number, prompt, *, who=ANN, second=None, thought=None, called=None, **more):
    """An interception with a prompt, and whatever came of it."""
    second = number if second is None else second
    common = {"interception_id": uid(number), "msg_id": "", "created_at": at(second)}
    return [
        start(number, second, who=who, **more),
        PromptUsage(id=uid(2000 + number), prompt=prompt, **common),
        *([ModelThought(id=uid(4000 + number), content=thought, **common)] if thought else []),
        *([tool(number, second, called)] if called else []),
        end(number, second + 1),
    ]


async def catch_up(store, limit=100):
    while await store.write(index.advance, limit):
        pass


@pytest.fixture
def later(monkeypatch):
    """No text is so short that SQLite takes it in at once."""
    monkeypatch.setattr(index, "_MOST_AT_ONCE", -1)


def documents_and_queue(connection):
    """How many interceptions are in the index, and how many wait for it."""
    return [connection.execute(select(func.count(table.c.id))).scalar() for table in (search_documents, search_queue)]


async def found(store, *texts, visible_to=None, **more):
    """The numbers of the interceptions that are found, and that sessions agree."""
    wanted = InterceptionFilter(visible_to=visible_to, texts=tuple(map(Phrase.of, texts)), **more)

    def look(connection):
        return (
            interceptions.page(connection, wanted, after_id=None, offset=0, limit=100),
            sessions.page(connection, wanted, after=None, offset=0, limit=100),
        )

    page, seen = await store.read(look)
    assert page.count == len(page.interceptions)
    assert {row["session_id"] for row in page.interceptions} == {one.id for one in seen.sessions}
    return sorted(int(row["id"].replace("-", ""), 16) for row in page.interceptions)


FOUND = [
    (["get_user"], [1]),
    (["GET_USER"], [1]),
    (["get user"], [1]),
    (["user get"], []),
    (["src/app.py"], [1]),
    (["app.py"], [1]),
    (["app"], [1]),
    (["ap"], []),
    (["ap*"], [1]),
    (["src/ap*"], [1]),
    (["nothing", "why"], [1]),
    (["nothing", "anything"], []),
    (["getuser*"], [5]),
    (["東京"], [2]),
    (["京都"], [2]),
    (["東都"], []),
    (["天気", "東京都"], [2]),
    (["登录"], [3]),
    (["strasse"], [4]),
    (["STRASSE", "münchen"], [4]),
    (["munchen"], []),
    (["naïve"], [4]),
]


async def test_what_is_found(store):
    for number, prompt in TEXTS.items():
        await store.write(apply, asked(number, prompt))
    await catch_up(store)
    for texts, numbers in FOUND:
        assert await found(store, *texts) == numbers, texts


async def test_prompts_thoughts_tools_and_their_input_are_found_and_one_request_has_all_phrases(store):
    await store.write(apply, asked(1, "mend the build", thought="the linker is missing", called="c"))
    await store.write(apply, asked(2, "linker"))
    await catch_up(store)
    assert await found(store, "mend", "linker", "shell") == [1]
    assert await found(store, "linker") == [1, 2]
    assert await found(store, "build the linker") == []  # no phrase goes from one text into the next


async def test_other_conditions_hold_for_the_same_request(store):
    await store.write(apply, asked(1, "hello", model="a", client_session_id="s"))
    await store.write(apply, asked(2, "goodbye", model="b", client_session_id="s"))
    await catch_up(store)
    assert await found(store, "hello", model="a") == [1]
    assert await found(store, "hello", model="b") == []
    assert await found(store, "hello", started_after=NEW_YEAR + timedelta(seconds=2)) == []
    assert await found(store, "hello", started_after=NEW_YEAR + timedelta(seconds=1)) == [1]
    assert await found(store, "hello", started_before=NEW_YEAR + timedelta(seconds=1)) == [1]
    assert await found(store, "hello", started_before=NEW_YEAR) == []
    before_all = {"started_after": datetime.min.replace(tzinfo=UTC), "started_before": NEW_YEAR + timedelta(days=999)}
    assert await found(store, "hello", **before_all) == [1]
    assert await found(store, "hello", initiator_id=ANN) == [1]
    assert await found(store, "hello", initiator_id=BOB) == []


async def test_a_member_finds_only_their_own_even_where_others_write_their_id(store):
    await store.write(apply, asked(1, f"secret by:{BOB} {BOB.replace('-', '')}", who=ANN))
    await store.write(apply, asked(2, "secret", who=BOB))
    await catch_up(store)
    assert await found(store, "secret") == [1, 2]
    assert await found(store, "secret", visible_to=BOB) == [2]
    assert await found(store, "secret", visible_to=BOB, initiator_id=ANN) == []
    assert await found(store, BOB.replace("-", "")) == [1]


async def test_of_words_that_are_everywhere_the_newest_are_found_and_the_answer_says_so(store):
    most = {"most_with_texts": 3}
    for number in range(1, 6):
        await store.write(apply, asked(number, "hello", who=BOB if number == 1 else ANN))
    await catch_up(store)
    assert await found(store, "hello", **most) == [3, 4, 5]
    assert await found(store, "hello", visible_to=BOB, **most) == [1]
    complete = {}
    for name, more in {
        "all": {},
        "bob's": {"visible_to": BOB},
        "late": {"started_after": NEW_YEAR + timedelta(seconds=3)},
    }.items():
        wanted = InterceptionFilter(**{"visible_to": None, "texts": (Phrase(("hello",)),)} | most | more)
        complete[name] = await store.read(wanted.is_answered_in_full)
    assert complete == {"all": False, "bob's": True, "late": True}


async def test_what_has_not_ended_is_not_there_and_what_comes_late_is(store):
    late = PromptUsage(id=uid(9), interception_id=uid(1), msg_id="", prompt="tardy", created_at=at(1))
    begun, thought = (
        asked(1, "early")[:2],
        ModelThought(id=uid(8), interception_id=uid(1), msg_id="", content="afterthought", created_at=at(1)),
    )
    await store.write(apply, begun)
    await catch_up(store)
    assert await store.read(lambda connection: connection.execute(select(search_documents.c.id)).all()) == []
    await store.write(apply, [end(1, 5)])
    await catch_up(store)
    assert await found(store, "early") == [1]
    await store.write(apply, [late])
    await store.write(apply, [thought])
    await catch_up(store)
    assert [await found(store, word) for word in ("early", "tardy", "afterthought")] == [[1]] * 3


async def test_short_texts_are_found_as_soon_as_they_are_stored_in_sqlite(sqlite):
    """Those of a request that began in an earlier batch too."""
    await sqlite.write(apply, [*asked(1, "hello", thought="why", called="c"), *asked(2, "hello")[:2]])
    assert [await found(sqlite, word) for word in ("hello", "why", "shell")] == [[1]] * 3
    await sqlite.write(apply, [end(2, 9), *asked(3, "")])
    assert await found(sqlite, "hello") == [1, 2]
    assert await sqlite.read(documents_and_queue) == [3, 0]


async def test_long_texts_wait_and_the_short_ones_beside_them_do_not(sqlite, monkeypatch):
    monkeypatch.setattr(index, "_MOST_AT_ONCE", 450_000)
    long, longest = "many words " * 15_000, "many words " * 19_000
    records = [*asked(1, long), *asked(2, longest), *asked(3, long), *asked(4, long), *asked(5, "some words")]
    await sqlite.write(apply, records)
    assert await found(sqlite, "words") == [1, 3, 5]
    assert await sqlite.read(documents_and_queue) == [3, 2]
    await catch_up(sqlite)
    assert await found(sqlite, "words") == [1, 2, 3, 4, 5]


async def test_a_text_that_cannot_be_taken_in_at_once_holds_up_no_record_and_is_found_later(sqlite):
    """Two began in one moment, and the ids of their documents would be the same."""
    await sqlite.write(apply, [*asked(0x1001, "one", second=5), *asked(7, "two")])
    await sqlite.write(apply, [*asked(0x2001, "other", second=5), *asked(8, "three")])
    assert await sqlite.read(documents_and_queue) == [2, 2]
    await catch_up(sqlite)
    assert [await found(sqlite, word) for word in ("one", "two", "other", "three")] == [[0x1001], [7], [0x2001], [8]]


async def test_when_sqlite_undoes_all_because_of_a_text_nothing_is_taken_for_stored(sqlite, monkeypatch):
    """As it does when the disk is full."""

    def undo(connection, _documents):
        connection.exec_driver_sql("INSERT OR ROLLBACK INTO aigateway_search_tasks (name) VALUES ('a'), ('a')")

    monkeypatch.setattr(index.documents, "add", undo)
    with pytest.raises(IntegrityError):
        await sqlite.write(apply, asked(1, "hello"))
    monkeypatch.undo()
    await sqlite.write(apply, asked(1, "hello"))
    assert await found(sqlite, "hello") == [1]


async def test_taking_records_in_twice_changes_nothing(store):
    for _ in range(2):
        await store.write(apply, asked(1, "hello"))
        await catch_up(store)
    assert await found(store, "hello") == [1]
    assert not await store.ask(index.is_behind)


async def test_what_is_purged_is_not_found_nor_waits(store):
    for number in (1, 2, 3):
        await store.write(apply, asked(number, f"hello number{number}"))
    await store.write(index.advance, 2)
    await store.write(purge.records, NEW_YEAR + timedelta(seconds=3), 100)
    await catch_up(store)
    assert await found(store, "hello") == [3]
    assert await found(store, "number1") == []
    assert await store.read(documents_and_queue) == [1, 0]


@pytest.mark.parametrize("times", [5, 100], ids=["short", "long"])
async def test_nothing_that_was_purged_is_left_in_the_file(sqlite, tmp_path, times):
    """Not in the index either, once what runs in the background has been at it."""
    await sqlite.write(index.note_missing, NEW_YEAR)
    for number in range(1, 60):
        await sqlite.write(apply, asked(number, f"canaryofthepurge{number} " * times))
        await catch_up(sqlite)
    await sqlite.write(apply, asked(100, "this stays", second=3000))
    await catch_up(sqlite)
    path = tmp_path / "aigateway.sqlite3"
    assert b"aryofthepurge" in content(path)
    assert await sqlite.write(purge.records, NEW_YEAR + timedelta(minutes=40), 1000)
    await catch_up(sqlite)
    assert not await sqlite.ask(index.is_behind)
    assert b"aryofthepurge" not in content(path)
    assert await found(sqlite, "stays") == [100]


def content(path):
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.read_bytes()


@pytest.mark.usefixtures("later")
async def test_what_was_there_before_is_taken_in_a_slice_at_a_time_the_newest_first(store):
    for number in range(1, 8):
        await store.write(apply, asked(number, f"old {number}"))
    await store.write(without_index)
    wanted = InterceptionFilter(visible_to=None, texts=(Phrase(("old",)),))
    page = await store.read(sessions.page, wanted, after=None, offset=0, limit=10)
    assert (page.count, page.is_complete) == (0, False)
    await store.write(apply, asked(8, "old 8"))
    await store.write(index.advance, 3)  # what is new comes first
    assert await found(store, "old") == [8]
    await store.write(index.advance, 3)
    assert await found(store, "old") == [6, 7, 8]
    await catch_up(store, 3)
    assert await found(store, "old") == [1, 2, 3, 4, 5, 6, 7, 8]
    page = await store.read(sessions.page, wanted, after=None, offset=0, limit=10)
    assert page.is_complete


def without_index(connection):
    """As the migration leaves a database with rows in it."""
    connection.execute(delete(search_queue))
    connection.execute(insert(search_tasks).values(name="backfill"))


@pytest.mark.usefixtures("later")
async def test_what_the_version_before_writes_beside_this_one_is_found_at_the_next_start(store):
    await store.write(apply, asked(1, "by an older replica"))
    await store.write(lambda connection: connection.execute(delete(search_queue)))
    await catch_up(store)
    assert await found(store, "replica") == []
    await store.write(index.note_missing, NEW_YEAR)
    await catch_up(store)
    assert await found(store, "replica") == [1]


async def test_a_slice_that_was_not_committed_is_taken_in_again(store):
    await store.write(apply, asked(1, "hello"))

    def die(connection):
        index.advance(connection, 10)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await store.write(die)
    await catch_up(store)
    assert await found(store, "hello") == [1]


async def test_two_replicas_take_in_and_purge_at_once_and_tell_one_story(postgresql_url):
    """None waits for another for ever, and nothing that was purged comes back."""
    replicas = [await Store.open(postgresql_url) for _ in range(2)]

    async def write():
        for number in range(1, 40):
            await replicas[number % 2].write(apply, asked(number, f"hello {number}"))

    async def take_in(store):
        for _ in range(60):
            await store.write(index.advance, 3)

    async def throw_away():
        for second in range(0, 21, 4):
            await replicas[0].write(purge.records, NEW_YEAR + timedelta(seconds=second), 100)

    await asyncio.gather(write(), *map(take_in, replicas), throw_away())
    await replicas[1].write(purge.records, NEW_YEAR + timedelta(seconds=20), 100)
    await catch_up(replicas[0])
    assert await found(replicas[1], "hello") == list(range(20, 40))
    kept = await replicas[0].read(
        lambda connection: connection.execute(select(func.count()).select_from(search_documents)).scalar()
    )
    assert kept == 20
    for store in replicas:
        await store.close()


async def test_documents_of_one_moment_have_ids_of_their_own(store):
    def write(connection, number):
        moment = NEW_YEAR + timedelta(microseconds=7)
        put(
            connection,
            [
                Document(interception_id=uid(number + more), initiator_id=ANN, started_at=moment, words=f"w{number}")
                for more in range(2)
            ],
        )

    for number in (1, 11, 1):
        await store.write(write, number)
    count = select(func.count(search_documents.c.id.distinct()))
    assert await store.read(lambda connection: connection.execute(count).scalar()) == 4


async def test_a_very_long_text_and_very_long_words_are_taken_in(store):
    words = " ".join(f"word{number}" for number in range(40_000))
    blob = "x" * 5000
    await store.write(apply, asked(1, f"first {blob} {words} {'é' * 3000} lost"))
    await store.write(apply, asked(2, "字" * 150_000))
    await catch_up(store)
    assert await found(store, "first") == [1]
    assert await found(store, "word9000 word9001", "word20000") == [1]
    assert await found(store, "lost") == []
    assert await found(store, "字字") == [2]


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.text(st.sampled_from("\"'*()^:-+&|!<>\\%_{}[]~ abAND OR NOT NEAR é字\u0000"), max_size=40),
    st.sampled_from(
        ['a" OR "b', "a'b", "NEAR(a b)", "a:*", "words:a", "a\\", "''", '""', "a & !b", "a <-> b", "^a", "{a}"]
    ),
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(HOSTILE, min_size=1, max_size=3), whose=st.sampled_from([None, ANN]))
async def test_no_search_is_an_error_of_the_database(store, texts, whose):
    phrases = tuple(phrase for said in texts if (phrase := Phrase.of(said)))
    if phrases:
        wanted = InterceptionFilter(visible_to=whose, texts=phrases)
        await store.read(sessions.page, wanted, after=None, offset=0, limit=1)
        await store.read(interceptions.page, wanted, after_id=None, offset=0, limit=1)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.text(max_size=40), data=st.data())
async def test_every_text_is_found_by_any_piece_of_its_own_words(store, said, data):
    whole = Phrase.of(f"{said} x")
    first = data.draw(st.integers(0, len(whole.words) - 1))
    last = data.draw(st.integers(first, len(whole.words) - 1))
    piece = Phrase(whole.words[first : last + 1])

    def look(connection):
        put(
            connection,
            [Document(interception_id=uid(1), initiator_id=ANN, started_at=NEW_YEAR, words=" ".join(whole.words))],
        )
        apply(connection, [start(1, 1), end(1, 2)])
        return interceptions.page(
            connection, InterceptionFilter(visible_to=ANN, texts=(piece,)), after_id=None, offset=0, limit=1
        ).count

    assert await store.write(look) == 1


async def test_a_search_reads_no_document_but_those_that_match(sqlite):
    wanted = InterceptionFilter(visible_to=None, texts=(Phrase(("rare",)),))

    def plan(connection):
        query = select(interception_table.c.id).where(*wanted.conditions()).compile(connection)
        values = tuple(query.params[name] for name in query.positiontup)
        return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]

    found = await sqlite.read(plan)
    assert "SEARCH aigateway_search_documents USING INTEGER PRIMARY KEY (rowid=?)" in found
    assert not any(step.startswith(("SCAN aibridge", "SCAN aigateway_search_documents")) for step in found)
