from __future__ import annotations

import os

import pytest

from aigateway.audit import inspection
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


async def test_what_waits_and_what_was_refused_can_be_exported(held):
    for name in ("a", "b"):
        await held.append([start(name)])
    await held.reject(1, "no such thing")
    (line,) = inspection.waiting(held.path)
    assert (line["journal"], line["seq"], line["records"][0]["interception_id"]) == ("0", 2, "b")
    (line,) = inspection.rejected(held.path)
    assert (line["reason"], line["records"][0]["interception_id"]) == ("no such thing", "a")


async def test_of_a_broken_file_all_that_is_left_is_found(held, tmp_path):
    """One page is overwritten: what is on the others, before it and behind it, is read."""
    for number in range(400):
        await held.append([start(f"interception-{number}")])
    (file,) = held.path.iterdir()
    broken = tmp_path / "0.broken-1-20260101T000000Z"
    content = bytearray(file.read_bytes())
    content[3 * 4096 : 4 * 4096] = os.urandom(4096)
    broken.write_bytes(content)
    lines = list(inspection.rescued(broken))
    found = {record["interception_id"] for line in lines for record in line["records"]}
    assert 380 < len(found) < 400
    assert "interception-0" in found
    assert "interception-399" in found


async def test_a_journal_that_nobody_holds_tells_of_its_damage(tmp_path):
    claim = Journals(tmp_path / "journal").claim()
    journal = Journal(claim.path)
    await journal.open()
    await journal.append([start("a")])
    await journal.append([start("b")])
    (file,) = claim.path.iterdir()
    content = bytearray(file.read_bytes())
    content[60] ^= 1
    file.write_bytes(content)
    claim.release()
    state = inspection.inspect(claim.path)
    assert "cannot be read" in state.problem
    assert state.waiting in {1, 2}
