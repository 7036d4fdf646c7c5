"""Turns with calls of the client's and of the gateway's: joined when the client answers its own."""

from __future__ import annotations

import json

import pytest

from aigateway.gateway.inner.memory import Memory
from aigateway.store.records import InterceptionEnd
from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.joining import HeldBack, MixedTurn
from tests.gateway.inner.conftest import ASKED, text
from tests.gateway.inner.test_loop import results_in, shown_result
from tests.wire.inner.telling import read
from tests.wire.inner.test_turns import chat_view, messages_view, responses_view

SEARCH = ("c1", "bmcp_wiki_search", {"q": "it"})
READ = ("c2", "bmcp_wiki_read", {"q": "7"})
OWN = ("c3", "Bash", {"command": "ls"})
OTHER = ("c4", "Bash", {"command": "pwd"})


def repeated(api, answer, results):
    """The client's next request: what it was told, as its SDK repeats it, and its results."""
    if api is ApiFormat.CHAT:
        said, calls, *_ = chat_view(answer.body)
        entries = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in calls.values()
        ]
        message = {"role": "assistant", "content": said or None, "tool_calls": entries}
        outcomes = [{"role": "tool", "tool_call_id": call, "content": said} for call, said in results.items()]
        return {"messages": [*ASKED[api]["messages"], message, *outcomes]}
    if api is ApiFormat.RESPONSES:
        output = responses_view(answer.body)["output"]
        outcomes = [{"type": "function_call_output", "call_id": call, "output": said} for call, said in results.items()]
        return {"input": [{"role": "user", "content": ASKED[api]["input"]}, *output, *outcomes]}
    content = messages_view(answer.body)["content"]
    for block in content:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block.pop("partial_json"))
    outcomes = [{"type": "tool_result", "tool_use_id": call, "content": said} for call, said in results.items()]
    turn = [{"role": "assistant", "content": content}, {"role": "user", "content": outcomes}]
    return {"messages": [*ASKED[api]["messages"], *turn]}


def calls_in(api, request):
    """The ids of the calls that a request to the provider repeats, in order."""
    if api is ApiFormat.CHAT:
        return [call["id"] for m in request["messages"] for call in m.get("tool_calls", ())]
    if api is ApiFormat.RESPONSES:
        return [item["call_id"] for item in request["input"] if item.get("type") == "function_call"]
    blocks = [b for m in request["messages"] if isinstance(m["content"], list) for b in m["content"]]
    return [block["id"] for block in blocks if block["type"] == "tool_use"]


@pytest.mark.parametrize("api", list(ApiFormat))
async def test_the_clients_results_are_joined_by_ours(loop, api):
    loop.says(api, [("Let me look.",), SEARCH], [READ, OWN, OTHER], [("It is 42.",)], [("Yes.",)])
    answer = await loop.ask(api)
    assert b"bmcp_wiki" not in answer.body
    assert b"Bash" in answer.body
    assert len(loop.asked) == 2
    assert loop.wiki.calls == [("search", json.dumps(SEARCH[2])), ("read", json.dumps(READ[2]))]

    following = repeated(api, answer, {"c3": "a.txt", "c4": "/home"})
    await loop.ask(api, **following)
    asked = loop.asked[-1]
    assert sorted(calls_in(api, asked)) == ["c1", "c2", "c3", "c4"]
    assert calls_in(api, asked).index("c2") < calls_in(api, asked).index("c3")
    outcomes = results_in(api, asked)
    assert outcomes["c1"] == shown_result(api, "Page 7 has it.")
    assert outcomes["c2"] == shown_result(api, "It is 42.")
    assert (outcomes["c3"], outcomes["c4"]) == ("a.txt", "/home")
    # And again in every request that repeats the turn, so that prompt caches go on hitting.
    await loop.ask(api, **following)
    assert loop.asked[-1] == asked
    rows = [(row.tool, row.injected) for row in await loop.tools()]
    assert sorted(rows) == [("Bash", False), ("Bash", False), ("read", True), ("search", True)]


@pytest.mark.parametrize("api", list(ApiFormat))
async def test_a_replica_that_does_not_know_the_turn_serves_it_as_it_is(loop, api):
    loop.says(api, [SEARCH, OWN], [("It is 42.",)])
    answer = await loop.ask(api)
    loop.limit()  # another gateway
    following = repeated(api, answer, {"c3": "a.txt"})
    assert (await loop.ask(api, **following)).complete
    assert calls_in(api, loop.asked[-1]) == ["c3"]
    key = "input" if api is ApiFormat.RESPONSES else "messages"
    assert loop.asked[-1][key] == following[key]


@pytest.mark.parametrize("api", [ApiFormat.CHAT, ApiFormat.MESSAGES])
async def test_a_client_without_all_results_is_left_to_the_provider(loop, api):
    loop.says(api, [SEARCH, OWN], [("It is 42.",)])
    answer = await loop.ask(api)
    following = repeated(api, answer, {})
    await loop.ask(api, **following)
    assert loop.asked[-1]["messages"] == following["messages"]


async def test_responses_go_on_from_the_one_that_really_came_last(loop):
    api = ApiFormat.RESPONSES
    loop.says(api, [SEARCH], [READ, OWN], [("It is 42.",)], [("Yes.",)])
    answer = await loop.ask(api)
    assert read(answer.body)[-1]["response"]["id"] == "resp_1"
    output = {"type": "function_call_output", "call_id": "c3", "output": "a.txt"}
    await loop.ask(api, previous_response_id="resp_1", input=[output])
    asked = loop.asked[-1]
    assert asked["previous_response_id"] == "resp_2"
    # The provider knows the first answer's result already: it was in the request for the second.
    assert [item["call_id"] for item in asked["input"]] == ["c2", "c3"]
    await loop.ask(api, previous_response_id="resp_9", input="And?")
    assert loop.asked[-1]["previous_response_id"] == "resp_9"


async def test_a_conversation_is_given_the_results_alone(loop):
    loop.says(ApiFormat.RESPONSES, [SEARCH], [("It is 42.",)])
    await loop.ask(ApiFormat.RESPONSES, conversation="conv_1")
    assert [item["type"] for item in loop.asked[1]["input"]] == ["function_call_output"]


async def test_reasoning_that_nobody_stored_goes_back_only_where_it_is_whole(loop):
    api = ApiFormat.RESPONSES
    loop.says(api, [("thinking", "a"), SEARCH], [("It is 42.",)])
    await loop.ask(api, store=False)
    assert [item.get("type") for item in loop.asked[1]["input"]] == [
        None,
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert loop.asked[1]["input"][1]["encrypted_content"] == "secret-a"
    loop.says(api, [("thinking", "a"), SEARCH], [("It is 42.",)])
    say = loop.upstream.answers[0]
    say.body = say.body.replace(b"secret-a", b"")
    await loop.ask(api, store=False)
    assert "reasoning" not in [item.get("type") for item in loop.asked[3]["input"]]


async def test_each_request_of_a_turn_has_a_record_of_its_own(loop):
    loop.says(ApiFormat.MESSAGES, [SEARCH, OWN], [("It is 42.",)])
    answer = await loop.ask(ApiFormat.MESSAGES)
    assert messages_view(answer.body)["stop_reason"] == "tool_use"
    await loop.ask(ApiFormat.MESSAGES, **repeated(ApiFormat.MESSAGES, answer, {"c3": "a.txt"}))
    assert [(end.status_code, end.error_type) for end in await loop.rows(InterceptionEnd)] == [(200, None)] * 2
    assert len(await loop.usages()) == 2


def turn(call, size=10):
    return MixedTurn((call,), (HeldBack(b"x" * size, b"", last=True),))


def test_memory_is_of_one_person_and_not_for_ever():
    now = 0.0
    memory = Memory(seconds=60, clock=lambda: now)
    memory.remember_turn("alice", turn("call_1"))
    memory.remember_response("alice", "resp_1", "resp_2")
    assert memory.turns_in("alice", b'{"id":"call_1"}') == [turn("call_1")]
    assert memory.turns_in("alice", b'{"id":"call_2"}') == []
    assert memory.turns_in("bob", b'{"id":"call_1"}') == []
    assert (memory.response_after("alice", "resp_1"), memory.response_after("bob", "resp_1")) == ("resp_2", None)
    now = 59.0
    assert memory.turns_in("alice", b'"call_1"')
    now = 118.0
    assert memory.turns_in("alice", b'"call_1"')
    assert memory.response_after("alice", "resp_1") is None
    now = 180.0
    assert memory.turns_in("alice", b'"call_1"') == []
    assert len(memory) == 0


def test_memory_is_bounded(monkeypatch):
    memory = Memory()
    for number in range(200):
        memory.remember_turn("alice", turn(f"call_{number}_"))
    assert len(memory) == 50
    assert not memory.turns_in("alice", b"call_149_")
    assert memory.turns_in("alice", b"call_150_")
    monkeypatch.setattr("aigateway.gateway.inner.memory._MOST_BYTES", 1000)
    memory.remember_turn("bob", turn("call_x", 900))
    assert memory.turns_in("bob", b"call_x")
    assert len(memory) < 12
    memory.remember_turn("bob", turn("call_y", 5000))
    assert len(memory) == 0


async def test_the_result_of_a_call_that_failed_is_remembered_as_well(loop):
    loop.wiki.answers["search"] = text("No such page.", is_error=True)
    loop.says(ApiFormat.MESSAGES, [SEARCH, OWN], [("I see.",)])
    answer = await loop.ask(ApiFormat.MESSAGES)
    await loop.ask(ApiFormat.MESSAGES, **repeated(ApiFormat.MESSAGES, answer, {"c3": "a.txt"}))
    (ours, _) = loop.asked[-1]["messages"][-1]["content"]
    assert (ours["tool_use_id"], ours["is_error"]) == ("c1", True)


async def test_a_turn_whose_calls_have_no_ids_is_not_remembered(loop):
    api = ApiFormat.CHAT
    loop.says(api, [SEARCH, ("", "Bash", {})], [("It is 42.",)])
    answer = await loop.ask(api)
    assert answer.complete
    await loop.ask(api)
    assert loop.asked[-1]["messages"] == ASKED[api]["messages"]
    with pytest.raises(ValueError, match="ids"):
        turn("")
