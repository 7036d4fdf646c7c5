"""The server as a process: how it starts, refuses to start, says that it is ready, and stops."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from aigateway.audit import inspection
from aigateway.simulator.server import SimulatorThread
from tests.support.server import GatewayProcess, free_port, providers
from tests.support.waiting import wait_until


def fetch(url, *, data=None, headers=None, method=None):
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def chat(gateway, *, scenario=None, stream=True):
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}
    if scenario:
        headers["X-Sim-Scenario"] = scenario
    body = {"model": "sim", "stream": stream, "messages": [{"role": "user", "content": "Hello there"}]}
    return urllib.request.Request(
        f"{gateway.base}/openai/v1/chat/completions", data=json.dumps(body).encode(), headers=headers
    )


@pytest.fixture
def sim():
    with SimulatorThread(event_interval=0.001) as sim:
        yield sim


@pytest.fixture
def env(sim):
    return providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})


def run_server(tmp_path, *args, **env):
    """A server that is expected not to start."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | env
    return subprocess.run(
        [sys.executable, "-m", "aigateway", "server", *args], env=env, capture_output=True, text=True, timeout=30
    )


def test_health_and_readiness(tmp_path, env):
    with GatewayProcess(tmp_path, env) as gateway:
        assert fetch(f"{gateway.url}/healthz") == (200, b"ok\n")
        status, body = fetch(f"{gateway.url}/readyz")
        assert status == 200
        checks = json.loads(body)["checks"]
        assert {name: check["ok"] for name, check in checks.items()} == {
            "journal": True,
            "store": True,
            "providers": True,
        }


def test_without_a_provider_it_lives_and_is_not_ready(tmp_path):
    port = free_port()
    gateway = GatewayProcess(tmp_path, {}, port=port)
    gateway._ready = lambda: fetch_or_none(f"http://127.0.0.1:{port}/healthz") == (200, b"ok\n")
    gateway.token = "unused"
    with gateway:
        status, body = fetch(f"{gateway.url}/readyz")
        assert status == 503
        reason = json.loads(body)["checks"]["providers"]["reason"]
        assert "CODER_AI_GATEWAY_PROVIDER_0_TYPE" in reason


def fetch_or_none(url):
    try:
        return fetch(url)
    except OSError:
        return None


def test_while_the_gateway_is_not_enabled_the_data_plane_names_the_option(tmp_path, env):
    with GatewayProcess(tmp_path, env | {"CODER_AI_GATEWAY_ENABLED": "false"}) as gateway:
        status, body = fetch(f"{gateway.base}/openai/v1/chat/completions", data=b"{}")
        assert status == 404
        assert "CODER_AI_GATEWAY_ENABLED=true" in json.loads(body)["error"]["message"]


def test_the_data_directory_and_all_in_it_are_the_owners_alone(tmp_path, env):
    with GatewayProcess(tmp_path, env):
        data = tmp_path / "data"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in data.iterdir()} == dict.fromkeys(
            (path.name for path in data.iterdir()), 0
        )


def test_a_second_server_on_one_data_directory_is_refused_with_the_pid_of_the_first(tmp_path, env):
    with GatewayProcess(tmp_path, env) as gateway:
        refused = run_server(tmp_path, "--data-dir", str(tmp_path / "data"), "--http-address", "127.0.0.1:0")
        assert refused.returncode == 1
        assert f"pid {gateway.pid}" in refused.stderr
        assert "--data-dir" in refused.stderr


def test_a_taken_address_is_refused_with_the_options_name(tmp_path, env):
    with GatewayProcess(tmp_path, env) as gateway:
        refused = run_server(
            tmp_path, "--data-dir", str(tmp_path / "other"), "--http-address", f"127.0.0.1:{gateway.port}"
        )
        assert refused.returncode == 1
        assert "--http-address" in refused.stderr
        assert "in use" in refused.stderr.lower()


def test_a_data_directory_that_cannot_be_made_is_refused_with_the_options_name(tmp_path):
    (tmp_path / "file").write_text("")
    refused = run_server(tmp_path, "--data-dir", str(tmp_path / "file" / "data"), "--http-address", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "--data-dir" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_of_a_newer_version_is_refused(tmp_path, env):
    with GatewayProcess(tmp_path, env):
        pass
    database = sqlite3.connect(tmp_path / "data" / "aigateway.sqlite3")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    refused = run_server(tmp_path, "--data-dir", str(tmp_path / "data"), "--http-address", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "9999" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_when_told_to_stop_it_lets_people_finish_ships_the_journal_and_exits_0(tmp_path, env, signum):
    with GatewayProcess(tmp_path, env) as gateway:
        with urllib.request.urlopen(chat(gateway, scenario="long:30+slow:30"), timeout=30) as answer:
            answer.readline()
            os.kill(gateway.pid, signum)
            rest = answer.read()
        assert b"[DONE]" in rest
        assert gateway._process.wait(timeout=20) == 0
    journal = inspection.inspect(tmp_path / "data" / "journal" / "0")
    assert (journal.waiting, journal.unfinished, journal.problem) == (0, 0, None)
    store = sqlite3.connect(tmp_path / "data" / "aigateway.sqlite3")
    rows = store.execute("SELECT error_type FROM aibridge_interceptions WHERE ended_at IS NOT NULL").fetchall()
    store.close()
    assert rows == [(None,)]


def test_what_does_not_end_in_time_is_told_and_ended_as_interrupted(tmp_path, env):
    args = ("--ai-gateway-shutdown-timeout", "1s")
    with GatewayProcess(tmp_path, env, *args) as gateway:
        with urllib.request.urlopen(chat(gateway, scenario="hang:2"), timeout=30) as answer:
            answer.readline()
            os.kill(gateway.pid, signal.SIGTERM)
            rest = answer.read()
        assert b"AI Gateway: The gateway was stopped" in rest
        assert gateway._process.wait(timeout=20) == 0
    store = sqlite3.connect(tmp_path / "data" / "aigateway.sqlite3")
    rows = store.execute("SELECT error_type FROM aibridge_interceptions WHERE ended_at IS NOT NULL").fetchall()
    store.close()
    assert rows == [("interrupted",)]


def test_a_second_signal_breaks_off_at_once(tmp_path, env):
    with GatewayProcess(tmp_path, env) as gateway:
        with urllib.request.urlopen(chat(gateway, scenario="hang:2"), timeout=30) as answer:
            answer.readline()
            os.kill(gateway.pid, signal.SIGTERM)
            wait_until(lambda: "stopping" in gateway.log)
            os.kill(gateway.pid, signal.SIGTERM)
            assert b"AI Gateway" in answer.read()
        assert gateway._process.wait(timeout=20) == 0


def test_the_control_plane_answers_many_first_requests_at_once(tmp_path, env):
    with GatewayProcess(tmp_path, env) as gateway:
        results = []
        url = f"{gateway.url}/api/v2/buildinfo"
        threads = [threading.Thread(target=lambda: results.append(fetch(url)[0])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [200] * 8


def test_dev_prints_lines_that_work_when_pasted_also_after_a_restart(tmp_path):
    port = free_port()
    first = paste_what_dev_prints(tmp_path, port)
    (tmp_path / "server.log").unlink()
    assert paste_what_dev_prints(tmp_path, port) == first


def paste_what_dev_prints(tmp_path, port):
    with GatewayProcess(tmp_path, {}, "--dev", port=port, empty=True) as gateway:
        wait_until(lambda: "wire_api" in gateway.log)
        curls = re.findall(r"^  (curl -N (?:.*\\\n)+(?:.*\n)*?.*\}')$", gateway.log, re.MULTILINE)
        for curl, mark in zip(curls, ("[DONE]", "response.completed", "message_stop"), strict=True):
            answer = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=30)
            assert mark in answer.stdout, answer
        token = re.search(r"token +(\S+)", gateway.log).group(1)
        headers = {"Coder-Session-Token": token}
        wait_until(lambda: json.loads(fetch(f"{gateway.base}/interceptions", headers=headers)[1])["count"] >= 3)
        assert f"ANTHROPIC_AUTH_TOKEN={token}" in gateway.log
    return curls


def test_a_start_loads_nothing_that_only_some_need():
    """A YAML file, WebSockets, Bedrock's models, passwords and proxies of the environment cost those who have them."""
    some = {"yaml", "websockets", "tomllib", "argon2", "urllib.request", "http.client"}
    code = f"import sys, aigateway.app.serve; print({some!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
