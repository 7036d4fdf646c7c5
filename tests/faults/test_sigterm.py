"""SIGTERM in the middle of a hundred open streams."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import aiohttp

from tests.faults.crowd import Seen, ledger, until

STREAMS = 100


async def stream(session, gateway, seen, endings, wish):
    payload = {
        "model": "sim",
        "stream": True,
        "max_tokens": 99,
        "messages": [{"role": "user", "content": f"Go on {wish}"}],
    }
    headers = {"Authorization": f"Bearer {gateway.token}"}
    async with session.post(f"{gateway.base}/anthropic/v1/messages", json=payload, headers=headers) as answer:
        ident = answer.headers["X-AI-Gateway-Interception-Id"]
        seen.begun.add(ident)
        body = b"".join([piece async for piece in answer.content.iter_any()])
        complete, told = b"message_stop" in body, b"event: error" in body
        if complete:
            seen.ended.add(ident)
        endings.append((complete, told))


async def terminate(gateway, seen, wish):
    """The ending of each stream, and the seconds until the server was gone."""
    endings = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async with asyncio.TaskGroup() as group:
            for _ in range(STREAMS):
                group.create_task(stream(session, gateway, seen, endings, wish))
            await until(lambda: len(seen.begun) == STREAMS)
            began = time.monotonic()
            os.kill(gateway.pid, signal.SIGTERM)
        assert await asyncio.to_thread(gateway._process.wait, 30) == 0
        return endings, time.monotonic() - began


def test_streams_that_end_in_time_end_well(start, database):
    gateway, seen = start(), Seen()
    endings, took = asyncio.run(terminate(gateway, seen, "sim:long:20+slow:60"))
    assert endings == [(True, False)] * STREAMS
    assert took < 15
    found = ledger(seen, database)
    assert found.clean, found
    assert found.seen == len(seen.ended) == STREAMS


def test_streams_that_do_not_are_cut_at_the_limit_with_an_error_event(start, database):
    gateway, seen = start(CODER_AI_GATEWAY_SHUTDOWN_TIMEOUT="1s"), Seen()
    endings, took = asyncio.run(terminate(gateway, seen, "sim:hang:2"))
    assert endings == [(False, True)] * STREAMS
    assert 1 <= took < 1 + 5 + 3  # the limit, the last words, and the shipping of what is left
    found = ledger(seen, database)
    assert found.clean, found
    assert found.seen == STREAMS
