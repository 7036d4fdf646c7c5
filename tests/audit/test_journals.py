from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.journals import Journals, holder
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
    assert [claim.path.name for claim in (first, second)] == ["0", "1"]
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
    assert holder(journals.folder / "0") == child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert journals.claim().path.name == "0"


async def test_an_orphan_and_a_new_journal_have_names_that_count_on(journals):
    claims = [journals.claim() for _ in range(11)]
    for claim in claims:
        await fill(claim.path)
    assert [path.name for path in journals.paths()] == [str(number) for number in range(11)]


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
    for path in journals.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert [path.name for path in claim.path.iterdir()] == ["0000000001.segment"]
