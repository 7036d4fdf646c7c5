from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap

import pytest

from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.journals import Journals, holder
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


async def test_the_file_is_for_its_owner_only(journal):
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


async def test_a_rejected_entry_stays_on_disk_with_its_reason(journal):
    await journal.append([start("a")])
    (entry,) = await journal.entries(10)
    await journal.reject(entry.seq, "not a row")
    assert await journal.backlog() == 0
    with sqlite3.connect(journal.path) as connection:
        ((body, reason),) = connection.execute("SELECT records, reason FROM rejected").fetchall()
    connection.close()
    assert b'"interception_id":"a"' in body
    assert reason == "not a row"


async def test_a_journal_that_cannot_be_opened_says_why(tmp_path):
    journal = Journal(tmp_path / "no" / "such" / "folder.sqlite3")
    with pytest.raises(JournalUnavailable, match="cannot open"):
        await journal.open()


async def test_a_write_that_fails_is_told_to_those_who_wait_and_the_next_one_works(journal):
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    blocker.execute("ALTER TABLE entries RENAME TO hidden")
    with pytest.raises(JournalUnavailable, match="cannot write"):
        await journal.append([start("a")])
    assert journal.failure is not None
    blocker.execute("ALTER TABLE hidden RENAME TO entries")
    blocker.close()
    await journal.append([start("a")])
    assert journal.failure is None
    assert await journal.backlog() == 1


async def test_a_full_disk_refuses_and_loses_nothing_that_was_kept(journal):
    await journal.append([start("kept")])
    await journal._submit(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.append([start("x" * 10_000_000)])
    assert [entry.records[0].interception_id for entry in await journal.entries(1)] == ["kept"]


async def test_at_its_size_cap_it_refuses_until_rows_were_shipped(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3", max_size=1_000_000)
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


async def test_one_append_that_fails_does_not_fail_its_neighbours(journal):
    def impossible(connection):
        connection.execute("INSERT INTO nowhere VALUES (1)")

    good, bad, also_good = (
        journal.append([start("a")]),
        journal._submit(impossible),
        journal.append([start("b")]),
    )
    with pytest.raises(JournalUnavailable, match="nowhere"):
        await bad
    await asyncio.gather(good, also_good)
    assert await journal.backlog() == 2


async def test_a_batch_to_ship_is_bounded_in_bytes(journal):
    for _ in range(12):
        await journal.append([start("x" * 1_000_000)])
    assert len(await journal.entries(100)) == 9


async def test_an_entry_that_cannot_be_read_is_set_aside_and_the_others_are_shipped(journal):
    await journal.append([start("a")])
    await journal._submit(lambda connection: connection.execute("INSERT INTO entries (records) VALUES (x'7B7D')"))
    await journal.append([start("b")])
    assert [entry.records[0].interception_id for entry in await journal.entries(10)] == ["a", "b"]
    rejected = await journal._submit(lambda connection: connection.execute("SELECT reason FROM rejected").fetchall())
    assert "cannot be read" in rejected[0][0]


async def test_after_closing_an_append_is_refused(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3")
    await journal.open()
    await journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append([start("a")])


async def test_closing_writes_what_waits(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3")
    await journal.open()
    waiting = [journal.append([start(f"i{number}")]) for number in range(50)]
    await journal.close()
    await asyncio.gather(*waiting)
    again = Journal(journal.path)
    await again.open()
    assert await again.backlog() == 50
    await again.close()


def test_what_was_committed_survives_kill_9(tmp_path):
    path = tmp_path / "journal.sqlite3"
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
    journal = Journal(tmp_path / "journal.sqlite3", max_size=100_000)
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


def gone(path):
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("what", ["file", "log", "folder"])
async def test_a_journal_that_is_removed_under_us_is_made_anew_with_all_that_was_in_it(tmp_path, what):
    journals = Journals(tmp_path / "journal")
    claim = journals.claim()
    journal = Journal(claim.path, hold=claim.renew)
    await journal.open()
    await journal.append([start("before")])
    match what:
        case "file":
            gone(claim.path)
        case "log":
            claim.path.with_name(claim.path.name + "-wal").unlink()
        case "folder":
            shutil.rmtree(journals.folder)
    await journal.append([start("after")])
    assert holder(claim.path) == os.getpid()
    assert list(journals.orphans()) == []
    # What another process would find after a crash:
    with contextlib.closing(sqlite3.connect(f"file:{claim.path}?mode=ro", uri=True)) as found:
        bodies = b"".join(body for (body,) in found.execute("SELECT records FROM entries ORDER BY seq"))
    assert b"before" in bodies
    assert b"after" in bodies
    assert stat.S_IMODE(claim.path.stat().st_mode) == 0o600
    assert sorted(path.name for path in journals.folder.iterdir()) == [
        "0.lock", "0.sqlite3", "0.sqlite3-shm", "0.sqlite3-wal"
    ]  # fmt: skip
    await journal.append([end("before")])
    assert [entry.seq for entry in await journal.entries(10)] == [1, 2, 3]
    await journal.close()
    claim.release()


async def test_a_name_that_another_process_took_meanwhile_is_not_written_to(tmp_path):
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


async def test_an_end_that_could_not_be_written_is_written_as_soon_as_it_can_be(journal):
    await journal.append([start("a")])
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    blocker.execute("ALTER TABLE entries RENAME TO hidden")
    for ended in ("a", "unknown"):
        with pytest.raises(JournalUnavailable, match="no such table"):
            await journal.append([end(ended)])
    assert len(journal._late) == 1
    journal.appended.clear()
    blocker.execute("ALTER TABLE hidden RENAME TO entries")
    blocker.close()
    async with asyncio.timeout(10):
        await journal.appended.wait()
    assert await journal.unfinished() == []
    kinds = [type(entry.records[0]).__name__ for entry in await journal.entries(9)]
    assert kinds == ["InterceptionStart", "InterceptionEnd"]
    assert journal._late == []


async def test_rows_that_nobody_waits_for_any_more_are_announced_to_the_shipper(journal):
    journal.appended.clear()
    journal.append([start("a")]).cancel()
    async with asyncio.timeout(5):
        await journal.appended.wait()
