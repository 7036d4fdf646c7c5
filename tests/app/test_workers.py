"""Several processes behind one address: they share the work, come back when they die, and go when they are told to."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter

import aiohttp
import pytest

from aigateway.simulator.server import SimulatorThread
from tests.support.processes import lives
from tests.support.server import GatewayProcess, free_port, providers
from tests.support.waiting import wait_until

CHAT = {"model": "sim", "messages": [{"role": "user", "content": "Hello there"}]}


class Workers(GatewayProcess):
    """A server of two workers."""

    def start(self):
        super().start()
        wait_until(lambda: len(self.workers) == 2, seconds=30)

    @property
    def workers(self):
        """The pid of each worker that serves, by its number."""
        serving = {}
        for line in self.log.splitlines():
            if found := re.search(r"a worker (serves|died).* worker=(\d+)  ?worker_pid=(\d+)", line):
                word, number, pid = found.groups()
                if word == "serves":
                    serving[int(number)] = int(pid)
                elif serving.get(int(number)) == int(pid):
                    del serving[int(number)]
        return serving


@pytest.fixture(scope="module")
def sim():
    with SimulatorThread(event_interval=0.002) as sim:
        yield sim


@pytest.fixture
def gateway(tmp_path, sim):
    env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})
    with Workers(tmp_path, env, "--workers", "2") as gateway:
        yield gateway


async def ask(gateway, count, *, at_once=16):
    """Each on a connection of its own; the ids of the answers."""
    seen = []
    places = asyncio.Semaphore(at_once)
    headers = {"Authorization": f"Bearer {gateway.token}"}

    async def one():
        url = f"{gateway.base}/openai/v1/chat/completions"
        async with (
            places,
            aiohttp.ClientSession() as session,
            session.post(url, json=CHAT, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
            await answer.read()
            seen.append(answer.headers["X-AI-Gateway-Interception-Id"])

    await asyncio.gather(*(one() for _ in range(count)))
    return set(seen)


def on_record(gateway):
    with sqlite3.connect(gateway.folder / "data" / "aigateway.sqlite3") as rows:
        found = {ident for (ident,) in rows.execute("SELECT id FROM aibridge_interceptions WHERE ended_at IS NOT NULL")}
    rows.close()
    return found


def test_workers_share_the_work_and_the_record_and_stop_together(gateway):
    assert len(set(gateway.workers.values())) == 2
    seen = asyncio.run(ask(gateway, 200))
    workers = gateway.workers.values()
    journals = {path.name for path in (gateway.folder / "data" / "journal").iterdir() if path.is_dir()}
    assert journals == {"0", "1"}
    assert gateway.stop() == 0
    assert not any(lives(pid) for pid in workers)
    assert seen - on_record(gateway) == set()
    assert len(seen) == 200
    assert "Traceback" not in gateway.log


def test_a_worker_that_is_killed_comes_back_and_its_records_are_kept(gateway):
    async def under_fire():
        asking = asyncio.create_task(ask(gateway, 300))
        await asyncio.sleep(0.2)
        os.kill(gateway.workers[1], signal.SIGKILL)
        return await asyncio.gather(asking, return_exceptions=True)

    before = gateway.workers[1]
    asyncio.run(under_fire())
    wait_until(lambda: gateway.workers.get(1, before) != before, seconds=30)
    seen = asyncio.run(ask(gateway, 50))
    assert gateway.stop() == 0
    assert seen - on_record(gateway) == set()
    assert "a worker died and is started again" in gateway.log


def test_a_token_that_is_revoked_is_refused_by_every_worker_within_a_second(gateway):
    token = gateway.mint("me", token_name="short-lived")

    async def statuses(count):
        found = Counter()
        for _ in range(count):
            async with aiohttp.ClientSession() as session:
                headers = {"Authorization": f"Bearer {token}"}
                async with session.post(
                    f"{gateway.base}/openai/v1/chat/completions", json=CHAT, headers=headers
                ) as answer:
                    found[answer.status] += 1
        return found

    assert asyncio.run(statuses(20)) == {200: 20}
    gateway.api.call("DELETE", "users", "me", "keys", token.split("-")[0])
    asyncio.run(asyncio.sleep(1))  # the promise is a second, so nothing sooner can be waited for
    assert asyncio.run(statuses(20)) == {401: 20}


def test_without_its_parent_no_worker_goes_on(gateway):
    workers = gateway.workers.values()
    gateway.kill()
    wait_until(lambda: not any(lives(pid) for pid in workers), seconds=20)
    gateway.start()
    assert gateway.stop() == 0


def test_ctrl_c_reaches_each_worker_once(gateway):
    # The terminal tells the whole group of the parent.
    groups = {os.getpgid(pid) for pid in (gateway.pid, *gateway.workers.values())}
    assert len(groups) == 3
    os.kill(gateway.pid, signal.SIGINT)
    assert gateway._process.wait(timeout=30) == 0
    assert "told to stop again" not in gateway.log


def test_hangup_is_passed_on(gateway):
    os.kill(gateway.pid, signal.SIGHUP)
    seen = asyncio.run(ask(gateway, 20))
    assert len(seen) == 20
    assert gateway.stop() == 0


def test_each_worker_has_a_port_for_its_metrics(tmp_path, sim):
    port = free_port()
    env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})
    env |= {"CODER_PROMETHEUS_ENABLE": "true", "CODER_PROMETHEUS_ADDRESS": f"127.0.0.1:{port}"}
    with Workers(tmp_path, env, "--workers", "2") as gateway:
        asyncio.run(ask(gateway, 60))
        counted = 0
        for number in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port + number}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            counted += sum(
                float(line.split()[-1])
                for line in text.splitlines()
                if line.startswith("coder_ai_gateway_interceptions_total{")
            )
        assert counted == 60


def test_what_keeps_the_first_worker_from_starting_is_said_once(tmp_path):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CODER_AI_GATEWAY_DATA_DIR": str(tmp_path / "data"),
        "CODER_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    (tmp_path / "data" / "aigateway.sqlite3").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "aigateway", "server", "--workers", "2"],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("the server cannot start") == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_other_workers_have_is_refused(gateway, tmp_path):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CODER_AI_GATEWAY_DATA_DIR": str(tmp_path / "other"),
        "CODER_HTTP_ADDRESS": f"127.0.0.1:{gateway.port}",
    }
    command = [sys.executable, "-m", "aigateway", "server", "--workers", "2"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "--http-address" in done.stderr
