from __future__ import annotations

from aigateway.audit.heads import Heads
from aigateway.audit.verification import Published, heads
from aigateway.store.chain import LEDGER, Chain
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.telemetry.logging import flush
from tests.store.stories import story, uid

HERE = Chain(uid(0xA), "here")


async def test_the_ends_of_chains_are_logged_when_there_is_news_and_at_the_stop(sqlite_url, capfd):
    store = await Store.open(sqlite_url)
    published = Heads(store, HERE)
    published.start()
    await published.tell()
    await store.write(apply, story(1, 10), HERE)
    await published.tell()
    await published.tell()
    await store.write(apply, story(2, 20), HERE)
    await published.stop()
    flush()
    told = [line.split("expect=")[1].split()[0] for line in capfd.readouterr().err.splitlines() if "expect=" in line]
    read = [Published.read(one) for one in told]
    assert [(one.chain_id, one.position) for one in read] == [(HERE.id, 1), (LEDGER.id, 1), (HERE.id, 2)]
    assert set(read[1:]) == set(await heads(store))
    await store.close()
