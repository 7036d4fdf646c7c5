from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.audit import inspection
from aigateway.audit.frames import Frame, Kind, frame, frames
from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.journals import Journals, holder
from aigateway.telemetry.logging import flush
from tests.audit.rows import end, start


async def test_what_was_appended_is_there_in_order(journal):
    for number in range(3):
        await journal.append([start(f"i{number}")])
    entries = await journal.entries(10)
    assert [entry.records[0].interception_id for entry in entries] == ["i0", "i1", "i2"]
    assert [entry.seq for entry in entries] == sorted(entry.seq for entry in entries)


async def test_rows_come_back_as_the_same_types_and_values(journal):
    await journal.append([start("a"), end("a")])
    (entry,) = await journal.entries(10)
    assert entry.records == [start("a"), end("a")]


async def test_many_appends_at_once_all_commit(journal):
    await asyncio.gather(*(journal.append([start(f"i{number}")]) for number in range(500)))
    assert await journal.backlog() == 500


async def test_discard_forgets_what_was_shipped_and_nothing_else(journal):
    for number in range(4):
        await journal.append([start(f"i{number}")])
    entries = await journal.entries(10)
    await journal.discard(entries[1].seq)
    assert [entry.records[0].interception_id for entry in await journal.entries(10)] == ["i2", "i3"]


async def test_an_interception_is_unfinished_until_its_end(journal):
    await journal.append([start("a")])
    await journal.append([start("b")])
    await journal.append([end("a")])
    assert [interception_id for interception_id, _ in await journal.unfinished()] == ["b"]


async def test_unfinished_interceptions_are_known_after_their_rows_were_shipped(journal):
    await journal.append([start("a")])
    (entry,) = await journal.entries(10)
    await journal.discard(entry.seq)
    assert [interception_id for interception_id, _ in await journal.unfinished()] == ["a"]


async def test_the_files_are_for_their_owner_only(journal):
    await journal.append([start("a")])
    (entry,) = await journal.entries(1)
    await journal.reject(entry.seq, "no")
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in journal.path.iterdir()} == {0o600}
    assert len(list(journal.path.iterdir())) == 2


async def test_a_rejected_entry_stays_on_disk_with_its_reason(journal):
    await journal.append([start("a")])
    (entry,) = await journal.entries(10)
    await journal.reject(entry.seq, "not a row")
    assert await journal.backlog() == 0
    (line,) = (journal.path / "rejected.jsonl").read_text().splitlines()
    assert '"interception_id":"a"' in line
    assert json.loads(line)["reason"] == "not a row"


async def test_a_journal_that_cannot_be_opened_says_why(tmp_path):
    journal = Journal(tmp_path / "no" / "such" / "folder.sqlite3")
    with pytest.raises(JournalUnavailable, match="cannot open"):
        await journal.open()


class Disk:
    """A disk that fails on demand: with an error, or by taking only a part of a write."""

    def __init__(self, monkeypatch):
        self.error = None
        self.takes = None
        self._pwrite = os.pwrite
        monkeypatch.setattr("aigateway.audit.segments.os.pwrite", self.pwrite)

    def pwrite(self, descriptor, data, at):
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        taken = data if self.takes is None else data[: self.takes]
        return self._pwrite(descriptor, taken, at)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


async def test_a_write_that_fails_is_told_to_those_who_wait_and_the_next_one_works(journal, disk):
    disk.error = errno.EIO
    with pytest.raises(JournalUnavailable, match="cannot write"):
        await journal.append([start("a")])
    assert journal.failure is not None
    assert journal.failures == 1
    disk.error = None
    await journal.append([start("a")])
    assert journal.failure is None
    assert await journal.backlog() == 1


async def test_a_full_disk_refuses_and_loses_nothing_that_was_kept(journal, monkeypatch):
    await journal.append([start("kept")])

    def full(_descriptor, _at, size):
        assert size > 4_000_000
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("aigateway.audit.segments.os.posix_fallocate", full)
    with pytest.raises(JournalUnavailable, match="No space left"):
        await journal.append([start("x" * 10_000_000)])
    assert [entry.records[0].interception_id for entry in await journal.entries(1)] == ["kept"]
    assert len(list(journal.path.iterdir())) == 1


async def test_a_write_that_the_disk_took_in_part_leaves_no_trace(journal, disk, capfd):
    await journal.append([start("kept")])
    disk.takes = 50
    with pytest.raises(JournalUnavailable, match="No space left"):
        await journal.append([start("cut")])
    disk.takes = None
    await journal.append([start("after")])
    again = Journal(journal.path)
    await again.open()
    assert [entry.records[0].interception_id for entry in await again.entries(9)] == ["kept", "after"]
    flush()
    assert "cannot be read" not in capfd.readouterr().err


async def test_a_slow_write_is_told(journal, disk, monkeypatch, capfd):
    monkeypatch.setattr("aigateway.audit.journal._SLOW_SECONDS", 0.0)
    await journal.append([start("a")])
    assert journal.slowest_write > 0
    flush()
    assert "a write to the journal was slow" in capfd.readouterr().err


async def test_at_its_size_cap_it_refuses_until_rows_were_shipped(tmp_path):
    journal = Journal(tmp_path / "journal", max_size=1_000_000)
    await journal.open()
    kept = 0
    with contextlib.suppress(JournalUnavailable):
        for _ in range(1000):
            await journal.append([start("x" * 10_000)])
            kept += 1
    assert 10 < kept < 110
    entries = await journal.entries(1000)
    assert len(entries) == kept
    await journal.discard(entries[-1].seq)
    await journal.append([start("again")])
    assert await journal.backlog() == 1
    await journal.close()


async def test_one_append_that_fails_does_not_fail_its_neighbours(journal, disk):
    good = journal.append([start("a")])
    disk.error = errno.EIO
    bad = journal.append([start("bad")])
    disk.error = None
    also_good = journal.append([start("b")])
    with pytest.raises(JournalUnavailable, match="Input/output"):
        await bad
    await asyncio.gather(good, also_good)
    assert await journal.backlog() == 2


async def test_a_batch_to_ship_is_bounded_in_bytes(journal):
    for _ in range(12):
        await journal.append([start("x" * 1_000_000)])
    assert len(await journal.entries(100)) == 9


async def test_an_entry_that_cannot_be_read_is_set_aside_and_the_others_are_shipped(journal):
    await journal.append([start("a")])
    journal._write(frame(Kind.ENTRY, 2, b"{}"), 2)
    journal._last = 2
    await journal.append([start("b")])
    again = Journal(journal.path)
    await again.open()
    assert [entry.records[0].interception_id for entry in await again.entries(10)] == ["a", "b"]
    (line,) = (journal.path / "rejected.jsonl").read_text().splitlines()
    assert "cannot be read" in json.loads(line)["reason"]


async def test_what_was_set_aside_stays_so_when_it_is_all_that_is_left(journal):
    journal._write(frame(Kind.ENTRY, 1, b"{}"), 1)
    for _ in range(2):
        again = Journal(journal.path)
        await again.open()
        assert await again.entries(10) == []
        assert (await again.backlog(), await again.rejected()) == (0, 1)
        await again.append([start("next")])
        (entry,) = await again.entries(10)
        await again.discard(entry.seq)
        await again.close()


async def test_after_closing_an_append_is_refused(tmp_path):
    journal = Journal(tmp_path / "journal")
    await journal.open()
    await journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append([start("a")])


async def test_closing_writes_what_waits(tmp_path):
    journal = Journal(tmp_path / "journal")
    await journal.open()
    waiting = [journal.append([start(f"i{number}")]) for number in range(50)]
    await journal.close()
    await asyncio.gather(*waiting)
    again = Journal(journal.path)
    await again.open()
    assert await again.backlog() == 50
    await again.close()


def test_what_was_committed_survives_kill_9(tmp_path):
    path = tmp_path / "journal"
    program = textwrap.dedent(f"""
        import asyncio, pathlib, sys
        from aigateway.audit.journal import Journal
        from tests.audit.rows import start
        async def main():
            journal = Journal(pathlib.Path({str(path)!r}))
            await journal.open()
            for number in range(10**9):
                await journal.append([start(f"i{{number}}")])
                print(number, flush=True)
        asyncio.run(main())
    """)
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    last = -1
    for line in writer.stdout:
        last = int(line)
        if last >= 200:
            break
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    last = max([last, *(int(line) for line in rest.split("\n")[:-1])])
    kept = asyncio.run(kept_in(path))
    assert kept >= {f"i{number}" for number in range(last + 1)}


async def kept_in(path):
    journal = Journal(path)
    await journal.open()
    kept = {entry.records[0].interception_id for entry in await journal.entries(10**6)}
    await journal.close()
    return kept


async def test_at_its_size_cap_requests_that_are_on_record_are_ended_and_readiness_is_refused(tmp_path):
    journal = Journal(tmp_path / "journal", max_size=100_000)
    await journal.open()
    await journal.append([start("running")])
    with contextlib.suppress(JournalUnavailable):
        while True:
            await journal.append([start("x" * 10_000)])
    with pytest.raises(JournalUnavailable, match="--ai-gateway-journal-max-size"):
        await journal.check_writable()
    await journal.append([end("running")])
    (entry, *_) = await journal.entries(1)
    await journal.reject(entry.seq, "too full to move?")
    assert await journal.rejected() == 1
    await journal.close()


@pytest.fixture
def watchful(monkeypatch):
    """Look before each write whether the files are still there."""
    monkeypatch.setattr("aigateway.audit.journal._LOOK_SECONDS", 0.0)


@pytest.mark.parametrize("what", ["file", "folder", "all"])
async def test_a_journal_that_is_removed_under_us_is_made_anew_with_all_that_was_in_it(tmp_path, watchful, what):
    journals = Journals(tmp_path / "journal")
    claim = journals.claim()
    journal = Journal(claim.path, hold=claim.renew)
    await journal.open()
    await journal.append([start("before")])
    match what:
        case "file":
            for file in claim.path.iterdir():
                file.unlink()
        case "folder":
            shutil.rmtree(claim.path)
        case "all":
            shutil.rmtree(journals.folder)
    await journal.append([start("after")])
    assert holder(claim.path) == os.getpid()
    assert list(journals.orphans()) == []
    # What another process would find after a crash:
    names = [line["records"][0]["interception_id"] for line in inspection.waiting(claim.path)]
    assert names == ["before", "after"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in claim.path.iterdir()} == {0o600}
    assert sorted(path.name for path in journals.folder.iterdir()) == ["0", "0.lock"]
    await journal.append([end("before")])
    assert [entry.seq for entry in await journal.entries(10)] == [1, 2, 3]
    await journal.close()
    claim.release()


async def test_a_folder_that_is_removed_before_anything_was_written_is_made_anew(tmp_path):
    journals = Journals(tmp_path / "journal")
    claim = journals.claim()
    journal = Journal(claim.path, hold=claim.renew)
    await journal.open()
    shutil.rmtree(journals.folder)
    await journal.append([start("a")])
    assert holder(claim.path) == os.getpid()
    await journal.close()


async def test_a_name_that_another_process_took_meanwhile_is_not_written_to(tmp_path, watchful):
    journals = Journals(tmp_path / "journal")
    claim = journals.claim()
    journal = Journal(claim.path, hold=claim.renew)
    await journal.open()
    shutil.rmtree(journals.folder)
    other = Journals(tmp_path / "journal").claim()
    assert other.path == claim.path
    with pytest.raises(JournalUnavailable, match="took its name"):
        await journal.append([start("a")])
    other.release()
    await journal.append([start("b")])
    assert await journal.backlog() == 1
    await journal.close()


async def test_an_end_that_could_not_be_written_is_written_as_soon_as_it_can_be(journal, disk):
    await journal.append([start("a")])
    disk.error = errno.EROFS
    for ended in ("a", "unknown"):
        with pytest.raises(JournalUnavailable, match="Read-only"):
            await journal.append([end(ended)])
    assert len(journal._late) == 1
    journal.appended.clear()
    disk.error = None
    async with asyncio.timeout(10):
        await journal.appended.wait()
    assert await journal.unfinished() == []
    kinds = [type(entry.records[0]).__name__ for entry in await journal.entries(9)]
    assert kinds == ["InterceptionStart", "InterceptionEnd"]
    assert journal._late == []


@pytest.mark.parametrize("then", ["append", "check_writable", "close"])
async def test_an_end_that_could_not_be_written_comes_with_the_next_write_that_succeeds(journal, disk, then):
    """The server may be stopped before it is tried again by itself."""
    await journal.append([start("a")])
    disk.error = errno.ENOSPC
    with pytest.raises(JournalUnavailable):
        await journal.append([end("a")])
    disk.error = None
    match then:
        case "append":
            await journal.append([start("b")])
        case "check_writable":
            await journal.check_writable()
        case "close":
            await journal.close()
    again = Journal(journal.path)
    await again.open()
    assert "a" not in dict(await again.unfinished())
    assert [type(entry.records[0]).__name__ for entry in await again.entries(9)][-1] == "InterceptionEnd"


async def test_rows_that_nobody_waits_for_any_more_are_announced_to_the_shipper(journal):
    journal.appended.clear()
    journal.append([start("a")]).cancel()
    async with asyncio.timeout(5):
        await journal.appended.wait()


async def names(journal, limit=10**6):
    return [entry.records[0].interception_id for entry in await journal.entries(limit)]


async def test_rows_that_are_read_from_the_disk_are_those_that_were_appended(journal):
    await journal.append([start("a")])
    await journal.append([start("b"), end("b")])
    again = Journal(journal.path)
    await again.open()
    assert [entry.records for entry in await again.entries(9)] == [[start("a")], [start("b"), end("b")]]
    assert await again.unfinished() == [("a", start("a").started_at)]


async def test_what_is_too_much_for_memory_is_read_from_the_disk_in_order(journal, monkeypatch):
    monkeypatch.setattr("aigateway.audit.journal._MOST_HELD", 3)
    monkeypatch.setattr("aigateway.audit.journal._READ_AT_ONCE", 2)
    for number in range(8):
        await journal.append([start(f"i{number}")])
    assert len(journal._held) == 3
    shipped = []
    while entries := await journal.entries(2):
        shipped += [entry.records[0].interception_id for entry in entries]
        await journal.discard(entries[-1].seq)
        if len(shipped) == 4:
            await journal.append([start("i8")])
    assert shipped == [f"i{number}" for number in range(9)]
    await journal.append([start("i9")])
    assert len(journal._held) == 1
    assert (await journal.backlog(), journal._bytes) == (1, journal._held[0].size)


async def test_files_are_removed_once_shipped_and_what_is_open_is_known_still(journal, monkeypatch):
    monkeypatch.setattr("aigateway.audit.segments.SEGMENT_BYTES", 4000)
    await journal.append([start("open")])
    for number in range(50):
        await journal.append([start(f"i{number}"), end(f"i{number}")])
    assert len(list(journal.path.iterdir())) > 5
    entries = await journal.entries(1000)
    await journal.discard(entries[-3].seq)
    assert len(list(journal.path.iterdir())) <= 2
    again = Journal(journal.path)
    await again.open()
    assert await again.unfinished() == [("open", start("open").started_at)]
    assert await names(again) == ["i48", "i49"]
    assert await again.backlog() == 2


async def test_a_journal_with_nothing_left_to_tell_leaves_no_files(journal):
    await journal.append([start("a"), end("a")])
    (entry,) = await journal.entries(9)
    await journal.discard(entry.seq)
    await journal.close()
    assert list(journal.path.iterdir()) == []


@pytest.mark.parametrize("where", ["head", "middle", "tail"])
async def test_of_a_damaged_file_all_that_can_be_read_is_shipped_and_the_rest_is_set_aside(journal, capfd, where):
    for number in range(30):
        await journal.append([start(f"i{number}")])
    (file,) = journal.path.iterdir()
    content = bytearray(file.read_bytes().rstrip(b"\0"))
    at = {"head": 0, "middle": len(content) // 2, "tail": len(content) - 40}[where]
    content[at : at + 40] = os.urandom(40)
    file.write_bytes(content)
    again = Journal(journal.path)
    await again.open()
    found = await names(again)
    assert 28 <= len(found) <= (30 if where == "head" else 29)
    assert found == sorted(found, key=lambda name: int(name[1:]))
    (broken,) = journal.path.parent.glob("journal.broken-*Z")
    assert broken.read_bytes() == content
    flush()
    assert capfd.readouterr().err.count("set aside") == 1
    await again.append([start("goes on")])
    assert (await names(again))[-1] == "goes on"


async def test_a_frame_that_was_torn_by_a_power_failure_is_set_aside(journal, capfd):
    """The file has its full length: behind the torn frame there are zeros."""
    for number in range(3):
        await journal.append([start(f"i{number}")])
    (file,) = journal.path.iterdir()
    content = file.read_bytes()
    whole = len(content.rstrip(b"\0"))
    file.write_bytes(content[: whole - 100] + bytes(len(content) - whole + 100))
    again = Journal(journal.path)
    await again.open()
    assert await names(again) == ["i0", "i1"]
    flush()
    assert "set aside" in capfd.readouterr().err


@settings(max_examples=60, deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=60), min_size=1, max_size=8),
    damage=st.binary(min_size=1, max_size=30),
    at=st.integers(0, 500),
)
def test_frames_that_were_not_touched_are_read_whatever_happens_to_the_others(payloads, damage, at):
    data = bytearray()
    ends = []
    for number, payload in enumerate(payloads):
        data += frame(Kind.ENTRY, number, payload)
        ends.append(len(data))
    data[at : at + len(damage)] = damage
    spoilt = range(at, at + len(damage))
    found = {one.seq: one.payload for one in frames(bytes(data)) if isinstance(one, Frame)}
    for number, payload in enumerate(payloads):
        begin = ends[number - 1] if number else 0
        if ends[number] <= spoilt.start or begin >= spoilt.stop:
            assert found[number] == payload
    assert all(payloads[seq] == payload for seq, payload in found.items())
