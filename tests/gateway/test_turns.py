"""What is on record of a socket: a turn for each `response.create`, in its lane, begun and ended in time."""

from __future__ import annotations

import json

import pytest

from aigateway.store.records import InterceptionEnd, InterceptionStart
from tests.gateway.socket_stage import answer_of, ask, create, farewell

TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


async def test_several_turns_on_one_socket(sockets):
    async with await sockets.open() as socket:
        first = await ask(socket, create("One"))
        await ask(socket, create("Two", previous_response_id=first[-1]["response"]["id"]))
        turns = await sockets.turns()
    assert [turn[2] for turn in turns] == ["One", "Two"]
    assert [turn[1].error_type for turn in turns] == [None, None]
    assert "previous_response_id" not in turns[0][0].metadata
    assert turns[1][0].metadata["previous_response_id"] == first[-1]["response"]["id"]


async def test_a_warm_up_has_a_purpose_and_no_prompt(sockets):
    async with await sockets.open() as socket:
        answer = await ask(socket, create(generate=False))
    assert [m["type"] for m in answer] == ["response.created", "response.completed"]
    ((begun, ended, prompt, _),) = await sockets.turns()
    assert begun.metadata["purpose"] == "warmup"
    assert prompt is None
    assert ended.error_type is None


async def test_tool_calls_and_the_turn_that_answers_them(sockets):
    async with await sockets.open() as socket:
        asked = await ask(socket, create('call weather with {"city": "Oslo"}', tools=[TOOL]))
        call = next(item for item in asked[-1]["response"]["output"] if item["type"] == "function_call")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
        await ask(socket, create([output], tools=[TOOL]))
    (tool,) = await sockets.tools()
    assert (tool.tool, tool.input, tool.tool_call_id) == ("weather", '{"city":"Oslo"}', call["call_id"])
    _, (answering, _, prompt, _) = await sockets.turns()
    assert answering.correlating_tool_call_id == call["call_id"]
    assert prompt is None


async def test_messages_sent_at_once_are_answered_in_turn(sockets):
    async with await sockets.open() as socket:
        for text in ("One", "Two", "Three"):
            await socket.send_str(json.dumps(create(text)))
        answers = [await answer_of(socket) for _ in range(3)]
    turns = await sockets.turns()
    assert [turn[2] for turn in turns] == ["One", "Two", "Three"]
    assert [turn[3].msg_id for turn in turns] == [answer[-1]["response"]["id"] for answer in answers]


async def test_lanes_are_side_by_side(sockets):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create("sim:slow:20 slow", stream_id="a")))
        await socket.send_str(json.dumps(create("quick", stream_id="b")))
        await socket.send_str(json.dumps(create("no lane")))
        ends = {}
        while len(ends) < 3:
            message = json.loads((await socket.receive()).data)
            if message["type"] == "response.completed":
                ends[message.get("stream_id", "")] = message["response"]["id"]
    assert list(ends)[-1] == "a"
    turns = await sockets.turns()
    assert {turn[2]: turn[3].msg_id for turn in turns} == {
        "sim:slow:20 slow": ends["a"],
        "quick": ends["b"],
        "no lane": ends[""],
    }


async def test_lanes_that_are_cut_each_end_with_an_error(sockets):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create("sim:hang:2", stream_id="a")))
        await socket.send_str(json.dumps(create("sim:hang:2", stream_id="b")))
        await socket.receive()
        sockets.stage.in_flight.interrupt_all()
        messages, _, _ = await farewell(socket)
    assert {m["stream_id"] for m in messages if m["type"] == "error"} == {"a", "b"}
    assert [turn[1].error_type for turn in await sockets.turns()] == ["interrupted"] * 2


@pytest.mark.parametrize(("scenario", "kind", "last"), [
    ("error-400", "bad_request", "error"),
    ("error-event", "server_error", "error"),
    ("failed", "server_error", "response.failed"),
    ("length", "incomplete", "response.incomplete"),
])  # fmt: skip
async def test_turns_that_fail(sockets, scenario, kind, last):
    async with await sockets.open() as socket:
        answer = await ask(socket, create(f"sim:{scenario}"))
        assert answer[-1]["type"] == last
        assert "AI Gateway" not in str(answer[-1].get("error"))
        assert (await ask(socket, create()))[-1]["type"] == "response.completed"
    failed, good = await sockets.turns()
    assert failed[1].error_type == kind
    assert failed[1].error_message
    assert good[1].error_type is None


async def test_events_that_nobody_knows_are_relayed(sockets):
    async with await sockets.open() as socket:
        answer = await ask(socket, create("sim:unknown-events"))
    assert sum(m["type"] == "sim.unknown" for m in answer) > 3
    ((_, ended, _, usage),) = await sockets.turns()
    assert ended.error_type is None
    assert usage.output_tokens


async def test_the_request_is_on_record_before_its_answer_and_the_usage_before_its_end(sockets):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create()))
        first = json.loads((await socket.receive()).data)
        assert first["type"] == "response.created"
        assert any(isinstance(r, InterceptionStart) for r in await sockets.stage.records())
        await answer_of(socket)
        assert any(isinstance(r, InterceptionEnd) for r in await sockets.stage.records())


async def test_what_a_cut_turn_used_is_partial(sockets):
    async def half(socket, _request):
        await socket.receive()
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"}
        await socket.send_json({"type": "response.created", "response": {"id": "resp_1", "model": "m"}})
        await socket.send_json({"type": "response.output_item.done", "output_index": 0, "item": item})
        await socket.close(code=1011)

    async with sockets.provider(half), await sockets.open() as socket:
        await socket.send_str(json.dumps(create()))
        await farewell(socket)
    (tool,) = await sockets.tools()
    assert tool.metadata["partial"] is True
    ((_, ended, _, _),) = await sockets.turns()
    assert ended.error_type == "upstream_truncated"
    assert ended.metadata["response_model"] == "m"


async def test_a_steered_response_and_the_one_that_goes_on_from_it(sockets):
    def response(ident, status, **more):
        usage = {"input_tokens": 7, "output_tokens": 3} if status != "in_progress" else None
        return {"id": ident, "model": "m", "status": status, "output": [], "usage": usage, **more}

    async def steered(socket, _request):
        await socket.receive()
        await socket.send_json({"type": "response.created", "response": response("resp_1", "in_progress")})
        await socket.receive()
        await socket.send_json({"type": "response.steer.accepted", "steer": {"id": "s", "previous_response_id": "r"}})
        stopped = response("resp_1", "incomplete", incomplete_details={"reason": "steered"})
        await socket.send_json({"type": "response.incomplete", "response": stopped})
        await socket.send_json({"type": "response.created", "response": response("resp_2", "in_progress")})
        await socket.send_json({"type": "response.completed", "response": response("resp_2", "completed")})
        await socket.receive()

    async with sockets.provider(steered), await sockets.open() as socket:
        await socket.send_str(json.dumps(create("Write a poem")))
        await socket.receive()
        steer = {"type": "response.steer", "previous_response_id": "resp_1", "input": "a short one"}
        await ask(socket, steer)
        await answer_of(socket)
    first, second = await sockets.turns()
    assert (first[2], first[1].error_type, first[3].msg_id) == ("Write a poem", None, "resp_1")
    assert (second[2], second[1].error_type, second[3].msg_id) == ("a short one", None, "resp_2")
    assert (second[0].model, second[0].client) == ("sim", first[0].client)


async def test_an_answer_that_nobody_asked_for_is_on_record_as_well(sockets):
    async def unasked(socket, _request):
        await socket.send_json({"type": "response.created", "response": {"id": "resp_1", "model": "m"}})
        done = {"id": "resp_1", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 2}}
        await socket.send_json({"type": "response.completed", "response": done})
        await socket.receive()

    async with sockets.provider(unasked), await sockets.open() as socket:
        await answer_of(socket)
    ((begun, ended, prompt, usage),) = await sockets.turns()
    assert (begun.model, prompt, usage.output_tokens) == ("coder-aibridge-unknown", None, 2)
    assert ended.metadata["response_model"] == "m"


async def test_client_session_and_sub_agent_of_each_message(sockets):
    headers = {"user-agent": "codex_exec/0.169.0", "session-id": "0190-session"}
    told = {"x-openai-subagent": "review", "x-codex-parent-thread-id": "0190-parent"}
    async with await sockets.open(headers=headers) as socket:
        await ask(socket, create("typed"))
        await ask(socket, create("written by a model", client_metadata=told))
    person, agent = await sockets.turns()
    assert (person[0].client, person[0].client_session_id, person[2]) == ("Codex", "0190-session", "typed")
    assert agent[0].metadata["subagent"] == "review"
    assert agent[0].metadata["parent_thread_id"] == "0190-parent"
    assert agent[2] is None
