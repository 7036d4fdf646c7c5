from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aigateway import __version__
from aigateway.telemetry.events import BreakerState, Events
from aigateway.telemetry.metrics import MOST_MODELS, Metrics, Readings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
READINGS = Readings(
    journal_failures=lambda: 1,
    ship_failures=lambda: 2,
    records_rejected=lambda: 3,
    unrecorded_requests=lambda: 5,
    log_entries_lost=lambda: 4,
)


def scraped(metrics):
    """Every sample by name and labels."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def sample(metrics, name, **labels):
    return scraped(metrics).get((name, *sorted(labels.items())))


def test_what_runs():
    found = [name for name in scraped(Metrics()) if name[0] == "coder_ai_gateway_build_info"]
    assert found[0][2] == ("version", __version__)


def test_what_others_count_is_read_at_the_scrape():
    metrics = Metrics()
    metrics.read_from(READINGS)
    names = ("journal_failures", "ship_failures", "records_rejected", "log_entries_lost", "unrecorded_requests")
    assert [sample(metrics, f"coder_ai_gateway_{name}_total") for name in names] == [1, 2, 3, 4, 5]


def test_circuit_breakers():
    metrics = Metrics()
    where = {"provider": "openai", "endpoint": "/v1/responses", "model": "gpt-5"}
    for state in (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.OPEN):
        metrics.breaker_changed(*where.values(), state)
    metrics.breaker_rejected(*where.values())
    assert sample(metrics, "coder_ai_gateway_circuit_breaker_state", **where) == 1
    assert sample(metrics, "coder_ai_gateway_circuit_breaker_trips_total", **where) == 2
    assert sample(metrics, "coder_ai_gateway_circuit_breaker_rejects_total", **where) == 1
    metrics.breaker_changed(*where.values(), BreakerState.HALF_OPEN)
    assert sample(metrics, "coder_ai_gateway_circuit_breaker_state", **where) == 0.5


def test_key_pools():
    metrics = Metrics()
    metrics.key_states("openai", {"valid": 2, "temporary": 1})
    metrics.key_changed("openai", "rate_limited")
    metrics.keys_exhausted("openai", "rate_limited")
    metrics.key_attempts("openai", 3)
    pool = "coder_ai_gateway_key_pool"
    assert sample(metrics, f"{pool}_state", provider="openai", state="valid") == 2
    assert sample(metrics, f"{pool}_state", provider="openai", state="temporary") == 1
    assert sample(metrics, f"{pool}_state_transitions_total", provider="openai", reason="rate_limited") == 1
    assert sample(metrics, f"{pool}_exhaustions_total", provider="openai", outcome="rate_limited") == 1
    assert sample(metrics, f"{pool}_failover_attempts_bucket", provider="openai", le="2.0") == 0
    assert sample(metrics, f"{pool}_failover_attempts_bucket", provider="openai", le="3.0") == 1


def test_the_purge():
    metrics = Metrics()
    metrics.purged("aibridge_records", 7)
    metrics.purge_ended(success=True, seconds=0.5)
    assert sample(metrics, "coderd_dbpurge_records_purged_total", record_type="aibridge_records") == 7
    assert sample(metrics, "coderd_dbpurge_iteration_duration_seconds_count", success="true") == 1


def test_journals_that_were_left_behind():
    metrics = Metrics()
    metrics.journals_adopted(2, left=1)
    metrics.journals_adopted(1, left=0)
    assert sample(metrics, "coder_ai_gateway_journals_adopted_total") == 3
    assert sample(metrics, "coder_ai_gateway_journals_left_behind") == 0


def test_providers():
    metrics = Metrics()
    metrics.provider("openai-eu", "openai", "enabled")
    labels = {"provider_name": "openai-eu", "provider_type": "openai", "status": "enabled"}
    assert sample(metrics, "coder_ai_gateway_provider_info", **labels) == 1


def test_hostile_models_cannot_fill_the_memory():
    metrics = Metrics()
    for number in range(MOST_MODELS + 100):
        metrics.breaker_rejected("openai", "/v1/responses", f"{number}\n")
    series = [key for key in scraped(metrics) if key[0] == "coder_ai_gateway_circuit_breaker_rejects_total"]
    assert len(series) == MOST_MODELS + 1


def test_without_metrics_the_same_calls_count_nothing():
    nobody = Events()
    nobody.breaker_changed("p", "/e", "m", BreakerState.OPEN)
    nobody.breaker_rejected("p", "/e", "m")
    nobody.key_states("p", {"valid": 1})
    nobody.key_changed("p", "rate_limited")
    nobody.keys_exhausted("p", "rate_limited")
    nobody.key_attempts("p", 1)
    nobody.tools_listed("s", 1, reachable=True)
    nobody.tool_called("s", 0.1, failed=False)
    nobody.journals_adopted(1, left=0)
    nobody.purged("aibridge_records", 1)
    nobody.purge_ended(success=False, seconds=1)


def test_the_page_lists_every_metric_with_its_type_and_labels():
    metrics = Metrics()
    metrics.read_from(READINGS)
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    written = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert written == _registered(metrics)


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "alerts.yml"])
def test_the_dashboard_and_the_alerts_ask_for_what_there_is(name):
    metrics = Metrics()
    metrics.read_from(READINGS)
    text = (ROOT / "deploy" / name).read_text("utf-8")
    assert yaml.safe_load(text)
    asked = set(re.findall(r"(?:coder_ai_gateway|coderd_dbpurge)_[a-z_]+", text))
    known = {name + end for name in _registered(metrics) for end in ("", "_bucket", "_count", "_sum")}
    assert asked <= known


def _registered(metrics):
    found = {}
    for collector in metrics.registry._collector_to_names:
        for family in collector.collect():
            if family.name.startswith(("process_", "python_")):
                continue
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, set(getattr(collector, "_labelnames", getattr(family, "_labelnames", ()))))
    return found


def test_mcp_servers():
    metrics = Metrics()
    metrics.tools_listed("docs", 3, reachable=True)
    metrics.tools_listed("wiki", 0, reachable=False)
    metrics.tool_called("docs", 0.2, failed=True)
    assert sample(metrics, "coder_ai_gateway_mcp_server_reachable", server="docs") == 1
    assert sample(metrics, "coder_ai_gateway_mcp_server_reachable", server="wiki") == 0
    assert sample(metrics, "coder_ai_gateway_mcp_server_tools", server="docs") == 3
    counted = "coder_ai_gateway_mcp_call_duration_seconds_count"
    assert sample(metrics, counted, server="docs", outcome="failed") == 1
