from __future__ import annotations

import re

import pytest

from aigateway.audit.recorder import Outcome, Recorder, Subject
from aigateway.store.records import InterceptionEnd, InterceptionStart, ModelThought, PromptUsage, TokenUsage, ToolUsage
from aigateway.wire import facts as wire
from aigateway.wire.facts import AnswerFacts, ClientFacts, Executor, RequestFacts, Thought, ToolCall

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def subject(**changes):
    fields = {
        "initiator_id": "11111111-1111-4111-8111-111111111111",
        "username": "alice",
        "api_key_id": "abcdefghij",
        "provider_type": "openai",
        "provider_name": "openai-eu",
        "credential_kind": "centralized",
        "credential_hint": "sk-1...2345",
        "user_agent": "codex/1",
        "method": "POST",
        "route": "/v1/responses",
    }
    return Subject(**fields | changes)


def asked(**changes):
    return RequestFacts(**{"model": "gpt", "streaming": True, "prompt": "why?"} | changes)


CLIENT = ClientFacts("Codex", "s-1", {"thread_id": "t-1"})


async def rows(journal):
    return [record for entry in await journal.entries(100) for record in entry.records]


async def test_the_start_says_who_asked_what_with_what(journal):
    interception = Recorder(journal).open(subject(), asked(correlating_tool_call_id="call_1"), CLIENT, 123)
    await interception.started
    begun, prompt = await rows(journal)
    assert isinstance(begun, InterceptionStart)
    assert begun.interception_id == interception.id
    assert (begun.provider, begun.provider_name, begun.model) == ("openai", "openai-eu", "gpt")
    assert (begun.client, begun.client_session_id, begun.correlating_tool_call_id) == ("Codex", "s-1", "call_1")
    assert begun.request_bytes == 123
    assert begun.metadata == {"request_user_agent": "codex/1", "username": "alice", "thread_id": "t-1"}
    assert TIME.fullmatch(begun.started_at)
    assert isinstance(prompt, PromptUsage)
    assert prompt.prompt == "why?"


async def test_a_request_without_a_prompt_or_a_model_is_on_record_all_the_same(journal):
    await Recorder(journal).open(subject(), asked(prompt=None, model=None, purpose="title"), CLIENT, 0).started
    (begun,) = await rows(journal)
    assert begun.model == "coder-aibridge-unknown"
    assert begun.metadata["purpose"] == "title"


async def test_a_sub_agents_prompt_is_no_persons(journal):
    client = ClientFacts("Claude Code", "s-1", {"agent_id": "a-1"}, sub_agent=True)
    await Recorder(journal).open(subject(), asked(), client, 0).started
    (begun,) = await rows(journal)
    assert begun.metadata["agent_id"] == "a-1"


async def test_the_end_brings_everything_the_answer_did_in_one_entry(journal):
    interception = Recorder(journal).open(subject(), asked(), CLIENT, 1)
    answered = AnswerFacts(
        complete=True,
        response_id="resp_1",
        usage=wire.TokenUsage("resp_1", 10, 5, 3, 2, {"output_reasoning": 4}, {"service_tier": "default"}),
        tool_calls=(
            ToolCall("resp_1", "call_1", "shell", '{"cmd":"ls"}', item_id="fc_1"),
            ToolCall("resp_1", "", "web_search", "{}", executor=Executor.PROVIDER),
        ),
        thoughts=(Thought("resp_1", "Hm.", "reasoning_summary"),),
    )
    await interception.close(Outcome(200, response_bytes=77, time_to_first_byte_ms=3), answered)
    *_, last = await journal.entries(10)
    usage, shell, search, thought, ended = last.records
    assert isinstance(usage, TokenUsage)
    assert (usage.input_tokens, usage.output_tokens) == (10, 5)
    assert (usage.cache_read_input_tokens, usage.cache_write_input_tokens) == (3, 2)
    assert usage.metadata == {"output_reasoning": 4, "service_tier": "default"}
    assert isinstance(shell, ToolUsage)
    assert (shell.tool, shell.input, shell.tool_call_id, shell.item_id) == ("shell", '{"cmd":"ls"}', "call_1", "fc_1")
    assert shell.metadata == {"executor": "client"}
    assert (search.tool_call_id, search.metadata) == (None, {"executor": "provider"})
    assert isinstance(thought, ModelThought)
    assert (thought.content, thought.metadata) == ("Hm.", {"source": "reasoning_summary"})
    assert isinstance(ended, InterceptionEnd)
    assert (ended.status_code, ended.response_bytes, ended.time_to_first_byte_ms) == (200, 77, 3)
    assert ended.duration_ms >= 0
    assert len({row.id for row in (usage, shell, search, thought)}) == 4


async def test_what_is_known_of_an_answer_that_was_cut_is_marked_partial(journal):
    interception = Recorder(journal).open(subject(), asked(prompt=None), CLIENT, 1)
    cut = AnswerFacts(complete=False, usage=wire.TokenUsage("r", 1, 1), thoughts=(Thought("r", "Hm", "thinking"),))
    await interception.close(Outcome(200, "upstream_truncated", "x" * 5000), cut)
    _, usage, thought, ended = await rows(journal)
    assert usage.metadata["partial"] is True
    assert thought.metadata["partial"] is True
    assert len(ended.error_message) == 1024


@pytest.mark.parametrize("empty", ["initiator_id", "username", "provider_type", "provider_name", "route"])
def test_there_is_no_interception_of_nobody(empty):
    with pytest.raises(ValueError, match="needs an initiator, a provider and a route"):
        subject(**{empty: ""})


def test_there_are_two_kinds_of_credentials():
    with pytest.raises(ValueError, match="no such credential kind"):
        subject(credential_kind="stolen")
