from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aigateway.audit.measured import MeasuredRecorder
from aigateway.audit.recorder import UNKNOWN_MODEL, Outcome, Recorder
from aigateway.telemetry import metrics as limits
from aigateway.telemetry.metrics import Metrics
from aigateway.wire.facts import AnswerFacts, ClientFacts, TokenUsage, ToolCall
from tests.audit.test_recorder import CLIENT, asked, subject

PREFIX = "coder_ai_gateway_"
WHO = {"initiator_id": subject().initiator_id, "client": "Codex"}
WHERE = {"provider": "openai-eu", "model": "gpt"}
WHAT = WHERE | WHO | {"route": "/v1/responses", "method": "POST"}
USAGE = TokenUsage("r-1", 10, 20, 30, 40, extra={"output_reasoning": 5, "web_search_requests": 0})
ANSWER = AnswerFacts(
    complete=True,
    usage=USAGE,
    tool_calls=(ToolCall("r-1", "c-1", "shell", "{}"), ToolCall("r-1", "c-2", "shell", "{}")),
)


@pytest.fixture
def counted(journal):
    """A recorder, and what it has counted so far."""
    return Counted(journal)


class Counted:
    def __init__(self, journal):
        self.metrics = Metrics()
        self.recorder = MeasuredRecorder(Recorder(journal), self.metrics)

    def open(self, request=None, client=CLIENT, **changes):
        return self.recorder.open(subject(**changes), request or asked(), client, 1)

    def __call__(self, metric, /, **labels):
        return self.samples().get((PREFIX + metric, *sorted(labels.items())))

    def samples(self):
        families = text_string_to_metric_families(generate_latest(self.metrics.registry).decode())
        return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


async def test_a_request_that_was_served(counted):
    interception = counted.open()
    assert counted("interceptions_inflight", **WHERE, route="/v1/responses") == 1
    await interception.close(Outcome(200, time_to_first_byte_ms=300), ANSWER)
    assert counted("interceptions_inflight", **WHERE, route="/v1/responses") == 0
    assert counted("interceptions_total", **WHAT, status="completed") == 1
    assert counted("interceptions_total", **WHAT, status="failed") is None
    assert counted("interceptions_duration_seconds_count", **WHERE) == 1
    assert counted("time_to_first_byte_seconds_bucket", **WHERE, le="0.25") == 0
    assert counted("time_to_first_byte_seconds_bucket", **WHERE, le="0.5") == 1
    assert counted("prompts_total", **WHERE, **WHO) == 1
    assert counted("non_injected_tool_selections_total", **WHERE, name="shell") == 2


async def test_tokens_by_type_as_the_record_has_them(counted):
    for _ in range(2):
        await counted.open().close(Outcome(200), ANSWER)
    types = {
        "input": 20,
        "output": 40,
        "cache_read_input_tokens": 60,
        "cache_write_input_tokens": 80,
        "output_reasoning": 10,
        "web_search_requests": None,
    }
    assert {kind: counted("tokens_total", **WHERE, **WHO, type=kind) for kind in types} == types


async def test_a_request_that_failed_before_an_answer(counted):
    await counted.open().close(Outcome(502, "upstream_unreachable", "no"), None)
    assert counted("interceptions_total", **WHAT, status="failed") == 1
    assert counted("errors_total", provider="openai-eu", error_type="upstream_unreachable") == 1
    assert counted("time_to_first_byte_seconds_count", **WHERE) is None
    assert counted("interceptions_inflight", **WHERE, route="/v1/responses") == 0


async def test_a_cut_answer_counts_what_it_used(counted):
    await counted.open().close(Outcome(200, "client_disconnected"), ANSWER)
    assert counted("tokens_total", **WHERE, **WHO, type="output") == 20


@pytest.mark.parametrize(
    ("request_", "client"), [(asked(prompt=None), CLIENT), (asked(), ClientFacts("Codex", None, sub_agent=True))]
)
async def test_only_what_a_person_typed_is_a_prompt(counted, request_, client):
    await counted.open(request_, client).close(Outcome(200), None)
    assert counted("prompts_total", **WHERE, **WHO) is None


async def test_a_model_without_a_name(counted):
    await counted.open(asked(model=None)).close(Outcome(200), None)
    assert counted("interceptions_duration_seconds_count", provider="openai-eu", model=UNKNOWN_MODEL) == 1


async def test_hostile_names_neither_break_the_scrape_nor_fill_the_memory(counted):
    answer = AnswerFacts(complete=True, usage=USAGE, tool_calls=(ToolCall("r", "c", 'sh"ell\n# HELP x \x00', "{}"),))
    for number in range(limits.MOST_MODELS + 50):
        counted.open(asked(model=f"{number}\x1b\n" + "x" * 1000)).close(Outcome(200), answer)
    samples = counted.samples()
    models = {dict(labels)["model"] for name, *labels in samples if name == PREFIX + "interceptions_inflight"}
    assert len(models) == limits.MOST_MODELS + 1
    assert max(len(model) for model in models) <= 128
    tools = [dict(labels) for name, *labels in samples if name == PREFIX + "non_injected_tool_selections_total"]
    assert {labels["name"] for labels in tools} == {'sh"ell\ufffd# HELP x \ufffd'}
    served = [value for (name, *_), value in samples.items() if name == PREFIX + "interceptions_total"]
    assert sum(served) == limits.MOST_MODELS + 50


async def test_many_people_with_many_models_share_what_is_beyond_the_limit(journal, monkeypatch):
    monkeypatch.setattr("aigateway.telemetry.metrics.MOST_COMBINATIONS", 100)
    counted = Counted(journal)
    for person in range(20):
        for model in range(10):
            counted.open(asked(model=f"m{model}"), initiator_id=f"person-{person}").close(Outcome(200), ANSWER)
    totals = {
        tuple(labels): value
        for (name, *labels), value in counted.samples().items()
        if name == PREFIX + "interceptions_total" and value
    }
    assert sum(totals.values()) == 200
    assert len(totals) == 101
    assert [value for labels, value in totals.items() if ("initiator_id", "other") in labels] == [100]
