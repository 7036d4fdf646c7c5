from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys

import pytest

from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.journals import Journals, holder
from aigateway.telemetry.logging import flush
from tests.audit.rows import start


@pytest.fixture
def journals(tmp_path):
    return Journals(tmp_path / "journal")


async def fill(path):
    journal = Journal(path)
    await journal.open()
    await journal.append([start("a")])
    await journal.close()


def test_each_claim_is_another_file_and_a_released_one_is_taken_again(journals):
    first, second = journals.claim(), journals.claim()
    assert [claim.path.name for claim in (first, second)] == ["0.sqlite3", "1.sqlite3"]
    first.release()
    assert journals.claim().path == first.path
    assert stat.S_IMODE(journals.folder.stat().st_mode) == 0o700


async def test_what_nobody_holds_is_an_orphan_and_what_somebody_holds_is_not(journals):
    mine, other = journals.claim(), journals.claim()
    await fill(mine.path)
    await fill(other.path)
    assert list(journals.orphans()) == []
    other.release()
    (orphan,) = journals.orphans()
    assert orphan.path == other.path
    orphan.remove()
    assert not orphan.path.exists()
    assert list(journals.orphans()) == []


def test_the_holder_is_known_by_its_pid(journals):
    claim = journals.claim()
    assert holder(claim.path) == os.getpid()
    claim.release()
    assert holder(claim.path) is None


def test_a_process_that_is_killed_lets_go(journals):
    program = (
        "import sys, time, pathlib; from aigateway.audit.journals import Journals;"
        f"claim = Journals(pathlib.Path({str(journals.folder)!r})).claim(); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    assert holder(journals.folder / "0.sqlite3") == child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert journals.claim().path.name == "0.sqlite3"


async def test_a_corrupted_journal_is_set_aside_loudly_and_kept(journals, capfd):
    claim = journals.claim()
    await fill(claim.path)
    claim.release()
    content = bytearray(claim.path.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    claim.path.write_bytes(content)
    again = journals.claim()
    assert not again.path.exists()
    (broken,) = journals.broken()
    assert broken.read_bytes() == content
    flush()
    assert "set aside" in capfd.readouterr().err


async def test_a_file_that_is_no_database_is_set_aside(journals):
    claim = journals.claim()
    claim.path.write_text("not a database, but long enough to be taken for one" * 100)
    claim.release()
    journals.claim()
    assert len(journals.broken()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_says_so_to_a_user(journals):
    journals.folder.mkdir(mode=0o500)
    with pytest.raises(JournalUnavailable, match="cannot use"):
        journals.claim()


def test_a_folder_that_is_a_file_says_so(journals):
    journals.folder.write_text("")
    with pytest.raises(JournalUnavailable, match="cannot use"):
        journals.claim()


async def test_a_journal_is_private(journals):
    claim = journals.claim()
    await fill(claim.path)
    for path in journals.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    with sqlite3.connect(claim.path) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    connection.close()
