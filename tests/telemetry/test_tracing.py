"""Where traces go, with a real collector on loopback."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aigateway import __version__
from aigateway.settings.model import TracingSettings
from aigateway.settings.secret import Secret
from aigateway.telemetry import tracing
from aigateway.telemetry.tracing import SERVICE, Tracing, exporters_for
from tests.support.collector import Collector

PLAIN = TracingSettings(enabled=True, honeycomb_api_key=None, capture_logs=False)
HONEYCOMB = TracingSettings(enabled=True, honeycomb_api_key=Secret("hny-canary"), capture_logs=False)


@pytest.fixture
def collector(monkeypatch):
    for name in (*tracing._ENDPOINT_VARIABLES, *tracing._HEADER_VARIABLES, *tracing._PROTOCOL_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    with Collector() as running:
        yield running


async def send(settings, *, within_seconds=10):
    made = Tracing(exporters_for(settings))
    made.tracer.start_span("Passthrough", attributes={"passthrough_method": "GET"}).end()
    await made.stop(within_seconds=within_seconds)


async def test_spans_arrive_as_otlp_over_http(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
    await send(PLAIN)
    (span,) = collector.spans
    assert span.name == "Passthrough"
    assert [(it.key, it.value.string_value) for it in span.attributes] == [("passthrough_method", "GET")]
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["x-tenant"] == "ours"
    assert collector.resource["service.name"] == SERVICE
    assert collector.resource["service.version"] == __version__


async def test_the_operator_can_say_more_about_the_service(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/custom")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=staging")
    await send(PLAIN)
    assert collector.paths == ["/custom"]
    assert collector.resource["deployment.environment"] == "staging"


async def test_a_honeycomb_key_sends_there_with_the_key_and_with_no_other_collectors_headers(collector, monkeypatch):
    monkeypatch.setattr(tracing, "_HONEYCOMB_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer other-canary")
    await send(HONEYCOMB)
    (headers,) = collector.headers
    assert headers["x-honeycomb-team"] == "hny-canary"
    assert "authorization" not in headers
    assert len(collector.spans) == 1


async def test_a_honeycomb_key_beside_an_endpoint_sends_to_both(collector, monkeypatch):
    monkeypatch.setattr(tracing, "_HONEYCOMB_ENDPOINT", f"{collector.url}/honeycomb")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    await send(HONEYCOMB)
    assert sorted(collector.paths) == ["/honeycomb", "/v1/traces"]
    keys = {path: "x-honeycomb-team" in sent for path, sent in zip(collector.paths, collector.headers, strict=True)}
    assert keys == {"/honeycomb": True, "/v1/traces": False}


async def test_a_collector_that_hangs_does_not_hold_up_the_end(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    collector.answers.clear()
    began = time.monotonic()
    await send(PLAIN, within_seconds=0.2)
    assert time.monotonic() - began < 5


def test_another_protocol_is_told_and_not_obeyed(collector, monkeypatch):
    said = []
    log = SimpleNamespace(warning=lambda message, **fields: said.append((message, fields)))
    monkeypatch.setattr(tracing, "_log", log)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    exporters = exporters_for(PLAIN)
    assert len(exporters) == 1
    (message, fields) = said[0]
    assert "OTLP over HTTP" in message
    assert fields == {"protocol": "grpc"}
    exporters[0].shutdown()


def test_the_page_lists_every_span_and_every_attribute():
    page = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text("utf-8")
    names = {value for name, value in vars(tracing).items() if name.isupper() and not name.startswith("_")} - {SERVICE}
    assert len(names) > 15
    assert names == {name for name in re.findall(r"`([\w.]+)`", page) if name in names}
