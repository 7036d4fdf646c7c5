from pathlib import Path

import pytest

from aigateway.wire.facts import AnswerError, ApiFormat, Executor, Thought, TokenUsage, ToolCall
from aigateway.wire.observe import observer_for

STREAMS = Path(__file__).parents[1] / "fixtures/streams"
EXTRA = {
    "web_search_requests": 0,
    "cache_creation_input": 100,
    "cache_read_input": 2000,
    "cache_ephemeral_1h_input": 40,
    "cache_ephemeral_5m_input": 60,
}
TIER = {"service_tier": "standard"}
ID = "msg_1"


def facts_of(stream, content_type="text/event-stream"):
    body = stream if isinstance(stream, bytes) else (STREAMS / f"messages-{stream}.sse").read_bytes()
    observer = observer_for(ApiFormat.MESSAGES, content_type=content_type, content_encoding="", status=200)
    observer.feed(body)
    return observer.facts()


def test_the_counts_of_message_delta_replace_those_of_message_start():
    facts = facts_of("plain")
    assert facts.complete
    assert (facts.response_id, facts.model) == (ID, "claude-opus-5-5")
    assert facts.usage == TokenUsage(ID, 25, 15, 2000, 100, EXTRA, TIER)


def test_each_field_is_replaced_by_itself_and_null_replaces_nothing():
    facts = facts_of("server-tools")
    extra = EXTRA | {"web_search_requests": 2, "cache_read_input": 3000}
    assert facts.usage == TokenUsage(ID, 500, 60, 3000, 100, extra, TIER)


def test_thoughts_and_client_tools_are_recorded():
    facts = facts_of("thinking-tools")
    assert facts.thoughts == (Thought(ID, "I should look.", "thinking"),)
    assert facts.tool_calls == (
        ToolCall(ID, "toolu_1", "Read", '{"path": "a.py"}'),
        ToolCall(ID, "toolu_2", "Now", "{}"),
    )


def test_tools_that_the_provider_runs_are_recorded_as_its_own():
    assert facts_of("server-tools").tool_calls == (
        ToolCall(ID, "srvtoolu_1", "web_search", '{"query":"x"}', executor=Executor.PROVIDER),
        ToolCall(ID, "mcptoolu_1", "find", '{"q":1}', executor=Executor.PROVIDER),
    )


def test_an_error_event_is_told_and_the_usage_so_far_is_partial():
    facts = facts_of("error")
    assert facts.complete
    assert facts.error == AnswerError("overloaded_error", "Overloaded")
    assert facts.usage.metadata == TIER | {"partial": True}


def test_a_cut_stream_keeps_what_was_whole():
    facts = facts_of("cut")
    assert not facts.complete
    assert facts.usage == TokenUsage(ID, 25, 3, 2000, 100, EXTRA, TIER | {"partial": True})
    assert facts.thoughts == (Thought(ID, "Half a", "thinking"),)
    assert [call.call_id for call in facts.tool_calls] == ["toolu_1"]


def test_unknown_events_and_blocks_change_nothing():
    facts = facts_of("unknown-events")
    assert facts.usage.output_tokens == 4
    assert (facts.tool_calls, facts.thoughts, facts.unreadable) == ((), (), None)


def test_events_without_an_event_line_are_known_by_their_type():
    facts = facts_of("without-event-lines")
    assert facts.complete
    assert facts.tool_calls == (ToolCall(ID, "toolu_1", "A", '{"a":1}'),)


def test_a_stream_without_usage_has_none():
    assert facts_of(b'event: message_stop\ndata: {"type":"message_stop"}\n\n').usage is None


def test_an_event_of_an_odd_shape_is_read_as_far_as_it_goes():
    facts = facts_of(
        b'data: {"type":"message_start","message":{"id":5,"model":"m","usage":{"input_tokens":2}}}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","delta":7,"usage":{"output_tokens":3}}\n\n'
    )
    assert facts.model == "m"
    assert (facts.usage.input_tokens, facts.usage.output_tokens) == (2, 3)
    assert "unexpected shape" in facts.unreadable


def test_half_an_emoji_in_a_thought_does_not_lose_the_thought():
    facts = facts_of(
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}\n\n'
        rb'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a \ud83d"}}'
        b"\n\n"
    )
    assert facts.thoughts == (Thought("", "a \ufffd", "thinking"),)
    assert facts.unreadable is None


def test_a_whole_body_is_read():
    facts = facts_of(
        b'{"id":"msg_1","type":"message","role":"assistant","model":"m","stop_reason":"tool_use","content":['
        b'{"type":"thinking","thinking":"Hm.","signature":"s"},{"type":"text","text":"x"},'
        b'{"type":"tool_use","id":"toolu_1","name":"A","input":{"a": [1, 2]}}],'
        b'"usage":{"input_tokens":7,"output_tokens":5}}',
        "application/json",
    )
    assert facts.complete
    assert facts.thoughts == (Thought(ID, "Hm.", "thinking"),)
    assert facts.tool_calls == (ToolCall(ID, "toolu_1", "A", '{"a": [1, 2]}'),)
    assert facts.usage == TokenUsage(ID, 7, 5, extra=dict.fromkeys(EXTRA, 0))


@pytest.mark.parametrize("name", ["plain", "thinking-tools", "server-tools"])
def test_it_agrees_with_the_anthropic_sdk(anthropic_answered, name):
    client = anthropic_answered((STREAMS / f"messages-{name}.sse").read_bytes())
    with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
        message = stream.get_final_message()
    facts = facts_of(name)

    assert facts.response_id == message.id
    assert facts.usage.output_tokens == message.usage.output_tokens
    assert facts.usage.input_tokens == message.usage.input_tokens
    assert facts.usage.cache_read_input_tokens == message.usage.cache_read_input_tokens
    assert [call.call_id for call in facts.tool_calls] == [
        block.id for block in message.content if block.type.endswith("tool_use")
    ]
    assert [thought.content for thought in facts.thoughts] == [
        block.thinking for block in message.content if block.type == "thinking"
    ]
