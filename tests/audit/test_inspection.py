from __future__ import annotations

import os
import shutil

import pytest

from aigateway.audit import inspection
from aigateway.audit.inspection import UnreadableFile
from aigateway.audit.journal import Journal
from aigateway.audit.journals import Journals
from tests.audit.rows import TIME, end, start


@pytest.fixture
async def held(tmp_path):
    """A journal that this process holds and writes."""
    claim = Journals(tmp_path / "journal").claim()
    journal = Journal(claim.path)
    await journal.open()
    yield journal
    await journal.close()
    claim.release()


async def test_a_journal_that_is_written_can_be_looked_at(held):
    for name in ("a", "b", "c"):
        await held.append([start(name)])
    await held.append([end("a")])
    await held.reject(2, "no such thing")
    state = inspection.inspect(held.path)
    assert (state.holder, state.unfinished, state.rejected, state.problem) == (os.getpid(), 2, 1, None)
    assert state.waiting == 4  # by its ends: the one that was set aside is between them
    assert state.oldest.isoformat() == TIME.replace("Z", "+00:00")
    assert state.size > 0


async def test_looking_changes_nothing(held):
    await held.append([start("a")])
    before = {path.name for path in held.path.parent.iterdir()}
    inspection.inspect(held.path)
    assert len(list(inspection.waiting(held.path))) == 1
    assert {path.name for path in held.path.parent.iterdir()} == before
    await held.append([end("a")])


def test_a_file_that_is_no_journal_is_said_to_be_none(tmp_path):
    path = tmp_path / "0.sqlite3"
    path.write_text("not a database, but long enough to be taken for one" * 100)
    state = inspection.inspect(path)
    assert "not a database" in state.problem
    assert state.waiting is None
    with pytest.raises(UnreadableFile, match="not a database"):
        list(inspection.waiting(path))
    with pytest.raises(UnreadableFile, match="not a database"):
        list(inspection.rescued(path))


async def test_what_waits_and_what_was_refused_can_be_exported(held):
    for name in ("a", "b"):
        await held.append([start(name)])
    await held.reject(1, "no such thing")
    (line,) = inspection.waiting(held.path)
    assert (line["journal"], line["seq"], line["records"][0]["interception_id"]) == ("0.sqlite3", 2, "b")
    (line,) = inspection.rejected(held.path)
    assert (line["reason"], line["records"][0]["interception_id"]) == ("no such thing", "a")
    both = list(inspection.rescued(held.path))
    assert [line["seq"] for line in both] == [2, 1]


@pytest.mark.parametrize("page", [3, 10, 30])
async def test_of_a_broken_file_all_that_is_left_is_found(held, tmp_path, page):
    """One page is overwritten: what is on the others, before it and behind it, is read."""
    for number in range(400):
        await held.append([start(f"interception-{number}")])
    await held._submit(lambda connection: connection.execute("SELECT 1"))
    broken = tmp_path / "0.broken-20260101T000000Z"
    await held.close()
    shutil.copy(held.path, broken)
    content = bytearray(broken.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = os.urandom(4096)
    broken.write_bytes(content)
    lines = list(inspection.rescued(broken))
    found = {record["interception_id"] for line in lines for record in line["records"] if isinstance(record, dict)}
    assert len(found) > 380
    assert "interception-0" in found or page == 3
    assert "interception-399" in found
