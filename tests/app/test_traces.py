"""The traces of a server as a process, as a collector gets them."""

from __future__ import annotations

import http.client
import json

import pytest

from aigateway.simulator.server import SimulatorThread
from tests.support.collector import Collector
from tests.support.server import GatewayProcess, providers
from tests.support.waiting import wait_until


@pytest.fixture
def collector():
    with Collector() as running:
        yield running


@pytest.fixture
def env(collector):
    with SimulatorThread(event_interval=0.001) as sim:
        yield {
            **providers({"TYPE": "openai", "KEY": "sk-canary-0123456789", "BASE_URL": f"{sim.url}/v1"}),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }


def ask(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = json.dumps({"model": "sim", "messages": [{"role": "user", "content": "canary-prompt"}]})
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v2/aibridge/openai/v1/chat/completions", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_a_request_is_one_trace_at_the_collector(tmp_path, collector, env):
    with GatewayProcess(tmp_path, env | {"CODER_TRACE_ENABLE": "true"}) as gateway:
        ident = ask(gateway).headers["x-ai-gateway-interception-id"]
        wait_until(lambda: "Intercept" in {span.name for span in collector.spans})
    spans = collector.spans
    assert collector.resource["service.name"] == "coder-ai-gateway"
    assert len({span.trace_id for span in spans}) == 1
    assert "Intercept.ProcessRequest.Upstream" in {span.name for span in spans}
    told = {attribute.key: attribute.value for span in spans for attribute in span.attributes}
    assert told["interception_id"].string_value == ident
    sent = b"".join(request.SerializeToString() for request in collector.requests)
    assert not any(secret in sent for secret in (b"sk-canary", b"canary-prompt", gateway.token.encode()))


def test_the_last_spans_are_sent_at_the_end(tmp_path, collector, env):
    with GatewayProcess(tmp_path, env | {"CODER_TRACE_ENABLE": "true", "OTEL_BSP_SCHEDULE_DELAY": "60000"}) as gateway:
        ask(gateway)
        assert collector.spans == []
        assert gateway.stop() == 0
    assert "Intercept" in {span.name for span in collector.spans}


def test_off_means_that_nothing_is_sent(tmp_path, collector, env):
    with GatewayProcess(tmp_path, env) as gateway:
        ask(gateway)
        assert gateway.stop() == 0
    assert collector.requests == []


def test_a_collector_that_is_away_is_not_felt(tmp_path, env):
    env |= {"CODER_TRACE_ENABLE": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with GatewayProcess(tmp_path, env) as gateway:
        assert ask(gateway).status == 200
        assert gateway.stop() == 0
    assert "Traceback" not in gateway.log
