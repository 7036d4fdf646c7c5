"""Turns of several answers, as the client sees them: cut anywhere, and as if the model had answered in one go."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.turn import HeldCall
from tests.wire.inner.telling import (
    chat_body,
    chat_events,
    message_body,
    message_events,
    read,
    response_body,
    response_events,
    streamed,
    tell,
)

SEARCH = ("c1", "bmcp_wiki_search", {"q": "naïve \U0001f600"})
READ = ("c2", "bmcp_wiki_read", {"page": 7})
OWN = ("c3", "Bash", {"command": "ls"})
EVERY = list(ApiFormat)


def events_of(api, number, *blocks, **more):
    """The same answer in each of the APIs."""
    if api is ApiFormat.MESSAGES:
        reason = more.pop("reason", "tool_use" if any(len(block) == 3 for block in blocks) else "end_turn")
        return message_events(f"msg_{number}", *blocks, reason=reason, **more)
    if api is ApiFormat.RESPONSES:
        status = "incomplete" if more.pop("reason", None) else "completed"
        return response_events(f"resp_{number}", *blocks, status=status, **more)
    return chat_events(f"chatcmpl-{number}", **_chat(blocks, more))


def body_of(api, number, *blocks, **more):
    if api is ApiFormat.MESSAGES:
        reason = more.pop("reason", "tool_use" if any(len(block) == 3 for block in blocks) else "end_turn")
        return json.dumps(message_body(f"msg_{number}", *blocks, reason=reason, **more)).encode()
    if api is ApiFormat.RESPONSES:
        status = "incomplete" if more.pop("reason", None) else "completed"
        return json.dumps(response_body(f"resp_{number}", *blocks, status=status, **more)).encode()
    return json.dumps(chat_body(f"chatcmpl-{number}", **_chat(blocks, more))).encode()


def _chat(blocks, more):
    calls = [block for block in blocks if len(block) == 3]
    reason = "length" if more.pop("reason", None) else "tool_calls" if calls else "stop"
    return {
        "text": "".join(block[0] for block in blocks if len(block) == 1),
        "thinking": "".join(block[1] for block in blocks if len(block) == 2),
        "calls": calls,
        "reason": reason,
        **more,
    }


def stream_of(api, number, *blocks, **more):
    return streamed(api, events_of(api, number, *blocks, **more))


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("blocks", [[("Hello",)], [("thinking", "hm"), ("Hello",), OWN], []])
def test_a_stream_without_held_calls_goes_through_byte_for_byte(api, blocks):
    for end in ("\n", "\r\n"):
        data = b": hello\n\n" + streamed(api, events_of(api, 1, *blocks), end=end) + b": bye\n\n"
        shown, (came,) = tell(api, [data])
        assert shown == data
        assert came.calls == ()
        assert came.client_calls == (("c3",) if OWN in blocks else ())
        assert not came.goes_on
    body = body_of(api, 1, *blocks)
    assert tell(api, [body], streams=False)[0] == body


@pytest.mark.parametrize("api", EVERY)
def test_what_is_no_event_or_no_message_goes_through_as_well(api):
    for data in (b"data: {nonsense\n\n", b"retry: 3\n\n", b"data: [1]\n\ndata: 7", b"\xff\xfe\n\n", b"event: x"):
        assert tell(api, [data])[0] == data
    for body in (b"", b"[]", b"{nonsense", b'{"error":{"message":"no"}}'):
        assert tell(api, [body], streams=False)[0] == body


@pytest.mark.parametrize("api", EVERY)
def test_numbers_that_a_provider_begins_with_one_are_left_alone(api):
    data = stream_of(api, 1, ("Hello",), OWN)
    data = data.replace(b'index":1', b'index":2').replace(b'index":0', b'index":1')
    assert tell(api, [data])[0] == data


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@settings(max_examples=30)
@given(data=st.data())
def test_any_cut_gives_the_same(api, end, data):
    answers = [
        streamed(api, events_of(api, 1, ("thinking", "hm"), ("Let me look.",), SEARCH, READ), end=end),
        streamed(api, events_of(api, 2, ("Now I know: naïve",), OWN), end=end),
    ]
    expected = tell(api, answers)

    def cut(whole):
        places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
        return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]

    assert tell(api, answers, cut=cut) == expected


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("streams", [True, False])
def test_held_calls_are_found_and_never_shown(api, streams):
    make = stream_of if streams else body_of
    shown, (first, last) = tell(
        api, [make(api, 1, ("Look.",), SEARCH, READ), make(api, 2, ("Done.",))], streams=streams
    )
    assert b"bmcp_wiki" not in shown
    assert [(call.call_id, call.name, json.loads(call.arguments)) for call in first.calls] == [SEARCH, READ]
    assert first.goes_on
    assert all(isinstance(call, HeldCall) and json.loads(call.raw) for call in first.calls)
    assert not last.calls
    assert (first.response_id[-1], last.response_id[-1]) == ("1", "2")


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("streams", [True, False])
def test_calls_that_were_cut_short_are_not_made(api, streams):
    make = stream_of if streams else body_of
    shown, (came,) = tell(api, [make(api, 1, ("Look.",), SEARCH, reason="max_tokens")], streams=streams)
    assert came.calls == ()
    assert b"bmcp_wiki" not in shown
    assert any(word in shown for word in (b"max_tokens", b'"length"', b"incomplete"))


@pytest.mark.parametrize("api", EVERY)
def test_a_stream_that_was_cut_has_no_calls(api):
    data = stream_of(api, 1, ("Look.",), SEARCH)
    for place in range(0, len(data) - 40, 17):
        _, (came,) = tell(api, [data[:place]])
        assert not came.goes_on or b"finish_reason" in data[:place]


# What the client sees, as against a model that answered in one go.


def messages_view(stream):
    """A message as Anthropic's SDKs put it together."""
    events = read(stream)
    (start,) = [event["message"] for event in events if event["type"] == "message_start"]
    blocks = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks[event["index"]] = dict(event["content_block"])
        elif event["type"] == "content_block_delta":
            for name, value in event["delta"].items():
                if name != "type":
                    blocks[event["index"]][name] = blocks[event["index"]].get(name, "") + value
        elif event["type"] == "message_delta":
            start |= event["delta"]
            start["usage"] |= event["usage"]
    assert [event["type"] for event in events][-2:] == ["message_delta", "message_stop"]
    return start | {"content": [*blocks.values()]}


def test_messages_are_told_as_one():
    turn = [
        (("thinking", "a"), ("Let me look.",), SEARCH),
        (("thinking", "b"), READ),
        (("It is so.",), OWN),
    ]
    streams = [stream_of(ApiFormat.MESSAGES, number + 1, *blocks) for number, blocks in enumerate(turn)]
    shown, _ = tell(ApiFormat.MESSAGES, streams)
    in_one_go = message_events(
        "msg_1", ("thinking", "a"), ("Let me look.",), ("thinking", "b"), ("It is so.",), OWN, reason="tool_use"
    )
    expected = messages_view(streamed(ApiFormat.MESSAGES, in_one_go))
    expected["usage"] = {"input_tokens": 30, "cache_read_input_tokens": 9, "output_tokens": 15}
    assert messages_view(shown) == expected

    bodies = [body_of(ApiFormat.MESSAGES, number + 1, *blocks) for number, blocks in enumerate(turn)]
    shown, _ = tell(ApiFormat.MESSAGES, bodies, streams=False)
    whole = message_body(
        "msg_1", ("thinking", "a"), ("Let me look.",), ("thinking", "b"), ("It is so.",), OWN, reason="tool_use"
    )
    assert json.loads(shown) == whole | {"usage": expected["usage"]}


def test_a_message_whose_calls_are_left_unmade_ends_its_turn():
    shown, _ = tell(ApiFormat.MESSAGES, [stream_of(ApiFormat.MESSAGES, 1, ("Look.",), SEARCH)])
    assert messages_view(shown)["stop_reason"] == "end_turn"
    shown, _ = tell(ApiFormat.MESSAGES, [body_of(ApiFormat.MESSAGES, 1, ("Look.",), SEARCH)], streams=False)
    assert json.loads(shown)["stop_reason"] == "end_turn"
    shown, _ = tell(ApiFormat.CHAT, [stream_of(ApiFormat.CHAT, 1, ("Look.",), SEARCH)])
    assert chat_view(shown)[2] == "stop"
    shown, _ = tell(ApiFormat.CHAT, [body_of(ApiFormat.CHAT, 1, ("Look.",), SEARCH)], streams=False)
    assert json.loads(shown)["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in json.loads(shown)["choices"][0]["message"]


def test_thoughts_are_fed_back_with_their_signatures():
    _, (came,) = tell(ApiFormat.MESSAGES, [stream_of(ApiFormat.MESSAGES, 1, ("thinking", "a"), ("Look.",), SEARCH)])
    expected = message_body("msg_1", ("thinking", "a"), ("Look.",), SEARCH)["content"]
    assert [json.loads(said) for said in came.said] == [{"role": "assistant", "content": expected}]


def test_empty_texts_and_broken_arguments_are_not_fed_back():
    events = message_events("msg_1", ("",), ("c1", "bmcp_wiki_search", {}), reason="tool_use")
    data = streamed(ApiFormat.MESSAGES, events).replace(b'"partial_json":"{}"', b'"partial_json":"{bro"')
    data = data.replace(b'"partial_json":"}"', b'"partial_json":"ken"')
    data = data.replace(b'"partial_json":"{"', b'"partial_json":"{bro"')
    _, (came,) = tell(ApiFormat.MESSAGES, [data])
    (block,) = json.loads(came.said[0])["content"]
    assert block["input"] == {}
    assert came.calls[0].arguments.startswith("{bro")


def chat_view(stream):
    """A completion as OpenAI's SDKs put it together: text, calls, finish reason, usage, ids."""
    events = read(stream)
    text, calls, finish, usage, roles = "", {}, None, None, []
    for event in events:
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            delta = choice["delta"]
            roles += [delta["role"]] if "role" in delta else []
            text += delta.get("content") or ""
            for call in delta.get("tool_calls", ()):
                kept = calls.setdefault(call["index"], {"arguments": ""})
                kept["arguments"] += call["function"].get("arguments", "")
                kept |= {"id": call["id"], "name": call["function"]["name"]} if "id" in call else {}
            assert finish is None
            finish = choice["finish_reason"]
    assert roles == ["assistant"]
    assert stream.endswith(b"data: [DONE]\n\n")
    assert stream.count(b"[DONE]") == 1
    return text, calls, finish, usage, {(event["id"], event["created"], event["model"]) for event in events}


def test_completions_are_told_as_one():
    turn = [(("Let me look.",), SEARCH), (READ,), (("It is so.",), OWN)]
    streams = [stream_of(ApiFormat.CHAT, number + 1, *blocks) for number, blocks in enumerate(turn)]
    shown, _ = tell(ApiFormat.CHAT, streams)
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 15,
        "total_tokens": 45,
        "prompt_tokens_details": {"cached_tokens": 6},
    }
    assert chat_view(shown) == (
        "Let me look.\n\nIt is so.",
        {0: {"id": "c3", "name": "Bash", "arguments": '{"command": "ls"}'}},
        "tool_calls",
        usage,
        {("chatcmpl-1", 1, "sim")},
    )
    bodies = [body_of(ApiFormat.CHAT, number + 1, *blocks) for number, blocks in enumerate(turn)]
    shown, _ = tell(ApiFormat.CHAT, bodies, streams=False)
    expected = chat_body("chatcmpl-1", "Let me look.\n\nIt is so.", [OWN], reason="tool_calls")
    assert json.loads(shown) == expected | {"usage": usage}


def test_reasoning_and_what_only_some_providers_know_is_fed_back():
    events = chat_events("chatcmpl-1", "Look.", [SEARCH], reason="tool_calls", thinking="hm")
    signature = {"google": {"thought_signature": "abc=="}}
    events[4]["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = signature
    _, (came,) = tell(ApiFormat.CHAT, [streamed(ApiFormat.CHAT, events)])
    said = json.loads(came.said[0])
    assert (said["role"], said["content"], said["reasoning_content"]) == ("assistant", "Look.", "hm")
    (call,) = said["tool_calls"]
    assert call["extra_content"] == signature
    assert call["function"] == {"name": SEARCH[1], "arguments": json.dumps(SEARCH[2])}
    _, (came,) = tell(ApiFormat.CHAT, [body_of(ApiFormat.CHAT, 1, ("thinking", "hm"), SEARCH)], streams=False)
    said = json.loads(came.said[0])
    assert said["reasoning_content"] == "hm"
    assert "annotations" not in said


def test_a_mixed_turn_shows_the_clients_call_alone_and_first():
    shown, (came,) = tell(ApiFormat.CHAT, [stream_of(ApiFormat.CHAT, 1, SEARCH, OWN)])
    assert chat_view(shown)[1] == {0: {"id": "c3", "name": "Bash", "arguments": '{"command": "ls"}'}}
    assert not came.goes_on
    assert [call.call_id for call in came.calls] == ["c1"]
    assert came.client_calls == ("c3",)


def test_calls_in_the_first_chunk_and_text_in_the_last_are_told_apart():
    """As compatible providers send them: everything in one chunk, with the reason to finish."""
    (call,) = chat_body("x-1", calls=[SEARCH])["choices"][0]["message"]["tool_calls"]
    delta = {"role": "assistant", "content": "Look.", "tool_calls": [call | {"index": 0}]}
    chunk = {"id": "x-1", "created": 1, "model": "sim", "usage": chat_body("x-1")["usage"]}
    first = sse_chat(chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})
    last = sse_chat(
        chunk | {"id": "x-2", "choices": [{"index": 0, "delta": {"content": "Done."}, "finish_reason": "stop"}]}
    )
    shown, (came, _) = tell(ApiFormat.CHAT, [first, last])
    assert [call.call_id for call in came.calls] == ["c1"]
    text, calls, finish, usage, ids = chat_view(shown)
    assert (text, calls, finish, ids) == ("Look.\n\nDone.", {}, "stop", {("x-1", 1, "sim")})
    assert usage["total_tokens"] == 30


def sse_chat(*chunks):
    return streamed(ApiFormat.CHAT, [*chunks, "[DONE]"])


def responses_view(stream):
    """A response as OpenAI's SDKs take it, and that its numbers have no gaps."""
    events = read(stream)
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in done] == [*range(len(done))]
    assert sum(event["type"] == "response.created" for event in events) == 1
    assert events[-1]["response"]["output"] == [event["item"] for event in done]
    assert {event["response"]["id"] for event in events if "response" in event} == {"resp_1"}
    return events[-1]["response"]


def test_responses_are_told_as_one():
    turn = [
        (("thinking", "a"), ("Let me look.",), SEARCH),
        (("thinking", "b"), READ),
        (("It is so.",), OWN),
    ]
    streams = [stream_of(ApiFormat.RESPONSES, number + 1, *blocks) for number, blocks in enumerate(turn)]
    shown, rounds = tell(ApiFormat.RESPONSES, streams)
    whole = response_body("resp_1", ("thinking", "a"), ("Let me look.",), ("thinking", "b"), ("It is so.",), OWN)
    whole["usage"] = {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 6},
        "output_tokens": 15,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 45,
    }
    assert responses_view(shown) == whole
    assert [json.loads(item) for item in rounds[0].said] == response_body("resp_1", *turn[0])["output"]

    bodies = [body_of(ApiFormat.RESPONSES, number + 1, *blocks) for number, blocks in enumerate(turn)]
    shown, rounds = tell(ApiFormat.RESPONSES, bodies, streams=False)
    assert json.loads(shown) == whole
    assert rounds[0].calls[0].item_id == "fc_c1"


def test_a_call_in_a_namespace_of_the_clients_is_the_clients():
    events = response_events("resp_1", SEARCH)
    for event in events:
        if "item" in event:
            event["item"]["namespace"] = "mine"
    data = streamed(ApiFormat.RESPONSES, events)
    shown, (came,) = tell(ApiFormat.RESPONSES, [data])
    assert shown == data
    assert came.client_calls == ("c1",)
