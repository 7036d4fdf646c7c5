"""What a version before left in SQLite journals reaches the store, or is set aside loudly."""

from __future__ import annotations

import os

import pytest

from aigateway.audit import inspection, old_journals
from aigateway.audit.adoption import Adoption
from aigateway.audit.inspection import UnreadableFile
from aigateway.audit.journals import Journals
from aigateway.audit.shipper import Shipper
from aigateway.store.records import InterceptionEnd
from aigateway.telemetry.logging import flush
from tests.audit.old import old_journal
from tests.audit.rows import TIME, end, start
from tests.audit.test_adoption import Sink

LEFT = ([start("done")], [end("done")], [start("cut")])


@pytest.fixture
def journals(tmp_path):
    return Journals(tmp_path / "journal")


def left(journals, **more):
    path = journals.folder / "0.sqlite3"
    old_journal(path, LEFT, opened=[("cut", TIME), ("shipped before", TIME)], **more)
    return path


async def adopt(journals, sink):
    return await Adoption(journals, lambda journal: Shipper(journal, sink.apply)).look()


async def test_it_is_shipped_and_what_was_open_is_ended_as_interrupted(journals):
    left(journals)
    sink = Sink()
    assert await adopt(journals, sink) == 1
    ends = {r.interception_id: r.error_type for r in sink.records if isinstance(r, InterceptionEnd)}
    assert ends == {"done": None, "cut": "interrupted", "shipped before": "interrupted"}
    assert [record.interception_id for record in sink.records[:3]] == ["done", "done", "cut"]
    assert not list(journals.folder.glob("0.sqlite3*"))
    assert journals.paths() == []


async def test_a_server_takes_another_name_meanwhile(journals):
    left(journals)
    assert journals.claim().path.name == "1"


async def test_while_the_store_is_away_it_stays_as_files(journals):
    old, sink = left(journals), Sink()
    sink.away = True
    assert await adopt(journals, sink) == 0
    assert not old.exists()
    assert inspection.inspect(journals.folder / "0").waiting == 5
    sink.away = False
    assert await adopt(journals, sink) == 1
    assert len(sink.records) == 5


async def test_one_that_was_taken_over_in_part_is_taken_over_again(journals):
    """The process died behind the copy, before the old file was removed."""
    old, sink = left(journals), Sink()
    content = old.read_bytes()
    sink.away = True
    await adopt(journals, sink)
    old.write_bytes(content)
    sink.away = False
    assert await adopt(journals, sink) == 1
    assert {record.interception_id for record in sink.records} == {"done", "cut", "shipped before"}
    assert not old.exists()


async def test_what_the_store_had_refused_is_kept(journals):
    left(journals, refused=[([start("bad")], "no such thing"), ([start("worse")], "nor such")])
    sink = Sink()
    assert await adopt(journals, sink) == 0
    lines = list(inspection.rejected(journals.folder / "0"))
    assert [(line["reason"], line["records"][0]["interception_id"]) for line in lines] == [
        ("no such thing", "bad"),
        ("nor such", "worse"),
    ]


async def test_before_it_is_taken_over_it_can_be_looked_at(journals):
    left(journals, refused=[([start("bad")], "no such thing")])
    (path,) = journals.paths()
    state = inspection.inspect(path)
    assert "version before" in state.problem
    assert state.size > 0
    assert len(list(inspection.waiting(path))) == 3
    assert len(list(inspection.rejected(path))) == 1


async def test_one_that_cannot_be_read_is_set_aside_loudly_and_kept(journals, capfd):
    old = left(journals)
    content = bytearray(old.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    old.write_bytes(content)
    await adopt(journals, Sink())
    assert not old.exists()
    broken = [path for path in journals.broken() if not path.name.endswith(("-wal", "-shm"))]
    assert [path.read_bytes() for path in broken] == [content]
    flush()
    assert "set aside" in capfd.readouterr().err


@pytest.mark.parametrize("page", [3, 10, 30])
def test_of_a_broken_file_all_that_is_left_is_found(tmp_path, page):
    """One page is overwritten: what is on the others, before it and behind it, is read."""
    broken = tmp_path / "0.broken-20260101T000000Z"
    old_journal(broken, [[start(f"interception-{number}")] for number in range(400)])
    content = bytearray(broken.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = os.urandom(4096)
    broken.write_bytes(content)
    lines = list(inspection.rescued(broken))
    found = {record["interception_id"] for line in lines for record in line["records"] if isinstance(record, dict)}
    assert len(found) > 380
    assert "interception-0" in found or page == 3
    assert "interception-399" in found


def test_a_file_that_is_no_journal_is_said_to_be_none(tmp_path):
    path = tmp_path / "0.broken-20260101T000000Z"
    path.write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(UnreadableFile, match="not a database"):
        list(inspection.rescued(path))
    assert old_journals.why_broken(path) == "file is not a database"
