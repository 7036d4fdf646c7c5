from pathlib import Path

import pytest

from aigateway.wire import answers
from aigateway.wire.facts import AnswerError, ApiFormat, Thought, TokenUsage, ToolCall
from aigateway.wire.observe import observer_for

STREAMS = Path(__file__).parents[1] / "fixtures/streams"
EXTRA = {
    "prompt_audio": 1,
    "prompt_cached": 64,
    "completion_accepted_prediction": 3,
    "completion_rejected_prediction": 4,
    "completion_audio": 2,
    "completion_reasoning": 12,
}
NO_EXTRA = dict.fromkeys(EXTRA, 0)
ID = "chatcmpl-1"


def facts_of(stream, content_type="text/event-stream"):
    body = stream if isinstance(stream, bytes) else (STREAMS / f"chat-{stream}.sse").read_bytes()
    observer = observer_for(ApiFormat.CHAT, content_type=content_type, content_encoding="", status=200)
    observer.feed(body)
    return observer.facts()


def test_usage_has_the_cached_tokens_apart():
    facts = facts_of("plain")
    assert facts.complete
    assert (facts.response_id, facts.model) == (ID, "gpt-5.5-2026-04-01")
    assert facts.usage == TokenUsage(ID, 40, 30, 64, 16, EXTRA, {"service_tier": "default"})
    assert (facts.tool_calls, facts.thoughts, facts.error, facts.unreadable) == ((), (), None, None)


def test_parallel_calls_are_each_recorded():
    assert facts_of("parallel-tools").tool_calls == (
        ToolCall(ID, "call_a", "read_file", '{"path":"a.py"}'),
        ToolCall(ID, "call_b", "list_files", '{"dir":"ö"}'),
    )


def test_a_provider_that_counts_from_1_and_changes_ids_and_says_no_done_is_read():
    facts = facts_of("odd-provider")
    assert facts.complete
    assert facts.unreadable is None
    assert facts.response_id == "x-1"
    assert facts.usage == TokenUsage("x-1", 10, 5, 0, 0, NO_EXTRA, {"service_tier": "default"})
    assert facts.tool_calls == (ToolCall("x-1", "call_c", "grep", '{"q":"x"}'),)
    assert facts.thoughts == (Thought("x-1", "Let me look.", "reasoning_content"),)


def test_usage_in_every_chunk_counts_once():
    assert facts_of("usage-in-every-chunk").usage.output_tokens == 3


def test_another_id_at_the_same_index_is_another_call():
    assert [(call.call_id, call.arguments) for call in facts_of("same-index").tool_calls] == [
        ("call_1", "{}"),
        ("call_2", '{"n":2}'),
    ]


def test_a_call_without_an_index_is_put_together():
    assert facts_of("no-index").tool_calls == (ToolCall(ID, "call_1", "a", '{"n":1}'),)


def test_the_legacy_function_call_is_recorded():
    assert facts_of("legacy-function").tool_calls == (ToolCall(ID, "", "old", '{"a":1}'),)


def test_a_custom_tools_input_is_recorded_as_it_is():
    assert facts_of("custom-tool").tool_calls == (ToolCall(ID, "call_x", "apply_patch", "*** Begin"),)


def test_an_error_in_the_stream_ends_the_answer_and_keeps_what_was_whole():
    facts = facts_of("error")
    assert facts.complete
    assert facts.error == AnswerError("server_error", "The model is overloaded")
    assert [call.call_id for call in facts.tool_calls] == ["call_1"]


def test_a_cut_stream_keeps_whole_calls_and_thoughts():
    facts = facts_of("cut")
    assert not facts.complete
    assert [call.call_id for call in facts.tool_calls] == ["call_1"]
    assert facts.thoughts == (Thought(ID, "hm", "reasoning"),)
    assert facts.unreadable is None


def test_usage_of_a_cut_stream_is_partial():
    facts = facts_of(b'data: {"id":"c","choices":[{"delta":{}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n')
    assert facts.usage.metadata == {"partial": True}


def test_all_choices_must_be_finished_where_there_is_no_done():
    one = b'data: {"id":"c","choices":[{"index":0,"delta":{}},{"index":1,"delta":{}}]}\n\n'
    assert not facts_of(one + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n').complete
    assert facts_of((STREAMS / "chat-two-choices.sse").read_bytes().replace(b"data: [DONE]\n\n", b"")).complete


def test_a_chunk_of_an_odd_shape_is_read_as_far_as_it_goes():
    facts = facts_of(
        b'data: {"id":7,"model":"m","choices":[{"index":"0","delta":{"reasoning":{"x":1},"tool_calls":'
        b'[null,{"index":0,"id":"call_1","function":{"name":"f","arguments":{"not":"text"}}}]}}],"usage":"much"}\n\n'
        b"data: [DONE]\n\n"
    )
    assert facts.model == "m"
    assert facts.tool_calls == (ToolCall("", "call_1", "f", ""),)
    assert facts.usage is None
    assert "unexpected shape" in facts.unreadable


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (b'{"prompt_tokens":10,"completion_tokens":null}', (10, 0, 0)),
        (b'{"prompt_tokens":10.0,"completion_tokens":"2"}', (10, 0, 0)),
        (b'{"prompt_tokens":-4,"completion_tokens":2}', (0, 2, 0)),
        (b'{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":64}}', (0, 2, 64)),
        (b'{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":null}', (10, 2, 0)),
        (b'{"prompt_tokens":99999999999999999999999,"completion_tokens":true}', (2**63 - 1, 0, 0)),
    ],
)
def test_counts_that_make_no_sense_never_reach_the_record(usage, tokens):
    found = facts_of(b'{"id":"c","choices":[],"usage":' + usage + b"}", "application/json").usage
    assert (found.input_tokens, found.output_tokens, found.cache_read_input_tokens) == tokens


def test_an_odd_count_is_no_news():
    facts = facts_of(b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3.0,"completion_tokens":"1"}}\n\n')
    assert (facts.usage.input_tokens, facts.usage.output_tokens, facts.unreadable) == (3, 0, None)


@pytest.mark.parametrize("usage", [b"{}", b"null", b'{"prompt_tokens":null}', b'{"cost":0.1}', b"7"])
def test_usage_that_counts_nothing_is_none(usage):
    assert facts_of(b'{"id":"c","choices":[],"usage":' + usage + b"}", "application/json").usage is None


def test_a_whole_body_is_read():
    facts = facts_of(
        b'{"id":"chatcmpl-1","model":"m","object":"chat.completion","choices":[{"index":0,"finish_reason":"tool_calls",'
        b'"message":{"role":"assistant","content":null,"reasoning_content":"Hm.","tool_calls":['
        b'{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}},'
        b'{"id":"call_2","type":"custom","custom":{"name":"g","input":"x"}}]}}],'
        b'"usage":{"prompt_tokens":5,"completion_tokens":2}}',
        "application/json; charset=utf-8",
    )
    assert facts.complete
    assert facts.tool_calls == (ToolCall(ID, "call_1", "f", "{}"), ToolCall(ID, "call_2", "g", "x"))
    assert facts.thoughts == (Thought(ID, "Hm.", "reasoning_content"),)
    assert facts.usage == TokenUsage(ID, 5, 2, 0, 0, NO_EXTRA)


def test_an_error_in_a_body_of_status_200_is_an_error():
    facts = facts_of(b'{"error":{"message":"No credits","code":402}}', "application/json")
    assert facts.error == AnswerError("402", "No credits")


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(answers, "LARGEST_TEXT", 100)
    chunk = b'data: {"choices":[{"delta":{"reasoning":"%s"}}]}\n\n' % (b"x" * 30)
    facts = facts_of(chunk * 10)
    assert len(facts.thoughts[0].content) == 100
    assert "too large" in facts.unreadable


@pytest.mark.parametrize("name", ["plain", "parallel-tools"])
def test_it_agrees_with_the_openai_sdk(openai_answered, name):
    client = openai_answered((STREAMS / f"chat-{name}.sse").read_bytes())
    with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "hi"}]) as stream:
        completion = stream.get_final_completion()
    facts = facts_of(name)

    assert facts.usage.output_tokens == completion.usage.completion_tokens
    read, written = facts.usage.cache_read_input_tokens, facts.usage.cache_write_input_tokens
    assert facts.usage.input_tokens + read + written == completion.usage.prompt_tokens
    assert [(call.call_id, call.name, call.arguments) for call in facts.tool_calls] == [
        (call.id, call.function.name, call.function.arguments)
        for call in completion.choices[0].message.tool_calls or []
    ]
