"""What metrics, traces and dumps say of a turn of several answers."""

from __future__ import annotations

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import generate_latest

from aigateway.app.observing import Observing
from aigateway.audit.dumps.dumps import Dumps
from aigateway.telemetry.metrics import Metrics
from aigateway.telemetry.tracing import Tracing
from aigateway.wire.facts import ApiFormat
from tests.gateway.inner.conftest import text

SEARCH = ("c1", "bmcp_wiki_search", {"q": "secret words"})
OWN = ("c3", "Bash", {"command": "ls"})


async def test_metrics_count_every_answer_and_every_call(loop):
    metrics = Metrics()
    loop.stage.observing = Observing(metrics, None)
    loop.says(ApiFormat.MESSAGES, [SEARCH], [("It is 42.",), OWN])
    await loop.ask(ApiFormat.MESSAGES)
    shown = generate_latest(metrics.registry).decode()
    named = 'model="sim",name="search",provider="anthropic",server="https://wiki.example/mcp"'
    assert f"coder_ai_gateway_injected_tool_invocations_total{{{named}}} 1.0" in shown
    named = 'model="sim",name="Bash",provider="anthropic"'
    assert f"coder_ai_gateway_non_injected_tool_selections_total{{{named}}} 1.0" in shown
    (output,) = [line for line in shown.splitlines() if "tokens_total{" in line and 'type="output"' in line]
    assert output.endswith(" 10.0")
    (requests,) = [line for line in shown.splitlines() if "interceptions_total{" in line]
    assert requests.endswith(" 1.0")


async def test_traces_have_a_span_for_every_call(loop):
    exporter = InMemorySpanExporter()
    tracing = Tracing([exporter])
    loop.stage.observing = Observing(None, tracing)
    loop.wiki.answers["search"] = text("No such page.", is_error=True)
    loop.says(ApiFormat.MESSAGES, [SEARCH], [("It is 42.",)])
    await loop.ask(ApiFormat.MESSAGES)
    await tracing.stop(within_seconds=10)
    spans = exporter.get_finished_spans()
    names = [span.name for span in spans]
    assert names.count("Intercept.ProcessRequest.Upstream") == 2
    assert names.count("Intercept.RecordTokenUsage") == 2
    assert names.count("Intercept.RecordToolUsage") == 1
    (call,) = [span for span in spans if span.name == "Intercept.ProcessRequest.ToolCall"]
    assert call.attributes["mcp_tool_name"] == "search"
    assert (call.attributes["mcp_server_name"], call.attributes["mcp_server_url"]) == (
        "wiki",
        "https://wiki.example/mcp",
    )
    assert call.status.status_code is StatusCode.ERROR
    assert "secret words" not in "".join(span.to_json() for span in spans)


async def test_every_request_of_a_turn_is_dumped_with_a_number(loop, tmp_path):
    dumps = loop.stage.dumps = Dumps(tmp_path / "dumps", max_file_size=10**6, max_total_size=10**7)
    dumps.start()
    loop.says(ApiFormat.MESSAGES, [SEARCH], [("It is 42.",)])
    await loop.ask(ApiFormat.MESSAGES)
    await dumps.close()
    first, second = sorted(path for path in (tmp_path / "dumps").rglob("*.req.txt"))
    assert "-2" in first.name or "-2" in second.name
    assert sum(b"Page 7 has it." in path.read_bytes() for path in (first, second)) == 1
