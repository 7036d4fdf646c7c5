"""The server on PostgreSQL as a process: how it starts, and how it refuses to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request

import pytest

from aigateway.app import storage
from aigateway.simulator.server import SimulatorThread
from tests.support.postgres import PASSWORD
from tests.support.server import GatewayProcess, free_port, providers


@pytest.fixture
def sim():
    with SimulatorThread(event_interval=0.001) as sim:
        yield sim


@pytest.fixture
def env(sim):
    return providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})


def chat(gateway, text="Hello there"):
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}
    body = {"model": "sim", "stream": True, "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{gateway.base}/openai/v1/chat/completions", data=json.dumps(body).encode(), headers=headers
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
        answer.read()
        return answer.headers["X-AI-Gateway-Interception-Id"]


def refuse(tmp_path, url):
    """What a server says that is expected not to start."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODER_PG_CONNECTION_URL": url}
    env |= {"CODER_HTTP_ADDRESS": f"127.0.0.1:{free_port()}"}
    command = [sys.executable, "-m", "aigateway", "server"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "CODER_PG_CONNECTION_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr
    return done.stderr


def test_a_server_on_postgresql_serves_and_keeps_the_record_there(tmp_path, env, postgresql):
    with postgresql.database() as name:
        env["CODER_PG_CONNECTION_URL"] = postgresql.url(name)
        with GatewayProcess(tmp_path, env) as gateway:
            ident = chat(gateway)
            assert gateway.interception(ident)["user_prompts"][0]["prompt"] == "Hello there"
            assert PASSWORD not in gateway.log
            assert gateway.stop() == 0
        assert postgresql.execute("SELECT id::text FROM aibridge_interceptions", name) == [(ident,)]
    assert not (tmp_path / "data" / "aigateway.sqlite3").exists()


def test_a_wrong_password_a_missing_database_and_a_newer_schema_are_one_sentence(tmp_path, postgresql):
    wrong = postgresql.url().replace(PASSWORD, f"{PASSWORD}-wrong")
    assert 'password authentication failed for user "postgres"' in refuse(tmp_path, wrong)
    assert 'database "nowhere" does not exist' in refuse(tmp_path, postgresql.url("nowhere"))
    assert "mysql" not in refuse(tmp_path, f"mysql://ann:{PASSWORD}@localhost/db")
    assert "percent-encoded" in refuse(tmp_path, f"postgres://ann:a@{PASSWORD}@localhost/db")


def test_an_administrator_is_made_in_the_servers_database(tmp_path, postgresql):
    with postgresql.database() as name:
        command = [sys.executable, "-m", "aigateway", "server", "create-admin-user", "--username", "ada"]
        command += ["--email", "ada@example.com", "--password", "correct horse battery"]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODER_PG_CONNECTION_URL": postgresql.url(name)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert postgresql.execute("SELECT username, status FROM users", name) == [("ada", "active")]
    assert list(tmp_path.iterdir()) == []


async def test_a_start_waits_for_a_database_that_comes_late(tmp_path, postgresql, monkeypatch):
    monkeypatch.setattr(storage, "_LOOK_AGAIN_SECONDS", 0.05)
    with postgresql.database() as name:
        url = storage.Secret(postgresql.url(name))
        postgresql.kill()
        starting = threading.Timer(0.5, postgresql.start)
        starting.start()
        store = await storage.open_store(url, tmp_path)
        await store.ping()
        await store.close()
        starting.join()


async def test_a_start_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(storage, "_LOOK_AGAIN_SECONDS", 0.05)
    url = storage.Secret(f"postgres://ann:{PASSWORD}@127.0.0.1:{free_port()}/db")
    with pytest.raises(storage.StoreUnavailable, match="CODER_PG_CONNECTION_URL") as told:
        await storage.open_store(url, tmp_path)
    assert PASSWORD not in str(told.value)
