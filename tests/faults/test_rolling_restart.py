"""Two replicas behind a balancer are restarted one after the other, while people work.

A balancer asks `/readyz` only so often. With `--ai-gateway-shutdown-delay` a server that is told to stop says no there
and serves on for that long, so that no request meets a closed door.
"""

from __future__ import annotations

import asyncio

from tests.faults.crowd import Seen, crowd, ledger, some_more, until
from tests.support.balancer import Balancer


def test_no_request_fails_and_no_record_is_lost(start, tmp_path):
    delay = {"CODER_AI_GATEWAY_SHUTDOWN_DELAY": "500ms"}
    replicas, seen = [start(name=name, **delay) for name in ("first", "second")], Seen()
    token = replicas[0].token
    assert token == replicas[1].token, "a database each, and one token"

    async def restart(replica, balancer):
        assert await asyncio.to_thread(replica.stop) == 0
        await asyncio.to_thread(replica.start)
        await until(lambda: replica.url in balancer.ready)

    async def story():
        async with (
            Balancer([replica.url for replica in replicas]) as balancer,
            crowd(f"{balancer.url}/api/v2/aibridge", token, seen),
        ):
            for replica in replicas:
                await some_more(seen)
                await restart(replica, balancer)
            await some_more(seen)
        assert balancer.failures == []

    asyncio.run(story())
    assert [replica.stop() for replica in replicas] == [0, 0]
    assert set(seen.statuses) == {200}
    assert seen.broken == 0
    found = ledger(seen, *(tmp_path / name / "data" / "aigateway.sqlite3" for name in ("first", "second")))
    assert found.clean, found
    assert seen.begun == seen.ended
