"""`kill -9` while people talk on sockets loses no record of anything that they have seen."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from itertools import count

import aiohttp

from aigateway.simulator.server import SimulatorThread
from tests.support.server import GatewayProcess, providers

ROUNDS = 8
CLIENTS = 8


async def talk(gateway, session, seen, number):
    """Ask one thing after the other; tell what was seen to begin, by its prompt, and to end, by the response's id."""
    headers = {"Authorization": f"Bearer {gateway.token}"}
    async with session.ws_connect(f"{gateway.base}/openai/v1/responses", headers=headers) as socket:
        for turn in count():
            prompt = f"turn {number}-{turn} sim:long:20"
            await socket.send_json({"type": "response.create", "model": "sim", "input": prompt})
            while True:
                event = await socket.receive_json()
                if event["type"] == "response.created":
                    seen["begun"].add(prompt)
                elif event["type"] == "response.completed":
                    seen["ended"].add(event["response"]["id"])
                    break


async def one_round(gateway, seen, first, kill_after):
    async with aiohttp.ClientSession() as session:
        talking = [asyncio.create_task(talk(gateway, session, seen, first + number)) for number in range(CLIENTS)]
        before = len(seen["begun"])
        async with asyncio.timeout(20):
            while len(seen["begun"]) == before:
                assert not any(task.done() for task in talking), [task.exception() for task in talking if task.done()]
                await asyncio.sleep(0.001)
        await asyncio.sleep(kill_after)
        os.kill(gateway.pid, signal.SIGKILL)
        results = await asyncio.gather(*talking, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientError | TypeError) for result in results), results


def test_what_was_seen_on_a_socket_is_on_record(tmp_path):
    moments = random.Random(20260203)
    seen = {"begun": set(), "ended": set()}
    with SimulatorThread(event_interval=0.002) as sim:
        env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})
        with GatewayProcess(tmp_path, env) as gateway:
            for number in range(ROUNDS):
                asyncio.run(one_round(gateway, seen, number * CLIENTS, moments.uniform(0, 0.3)))
                gateway.kill()
                gateway.start()
            assert gateway.stop() == 0
    rows = sqlite3.connect(tmp_path / "data" / "aigateway.sqlite3")
    prompts = {prompt for (prompt,) in rows.execute("SELECT prompt FROM aibridge_user_prompts")}
    used = {ident for (ident,) in rows.execute("SELECT provider_response_id FROM aibridge_token_usages")}
    outcomes = {outcome for (outcome,) in rows.execute("SELECT error_type FROM aibridge_interceptions")}
    unended = rows.execute("SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL").fetchone()
    rows.close()
    assert len(seen["begun"]) > ROUNDS
    assert seen["begun"] - prompts == set(), "seen by a client and not on record"
    assert seen["ended"] - used == set(), "seen to end, and without usage"
    assert unended == (0,)
    assert outcomes == {None, "interrupted"}


def test_sigterm_closes_sockets_and_ends_cleanly(tmp_path):
    async def wait_for_the_end(gateway):
        headers = {"Authorization": f"Bearer {gateway.token}"}
        url = f"{gateway.base}/openai/v1/responses"
        async with aiohttp.ClientSession() as session:
            sockets = [await session.ws_connect(url, headers=headers, autoclose=False) for _ in range(20)]
            asked = {"type": "response.create", "model": "sim", "input": "sim:slow:50"}
            await sockets[0].send_json(asked)
            assert (await sockets[0].receive_json())["type"] == "response.created"
            os.kill(gateway.pid, signal.SIGTERM)
            kinds = []
            while (frame := await sockets[0].receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
                kinds.append(frame.json()["type"])
            assert kinds[-1] == "response.completed"
            assert frame.data == 1001
            for socket in sockets[1:]:
                assert (await socket.receive(timeout=10)).data == 1001
            for socket in sockets:
                await socket.close()

    with SimulatorThread(event_interval=0.002) as sim:
        env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})
        with GatewayProcess(tmp_path, env) as gateway:
            asyncio.run(wait_for_the_end(gateway))
            assert gateway._process.wait(timeout=10) == 0
            assert "uvicorn" not in gateway.log
            assert "Traceback" not in gateway.log
