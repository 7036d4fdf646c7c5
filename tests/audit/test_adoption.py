from __future__ import annotations

from aigateway.audit.adoption import Adoption
from aigateway.audit.journal import Journal
from aigateway.audit.journals import Journals
from aigateway.audit.shipper import Shipper
from aigateway.store.engine import StoreUnavailable
from aigateway.store.records import InterceptionEnd
from aigateway.telemetry.events import Events
from tests.audit.rows import end, start


class Sink:
    def __init__(self):
        self.records = []
        self.away = False

    async def apply(self, records):
        if self.away:
            raise StoreUnavailable("away")
        self.records.extend(records)


class Heard(Events):
    def __init__(self):
        self.looks = []

    def journals_adopted(self, shipped, *, left):
        self.looks.append((shipped, left))


async def leave_behind(journals, *rows):
    claim = journals.claim()
    journal = Journal(claim.path)
    await journal.open()
    for row in rows:
        await journal.append([row])
    await journal.close()
    claim.release()
    return claim.path


async def test_a_living_process_ships_what_a_dead_one_left_and_removes_its_journal(tmp_path):
    journals, sink = Journals(tmp_path), Sink()
    path = await leave_behind(journals, start("done"), end("done"), start("cut"))
    adoption = Adoption(journals, lambda journal: Shipper(journal, sink.apply))
    assert await adoption.look() == 1
    ends = {r.interception_id: r.error_type for r in sink.records if isinstance(r, InterceptionEnd)}
    assert ends == {"done": None, "cut": "interrupted"}
    assert not path.exists()
    assert await adoption.look() == 0


async def test_while_the_store_is_away_the_journal_stays(tmp_path):
    journals, sink = Journals(tmp_path), Sink()
    sink.away = True
    path = await leave_behind(journals, start("a"))
    heard = Heard()
    adoption = Adoption(journals, lambda journal: Shipper(journal, sink.apply), heard)
    assert await adoption.look() == 0
    assert path.exists()
    sink.away = False
    assert await adoption.look() == 1
    await adoption.look()
    assert heard.looks == [(0, 1), (1, 0), (0, 0)]
    assert {record.interception_id for record in sink.records} == {"a"}


async def test_a_journal_that_somebody_holds_is_left_alone(tmp_path):
    journals, sink = Journals(tmp_path), Sink()
    claim = journals.claim()
    journal = Journal(claim.path)
    await journal.open()
    await journal.append([start("alive")])
    assert await Adoption(journals, lambda journal: Shipper(journal, sink.apply)).look() == 0
    assert sink.records == []
    await journal.close()
