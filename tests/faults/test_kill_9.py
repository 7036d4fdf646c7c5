"""`kill -9` at random moments under load loses no record of anything that a client has seen."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from dataclasses import dataclass, field

import aiohttp
import pytest

from aigateway.simulator.server import SimulatorThread
from tests.support.server import GatewayProcess, providers

ROUNDS = 50
CLIENTS = 8
HELLO = [{"role": "user", "content": "Tell me something long sim:long:20"}]
REQUESTS = [
    (
        "openai/v1/chat/completions",
        {"model": "sim", "stream": True, "stream_options": {"include_usage": True}, "messages": HELLO},
        b"[DONE]",
    ),
    ("openai/v1/responses", {"model": "sim", "stream": True, "input": HELLO[0]["content"]}, b"response.completed"),
    ("anthropic/v1/messages", {"model": "sim", "stream": True, "max_tokens": 99, "messages": HELLO}, b"message_stop"),
    ("openai/v1/chat/completions", {"model": "sim", "messages": HELLO}, None),
    ("anthropic/v1/messages", {"model": "sim", "max_tokens": 99, "messages": HELLO}, None),
]


@dataclass
class Seen:
    """What the clients have seen, by interception id."""

    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


async def ask_forever(gateway, session, seen, number):
    headers = {"Authorization": f"Bearer {gateway.token}"}
    turn = number
    while True:
        path, payload, mark = REQUESTS[turn % len(REQUESTS)]
        turn += 1
        async with session.post(f"{gateway.base}/{path}", json=payload, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            interception_id = answer.headers["X-AI-Gateway-Interception-Id"]
            seen.begun.add(interception_id)
            body = b""
            async for piece in answer.content.iter_any():
                body += piece
                if mark is not None and mark in body:
                    seen.ended.add(interception_id)
            seen.ended.add(interception_id)


async def one_round(gateway, seen, kill_after):
    async with aiohttp.ClientSession() as session:
        asking = [asyncio.create_task(ask_forever(gateway, session, seen, number)) for number in range(CLIENTS)]
        begun_before = len(seen.begun)
        async with asyncio.timeout(20):
            while len(seen.begun) == begun_before:
                assert not any(task.done() for task in asking), [task.exception() for task in asking if task.done()]
                await asyncio.sleep(0.001)
        await asyncio.sleep(kill_after)
        os.kill(gateway.pid, signal.SIGKILL)
        results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientError) for result in results), results


@pytest.mark.timeout(600)
def test_kill_9_at_50_random_moments_loses_no_record_of_what_a_client_saw(tmp_path):
    moments = random.Random(20260102)
    seen = Seen()
    with SimulatorThread(event_interval=0.002) as sim:
        env = providers(
            {"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"},
            {"TYPE": "anthropic", "KEY": "sk-central-0123456789", "BASE_URL": sim.url},
        )
        with GatewayProcess(tmp_path, env) as gateway:
            for _ in range(ROUNDS):
                asyncio.run(one_round(gateway, seen, moments.uniform(0, 0.3)))
                gateway.kill()
                gateway.start()
            assert gateway.stop() == 0
    rows = sqlite3.connect(tmp_path / "data" / "aigateway.sqlite3")
    ends = dict(rows.execute("SELECT id, error_type FROM aibridge_interceptions WHERE ended_at IS NOT NULL"))
    unended = rows.execute("SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL").fetchone()
    used = {interception_id for (interception_id,) in rows.execute("SELECT interception_id FROM aibridge_token_usages")}
    rows.close()
    assert len(seen.begun) > ROUNDS
    assert seen.begun - set(ends) == set(), "seen by a client and not on record"
    assert seen.ended - used == set(), "seen to end, and without usage"
    assert unended == (0,)
    assert {ends[interception_id] for interception_id in seen.ended} == {None}
    # Some were cut by the kill: those that the journal had begun and not ended are told apart.
    assert "interrupted" in ends.values()
    assert set(ends.values()) <= {None, "interrupted", "client_disconnected"}
