"""The clock jumps back, by an hour with each look at it: a virtual machine that slept, a time server that was wrong.

Ids begin with the time, but it is what is random in them that makes them differ, and the journal counts its entries: so
nothing is identified or ordered by the clock; what it gives to the record is `started_at`, `ended_at` and `created_at`,
and those are wrong by as much as the clock is.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing

from aigateway.audit import clock, identity
from aigateway.audit.shipper import Shipper
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from tests.gateway.conftest import stage  # noqa: F401 - a fixture
from tests.gateway.stage import MESSAGES


class Backwards:
    """Each hour lasts minus one."""

    looks = 0

    def time_ns(self):
        self.looks += 1
        moment = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC) - dt.timedelta(hours=self.looks)
        return int(moment.timestamp()) * 1_000_000_000


async def test_every_record_arrives_once_and_in_the_order_in_which_it_was_made(stage, monkeypatch, tmp_path):  # noqa: F811
    backwards = Backwards()
    monkeypatch.setattr(clock, "time", backwards)
    monkeypatch.setattr(identity, "time", backwards)
    seen = []
    for _ in range(10):
        answer = await stage.ask("anthropic/v1/messages", MESSAGES | {"stream": True})
        assert answer.complete
        seen.append(answer.headers["x-ai-gateway-interception-id"])
    assert backwards.looks >= 20
    order = [record.interception_id for record in await stage.records()]
    assert list(dict.fromkeys(order)) == seen
    store = await Store.open(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    shipper = Shipper(stage.journal, lambda records: store.write(apply, records))
    assert await shipper.stop(within_seconds=20) == 0
    await store.close()
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as rows:
        found = rows.execute("SELECT id, ended_at, duration_ms FROM aibridge_interceptions").fetchall()
        usages = rows.execute("SELECT count(*) FROM aibridge_token_usages").fetchone()
    assert set(seen) - {ident for ident, _, _ in found} == set()
    assert len(found) == 10
    assert usages == (10,)
    assert all(ended_at and 0 <= duration < 60_000 for _, ended_at, duration in found)
    assert shipper.rejected == 0
