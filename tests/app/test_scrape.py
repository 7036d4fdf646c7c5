"""The metrics of a server as a process, as Prometheus gets them."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aigateway.simulator.server import SimulatorThread
from tests.support.server import GatewayProcess, free_port, providers
from tests.support.waiting import wait_until

PREFIX = "coder_ai_gateway_"


@pytest.fixture(scope="module")
def sim():
    with SimulatorThread(event_interval=0.001) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(sim, tmp_path_factory):
    env = providers(
        {"TYPE": "openai", "KEY": "sk-canary-0123456789", "BASE_URL": f"{sim.url}/v1"},
        {"TYPE": "openai", "NAME": "dead", "KEY": "sk-canary-0123456789", "BASE_URL": "http://127.0.0.1:9/v1"},
    )
    port = free_port()
    env |= {"CODER_PROMETHEUS_ENABLE": "true", "CODER_PROMETHEUS_ADDRESS": f"127.0.0.1:{port}"}
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), env) as running:
        running.metrics_port = port
        yield running


def call(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content


def ask(gateway, path, body=None, **headers):
    sent = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"} | headers
    method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
    return call(gateway.port, method, f"/api/v2/aibridge/{path}", content, sent)[0].status


def chat(model="sim", *, stream=True):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello there"}]}


def get(gateway, path="/metrics", method="GET", **headers):
    return call(gateway.metrics_port, method, path, headers=headers)


def samples(gateway):
    return [
        (sample.name.removeprefix(PREFIX), sample.labels, sample.value)
        for family in text_string_to_metric_families(get(gateway)[1])
        for sample in family.samples
    ]


def total(gateway, name, **labels):
    return sum(value for found, its, value in samples(gateway) if found == name and labels.items() <= its.items())


def test_real_requests_are_counted(gateway):
    before = total(gateway, "interceptions_total", provider="openai")
    for stream in (True, False):
        assert ask(gateway, "openai/v1/chat/completions", chat(stream=stream), **{"User-Agent": "codex/1"}) == 200
    where = {"provider": "openai", "model": "sim", "client": "Codex"}
    wait_until(lambda: total(gateway, "interceptions_total", **where, status="completed") == 2)
    assert total(gateway, "interceptions_total", provider="openai") == before + 2
    assert total(gateway, "prompts_total", **where) == 2
    assert total(gateway, "interceptions_duration_seconds_count", provider="openai", model="sim") >= 2

    def recorded():
        return [row for row in gateway.interceptions() if row["client"] == "Codex"]

    wait_until(lambda: len(recorded()) == 2)
    for kind in ("input", "output"):
        used = sum(usage[f"{kind}_tokens"] for row in recorded() for usage in row["token_usages"])
        assert total(gateway, "tokens_total", **where, type=kind) == used > 0
    assert total(gateway, "interceptions_inflight") == 0


def test_failures_are_counted_by_their_kind(gateway):
    assert ask(gateway, "dead/v1/chat/completions", chat()) == 502
    assert total(gateway, "errors_total", provider="dead", error_type="upstream_unreachable") == 1
    assert total(gateway, "interceptions_total", provider="dead", status="failed") == 1


def test_what_passes_through_is_counted_by_route_and_never_by_path(gateway):
    for path in ("models", "models/one", "models/two", "models/secret-9f"):
        ask(gateway, f"openai/v1/{path}")
    assert total(gateway, "passthrough_total", provider="openai", route="/models", method="GET") == 1
    assert total(gateway, "passthrough_total", provider="openai", route="/models/", method="GET") == 3
    assert "secret-9f" not in get(gateway)[1]


def test_hostile_model_names_stay_one_line(gateway):
    ask(
        gateway,
        "openai/v1/chat/completions",
        chat('evil"} 1\ncoder_ai_gateway_build_info{version="\x1b[31m' + "x" * 500),
    )
    models = {its["model"] for _, its, _ in samples(gateway) if its.get("model", "").startswith("evil")}
    assert len(models) == 1
    (model,) = models
    assert len(model) == 128
    assert "\n" not in model
    assert "\x1b" not in model


def test_no_secret_and_no_name_of_a_person_is_shown(gateway):
    ask(gateway, "openai/v1/chat/completions", chat())
    page = get(gateway)[1]
    assert not any(word in page for word in ("sk-canary", gateway.token, "ada", "Hello there"))


def test_the_server_tells_of_itself(gateway):
    assert total(gateway, "provider_info", provider_name="openai", provider_type="openai", status="enabled") == 1
    assert total(gateway, "build_info") == 1
    for name in ("journal_failures_total", "ship_failures_total", "records_rejected_total", "log_entries_lost_total"):
        assert total(gateway, name) == 0
    assert total(gateway, "journals_adopted_total") == total(gateway, "journals_left_behind") == 0
    wait_until(lambda: total(gateway, "journal_backlog_entries") == 0)
    assert total(gateway, "process_resident_memory_bytes") > 0


def test_only_the_page_and_only_get(gateway):
    assert get(gateway, "/")[0].status == 404
    answer, _ = get(gateway, method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert get(gateway)[0].headers["content-type"].startswith("text/plain; version=0.0.4")
    answer, body = get(gateway, Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_off_means_a_closed_port_and_nothing_loaded(sim, tmp_path):
    port = free_port()
    env = providers({"TYPE": "openai", "KEY": "k", "BASE_URL": f"{sim.url}/v1"})
    env["CODER_PROMETHEUS_ADDRESS"] = f"127.0.0.1:{port}"
    with GatewayProcess(tmp_path, env), socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    code = "import sys, aigateway.app.serve; print({'prometheus_client', 'opentelemetry'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert loaded.stdout.strip() == "set()"


def test_a_taken_port_is_told_with_the_option(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CODER_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
            "CODER_PROMETHEUS_ENABLE": "true",
            "CODER_PROMETHEUS_ADDRESS": address,
        }
        command = [sys.executable, "-m", "aigateway", "server"]
        run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1
    assert f"--prometheus-address (CODER_PROMETHEUS_ADDRESS): cannot listen on {address}" in run.stderr
    assert "Traceback" not in run.stderr
