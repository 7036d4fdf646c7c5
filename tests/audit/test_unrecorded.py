from __future__ import annotations

import asyncio

from aigateway.audit.journal import Journal
from aigateway.audit.unrecorded import LenientJournal
from aigateway.telemetry.logging import flush
from tests.audit.rows import end, start


async def full(tmp_path):
    """A journal that takes no new interceptions, and one that is lenient around it."""
    journal = Journal(tmp_path / "journal", max_size=0)
    await journal.open()
    return journal, LenientJournal(journal)


def kept(entries):
    return [record for entry in entries for record in entry.records]


async def test_what_cannot_be_kept_stops_nobody_and_is_counted_once_a_request(tmp_path):
    journal, lenient = await full(tmp_path)
    await lenient.append([start("a")])
    assert lenient.unrecorded == 0
    await lenient.append([end("a")])
    await lenient.append([start("b")])
    await lenient.append([end("b")])
    assert lenient.unrecorded == 2
    assert lenient._held == {}
    assert await journal.backlog() == 0
    await journal.close()


async def test_a_journal_that_recovers_in_the_middle_of_a_request_gets_all_of_it(tmp_path):
    journal, lenient = await full(tmp_path)
    await lenient.append([start("a")])
    journal._max_size = None
    await lenient.append([end("a")])
    assert kept(await journal.entries(10)) == [start("a"), end("a")]
    assert lenient.unrecorded == 0
    await journal.close()


async def test_an_end_that_follows_at_once_does_not_hide_that_its_start_is_missing(tmp_path):
    _, lenient = await full(tmp_path)
    journal = lenient._journal
    await asyncio.gather(lenient.append([start("a")]), lenient.append([end("a")]))
    assert lenient.unrecorded == 1
    assert lenient._held == {}
    await journal.close()


async def test_whoever_does_not_wait_any_more_does_not_keep_rows_from_the_journal(journal):
    lenient = LenientJournal(journal)
    lenient.append([start("a")]).cancel()
    await lenient.append([end("a")])
    assert kept(await journal.entries(10)) == [start("a"), end("a")]
    assert lenient.unrecorded == 0


async def test_one_warning_a_minute_tells_how_many(tmp_path, capfd):
    journal, lenient = await full(tmp_path)
    for number in range(50):
        await lenient.append([start(f"i{number}")])
        await lenient.append([end(f"i{number}")])
    flush()
    assert capfd.readouterr().err.count("served without a record") == 1
    lenient._warned = float("-inf")
    await lenient.append([start("last")])
    await lenient.append([end("last")])
    flush()
    assert "requests=50" in capfd.readouterr().err
    await journal.close()


async def test_a_journal_that_is_well_is_just_used(journal):
    lenient = LenientJournal(journal)
    await lenient.append([start("a")])
    await lenient.append([end("a")])
    await lenient.check_writable()
    assert lenient.unrecorded == 0
    assert await journal.backlog() == 2
