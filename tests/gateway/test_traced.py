from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from aigateway.app.observing import Observing
from aigateway.gateway.traced import note
from aigateway.telemetry.logging import follow, get_logger, unfollow
from aigateway.telemetry.tracing import SERVICE, Tracing
from tests.gateway.stage import ALICE, CHAT, MESSAGES, RESPONSES, TOKEN
from tests.providers.making import provider

CHAT_PATH = "openai/v1/chat/completions"
FOREIGN_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def spans(stage):
    """Ends the tracing, and gives the spans that were made, in the order of their ends."""
    exporter = InMemorySpanExporter()
    tracing = Tracing([exporter])
    stage.observing = Observing(None, tracing)

    async def finished():
        await tracing.stop(within_seconds=10)
        return exporter.get_finished_spans()

    yield finished
    await tracing.stop(within_seconds=10)


def one(spans, name):
    (found,) = [span for span in spans if span.name == name]
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "payload"),
    [(CHAT_PATH, CHAT), ("openai/v1/responses", RESPONSES), ("anthropic/v1/messages", MESSAGES)],
)
async def test_the_spans_of_a_request(stage, spans, path, payload, stream):
    answer = await stage.ask(path, payload | {"stream": stream})
    assert answer.status == 200
    made = await spans()
    assert sorted(span.name for span in made) == [
        "Intercept",
        "Intercept.CreateInterceptor",
        "Intercept.ProcessRequest",
        "Intercept.ProcessRequest.Upstream",
        "Intercept.RecordInterception",
        "Intercept.RecordInterceptionEnded",
        "Intercept.RecordPromptUsage",
        "Intercept.RecordTokenUsage",
    ]
    for span in made:
        assert span.attributes == {
            "request_path": f"/{path}",
            "interception_id": answer.headers["x-ai-gateway-interception-id"],
            "user_id": ALICE.user_id,
            "provider": path.split("/")[0],
            "model": "sim",
            "streaming": stream,
        } | ({"aws_bedrock": False} if "messages" in path else {})
        assert span.status.status_code is StatusCode.UNSET
    root = one(made, "Intercept")
    assert root.parent is None
    assert one(made, "Intercept.ProcessRequest.Upstream").parent == one(made, "Intercept.ProcessRequest").context
    others = [span for span in made if not span.name.endswith((".Upstream", "Intercept"))]
    assert all(span.parent == root.context for span in others)
    assert root.resource.attributes["service.name"] == SERVICE == "coder-ai-gateway"


async def test_one_span_for_each_tool_call(stage, spans):
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("read", "write")]
    await stage.ask(CHAT_PATH, CHAT | {"tools": tools}, sim="parallel-tools")
    names = [span.name for span in await spans()]
    assert names.count("Intercept.RecordToolUsage") == 2


async def test_a_provider_that_is_away_is_tried_twice_and_the_request_failed(stage, spans):
    stage.providers["openai"] = provider("openai", base_url="http://127.0.0.1:1/v1")
    assert (await stage.ask(CHAT_PATH, CHAT)).status == 502
    made = await spans()
    calls = [span for span in made if span.name.endswith(".Upstream")]
    assert [(span.status.status_code, span.status.description) for span in calls] == [
        (StatusCode.ERROR, "Unreachable")
    ] * 2
    for name in ("Intercept", "Intercept.ProcessRequest"):
        assert one(made, name).status.status_code is StatusCode.ERROR
        assert one(made, name).status.description == "upstream_unreachable"


async def test_a_stream_that_is_cut_fails_the_request_and_not_the_call(stage, spans):
    await stage.ask(CHAT_PATH, CHAT | {"stream": True}, sim="cut:3")
    made = await spans()
    assert one(made, "Intercept").status.description == "upstream_truncated"
    assert one(made, "Intercept.ProcessRequest.Upstream").status.status_code is StatusCode.UNSET


async def test_a_body_that_cannot_be_read_fails_before_anything_is_on_record(stage, spans):
    assert (await stage.ask(CHAT_PATH, body=b"{")).status == 400
    made = await spans()
    assert [span.name for span in made] == ["Intercept.CreateInterceptor", "Intercept"]
    assert {span.status.status_code for span in made} == {StatusCode.ERROR}


async def test_a_journal_that_cannot_be_written_shows_on_the_record_spans(stage, spans):
    await stage.journal.close()
    assert (await stage.ask(CHAT_PATH, CHAT)).status == 503
    made = await spans()
    assert one(made, "Intercept.RecordInterception").status.description == "journal_unavailable"
    assert one(made, "Intercept").status.status_code is StatusCode.ERROR


async def test_what_passes_through_has_one_span_without_its_query(stage, spans):
    await stage.ask("openai/v1/models", method="GET", query=b"key=secret")
    (span,) = await spans()
    assert span.name == "Passthrough"
    assert span.attributes == {
        "passthrough_url": "/models",
        "passthrough_upstream_url": f"{stage.sim.url}/v1/models",
        "passthrough_method": "GET",
    }


async def test_a_clients_traceparent_is_no_parent_of_ours(stage, spans):
    await stage.ask(CHAT_PATH, CHAT, headers={"traceparent": FOREIGN_PARENT})
    root = one(await spans(), "Intercept")
    assert root.parent is None
    assert f"{root.context.trace_id:032x}" not in FOREIGN_PARENT


async def test_two_requests_have_two_traces(stage, spans):
    for _ in range(2):
        await stage.ask(CHAT_PATH, CHAT)
    assert len({span.context.trace_id for span in await spans()}) == 2


async def test_log_entries_become_events_of_the_request_that_they_speak_of(stage, spans):
    log = get_logger("test")

    async def talk(client):
        log.info("a piece came", size="x" * 1000, text="\x1b[31m")

    follow(note)
    try:
        log.info("nobody's entry")
        await stage.ask(CHAT_PATH, CHAT, on_piece=talk)
        log.info("nobody's entry")
    finally:
        unfollow(note)
    made = await spans()
    (event, *_) = one(made, "Intercept.ProcessRequest").events
    assert event.name == "a piece came"
    assert event.attributes == {"level": "INFO", "logger": "test", "size": "x" * 128, "text": "\ufffd[31m"}
    assert not [event for span in made for event in span.events if event.name == "nobody's entry"]


async def test_outside_the_sample_no_span_is_made(stage, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    exporter = InMemorySpanExporter()
    tracing = Tracing([exporter])
    stage.observing = Observing(None, tracing)
    assert (await stage.ask(CHAT_PATH, CHAT)).status == 200
    await tracing.stop(within_seconds=10)
    assert exporter.get_finished_spans() == ()


async def test_no_secret_and_no_prompt_is_in_a_span(stage, spans):
    await stage.ask(CHAT_PATH, CHAT | {"messages": [{"role": "user", "content": "canary-prompt"}]})
    await stage.ask(CHAT_PATH, CHAT | {"model": "x" * 1000}, sim="error-400")
    shown = "".join(span.to_json() for span in await spans())
    assert not any(word in shown for word in (TOKEN, "sk-central", "canary-prompt", "x" * 200, "alice"))
