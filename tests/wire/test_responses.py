import json
from pathlib import Path

import pytest

from aigateway.wire.facts import AnswerError, ApiFormat, Executor, Thought, TokenUsage, ToolCall
from aigateway.wire.observe import observer_for

STREAMS = Path(__file__).parents[1] / "fixtures/streams"
ID = "resp_1"
USAGE = TokenUsage(
    ID, 40, 50, 128, 32, {"input_cached": 128, "output_reasoning": 20, "total_tokens": 250}, {"service_tier": "default"}
)
THOUGHTS = (
    Thought(ID, "I should look.", "reasoning_summary"),
    Thought(ID, "And then act.", "reasoning_summary"),
    Thought(ID, "raw", "reasoning"),
    Thought(ID, "Reading the file.", "commentary"),
)
CALLS = (
    ToolCall(ID, "call_1", "exec_command", '{"cmd":"ls"}', "fc_1"),
    ToolCall(ID, "call_2", "apply_patch", "*** Begin Patch\n", "ctc_1"),
)


def facts_of(stream, content_type="text/event-stream"):
    body = stream if isinstance(stream, bytes) else (STREAMS / f"responses-{stream}.sse").read_bytes()
    observer = observer_for(ApiFormat.RESPONSES, content_type=content_type, content_encoding="", status=200)
    observer.feed(body)
    return observer.facts()


def test_usage_has_the_cached_tokens_apart():
    facts = facts_of("plain")
    assert facts.complete
    assert (facts.response_id, facts.model) == (ID, "gpt-5.5")
    assert facts.usage == USAGE
    assert (facts.tool_calls, facts.thoughts, facts.error, facts.unreadable) == ((), (), None, None)


@pytest.mark.parametrize("name", ["reasoning-tools", "output-only-at-the-end"])
def test_thoughts_and_calls_are_recorded_once_however_they_come(name):
    facts = facts_of(name)
    assert facts.thoughts == THOUGHTS
    assert facts.tool_calls == CALLS
    assert facts.usage == USAGE


def test_items_count_even_if_the_closing_event_lists_none():
    facts = facts_of("empty-output-at-the-end")
    assert facts.thoughts == THOUGHTS[:3]
    assert facts.tool_calls == CALLS[:1]


def test_tools_that_the_provider_runs_are_recorded_as_its_own():
    def provider(name, arguments, item_id):
        return ToolCall(ID, "", name, arguments, item_id, Executor.PROVIDER)

    assert facts_of("server-tools").tool_calls == (
        provider("web_search", '{"action":{"type":"search","query":"x"}}', "ws_1"),
        provider("code_interpreter", '{"code":"print(1)"}', "ci_1"),
        provider("find", '{"q":1}', "mcp_1"),
        provider("image_generation", "{}", "ig_1"),
        provider("file_search", '{"queries":["a","b"]}', "fs_1"),
        ToolCall(ID, "call_9", "computer", '{"action":{"type":"click","x":1,"y":2}}', "cu_1"),
        ToolCall(ID, "call_8", "local_shell", '{"action":{"type":"exec","command":["ls"],"env":{}}}', "lsh_1"),
    )


@pytest.mark.parametrize(
    ("item", "executor"),
    [
        ({"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}}, Executor.CLIENT),
        ({"type": "shell_call", "call_id": "c", "environment": {"type": "container_reference"}}, Executor.PROVIDER),
        ({"type": "tool_search_call", "call_id": "c", "execution": "client"}, Executor.CLIENT),
        ({"type": "tool_search_call", "call_id": None, "execution": "server"}, Executor.PROVIDER),
        ({"type": "future_call", "id": "f"}, Executor.PROVIDER),
    ],
)
def test_who_runs_a_tool_follows_from_who_has_to_answer(item, executor):
    body = json.dumps({"id": ID, "status": "completed", "output": [item]}).encode()
    assert facts_of(body, "application/json").tool_calls[0].executor is executor


def test_an_incomplete_response_ends_with_its_reason_and_its_usage():
    facts = facts_of("incomplete")
    assert facts.complete
    assert facts.usage == USAGE
    assert facts.error == AnswerError("incomplete", "The response is incomplete: max_output_tokens")


def test_a_failed_response_ends_with_its_error_and_its_usage():
    facts = facts_of("failed")
    assert facts.complete
    assert facts.usage == USAGE
    assert facts.error == AnswerError("server_error", "The model failed")


def test_an_error_event_ends_the_answer():
    facts = facts_of("error")
    assert facts.complete
    assert facts.error == AnswerError("rate_limit_exceeded", "Slow down")
    assert facts.thoughts == (Thought(ID, "Half a thou", "reasoning_summary"),)


def test_a_cut_stream_keeps_what_was_done():
    facts = facts_of("cut")
    assert not facts.complete
    assert facts.tool_calls == CALLS[:1]
    assert facts.thoughts == (Thought(ID, "Half a thought", "reasoning_summary"),)
    assert facts.usage is None


def test_events_without_an_event_line_are_known_by_their_type():
    stream = (STREAMS / "responses-reasoning-tools.sse").read_bytes()
    lines = b"\n".join(line for line in stream.split(b"\n") if not line.startswith(b"event:"))
    assert facts_of(lines) == facts_of("reasoning-tools")


def test_a_whole_body_is_read():
    stream = (STREAMS / "responses-output-only-at-the-end.sse").read_bytes()
    event = json.loads(stream.split(b"\n\n")[-2].partition(b"data: ")[2])
    body = json.dumps(event["response"]).encode()
    assert facts_of(body, "application/json") == facts_of("output-only-at-the-end")


def test_items_of_an_odd_shape_are_read_as_far_as_they_go():
    facts = facts_of(
        b'{"id":"resp_1","status":"completed","output":[7,null,{"type":"function_call","call_id":1,"name":"f"},'
        b'{"type":"reasoning","summary":[{"text":5},{"text":"ok"}],"content":"x"},{"type":"function_call",'
        b'"call_id":"c","name":"g","arguments":{"a":1}}],"usage":[1]}',
        "application/json",
    )
    assert [(call.call_id, call.name, call.arguments) for call in facts.tool_calls] == [
        ("", "f", "{}"),
        ("c", "g", '{"a":1}'),
    ]
    assert [thought.content for thought in facts.thoughts] == ["ok"]
    assert facts.usage is None


@pytest.mark.parametrize("name", ["plain", "reasoning-tools"])
def test_it_agrees_with_the_openai_sdk(openai_answered, name):
    client = openai_answered((STREAMS / f"responses-{name}.sse").read_bytes())
    response = list(client.responses.create(model="m", input="hi", stream=True))[-1].response
    facts = facts_of(name)

    assert facts.usage.output_tokens == response.usage.output_tokens
    assert facts.usage.extra["total_tokens"] == response.usage.total_tokens
    assert [call.item_id for call in facts.tool_calls] == [
        item.id for item in response.output if item.type.endswith("_call")
    ]
