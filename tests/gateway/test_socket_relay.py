"""Messages on a socket: as they came, both ways, and what is said when one side leaves."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import WSMsgType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.audit.journal import JournalUnavailable
from tests.gateway.socket_stage import answer_of, ask, create, farewell, socket_stage
from tests.gateway.stage import Tokens


async def echo(socket, _request):
    async for frame in socket:
        await (socket.send_str if frame.type is WSMsgType.TEXT else socket.send_bytes)(frame.data)


@given(texts=st.lists(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=3), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_messages_travel_unchanged_in_both_directions(sockets, texts):
    sent = [json.dumps(text, ensure_ascii=number % 2 == 0) for number, text in enumerate(texts)]
    async with sockets.provider(echo), await sockets.open() as socket:
        for number, text in enumerate(sent):
            await (socket.send_str(text) if number % 3 else socket.send_bytes(text.encode("utf-8", "surrogatepass")))
        for number, text in enumerate(sent):
            frame = await socket.receive()
            assert frame.type is (WSMsgType.TEXT if number % 3 else WSMsgType.BINARY)
            assert frame.data == (text if number % 3 else text.encode())


async def test_the_digest_at_the_far_end_is_that_of_the_message(sockets):
    message = '{ "type" : "response.create" ,"model":"sim",  "input":"Grüße 👋", "big": 12345678901234567890.10}'
    async with await sockets.open() as socket:
        await ask(socket, message)
    assert sockets.stage.sim.requests[-1].body == message.encode()


async def test_messages_larger_than_usual(sockets):
    async with await sockets.open(max_msg_size=0) as socket:
        answer = await ask(socket, create("sim:huge:5 " + "x" * 900_000))
    assert [len(m["news"]) for m in answer if "news" in m] == [5_000_000]
    ((begun, ended, _, _),) = await sockets.turns()
    assert begun.request_bytes > 900_000
    assert ended.response_bytes > 5_000_000


async def test_a_message_over_the_limit_is_1009(sockets):
    async with await sockets.open() as socket:
        await socket.send_str("x" * (sockets.stage.admitter.max_body_size + 1))
        _, code, _ = await farewell(socket)
    assert code == 1009


@pytest.mark.parametrize(("message", "status"), [
    ("no JSON", 400), ("[1]", 400), ("", 400), ("{" * 5000, 400), ('{"type":"response.create","background":true}', 501),
])  # fmt: skip
async def test_what_cannot_be_read_is_answered_and_not_sent_on(sockets, message, status):
    async with await sockets.open() as socket:
        (refused,) = await ask(socket, message)
        assert (refused["type"], refused["status"]) == ("error", status)
        assert refused["error"]["message"].startswith("AI Gateway: ")
        assert (await ask(socket, create()))[-1]["type"] == "response.completed"
    assert len(sockets.stage.sim.requests) == 2


async def test_a_removed_token_is_refused_on_the_next_message(sockets):
    async with await sockets.open() as socket:
        await ask(socket, create())
        sockets.stage.tokens.__class__ = type("Nobody", (Tokens,), {"authenticate": _nobody})
        (refused,) = await ask(socket, create())
    assert refused["status"] == 401
    assert len(await sockets.turns()) == 1
    assert len(sockets.stage.sim.requests) == 2


async def test_with_the_database_away_the_message_is_503(sockets):
    async with await sockets.open() as socket:
        sockets.stage.tokens.away = True
        (refused,) = await ask(socket, create())
    assert refused["status"] == 503


@pytest.mark.parametrize(("code", "reason"), [(1000, "bye"), (1001, ""), (1008, "policy ✓"), (1011, ""), (4321, "own")])
async def test_the_providers_farewell_reaches_the_client(sockets, code, reason):
    async def leave(socket, _request):
        await socket.receive()
        await socket.close(code=code, message=reason.encode())

    async with sockets.provider(leave), await sockets.open() as socket:
        await socket.send_str('{"type":"sim.note"}')
        assert await farewell(socket) == ([], code, reason)


@pytest.mark.parametrize(("code", "reason", "heard"), [(1000, "done", 1000), (4000, "own ✓", 4000), (3001, "", 3001)])
async def test_the_clients_farewell_reaches_the_provider(sockets, code, reason, heard):
    said = asyncio.get_running_loop().create_future()

    async def listen(socket, _request):
        frame = await socket.receive()
        said.set_result((frame.data, frame.extra))

    async with sockets.provider(listen), await sockets.open() as socket:
        await socket.close(code=code, message=reason.encode())
        assert await asyncio.wait_for(said, 10) == (heard, reason)


async def test_a_client_that_is_cut_off_leaves_no_socket_behind(sockets):
    said = asyncio.get_running_loop().create_future()

    async def listen(socket, _request):
        frame = await socket.receive()
        said.set_result(frame.data)

    async with sockets.provider(listen):
        socket = await sockets.open()
        socket._response.connection.transport.abort()
        assert await asyncio.wait_for(said, 10) == 1001
        await sockets.until(lambda: sockets.stage.admitter.in_flight == 0)
        await socket.close()


async def test_a_client_that_goes_in_a_turn_is_on_record(sockets):
    socket = await sockets.open()
    await socket.send_str(json.dumps(create("sim:hang:3")))
    while json.loads((await socket.receive()).data)["type"] != "response.in_progress":
        pass
    socket._response.connection.transport.abort()
    ((_, ended, prompt, _),) = await sockets.ended()
    assert ended.error_type == "client_disconnected"
    assert prompt == "sim:hang:3"
    assert ended.response_bytes > 0
    await socket.close()


@pytest.mark.parametrize(("scenario", "code"), [("drop:3", 1011), ("reset:3", 1011), ("cut:3", 1000)])
async def test_a_turn_that_the_provider_cuts_ends_with_an_error(sockets, scenario, code):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create(f"sim:{scenario}")))
        messages, found, _ = await farewell(socket)
    assert found == code
    assert messages[-1]["type"] == "error"
    assert messages[-1]["status"] == 502
    assert messages[-1]["error"]["message"].startswith("AI Gateway: ")
    ((_, ended, _, _),) = await sockets.turns()
    assert ended.error_type == "upstream_truncated"


async def test_a_provider_that_is_cut_off_between_turns_is_1011(sockets):
    async def vanish(socket, request):
        await socket.receive()
        request.transport.abort()

    async with sockets.provider(vanish), await sockets.open() as socket:
        await socket.send_str('{"type":"sim.note"}')
        messages, code, reason = await farewell(socket)
    assert (messages, code) == ([], 1011)
    assert reason.startswith("AI Gateway: ")


async def test_the_provider_may_be_silent_between_turns_and_not_in_one(stage):
    stage.idle_timeout = 0.3
    async with socket_stage(stage) as sockets, await sockets.open() as socket:
        await ask(socket, create())
        await asyncio.sleep(0.6)  # longer than the timeout: nothing is to happen, so nothing can be waited for
        await ask(socket, create())
        await socket.send_str(json.dumps(create("sim:hang:2")))
        messages, code, _ = await farewell(socket)
        assert code == 1011
        assert messages[-1]["status"] == 504
        assert "--ai-gateway-idle-timeout" in messages[-1]["error"]["message"]
        assert [turn[1].error_type for turn in await sockets.turns()] == [None, None, "timeout"]


async def test_nothing_is_shown_that_cannot_be_recorded(sockets, monkeypatch):
    async with await sockets.open() as socket:
        monkeypatch.setattr(sockets.stage.journal, "append", _full)
        await socket.send_str(json.dumps(create()))
        messages, code, _ = await farewell(socket)
    assert code == 1011
    assert [m["type"] for m in messages] == ["error"]
    assert "disk full" in messages[0]["error"]["message"]


async def test_a_slow_client_holds_the_provider_back(sockets):
    sent = 0

    async def flood(socket, _request):
        nonlocal sent
        await socket.receive()
        piece = json.dumps({"type": "sim.news", "news": "x" * 200_000})
        for _ in range(400):
            await socket.send_str(piece)
            sent += 1
        await socket.close()

    async with sockets.provider(flood), await sockets.open() as socket:
        socket._response.connection.transport.pause_reading()
        await socket.send_str('{"type":"sim.note"}')
        last = -1
        while sent != last:
            last = sent
            await asyncio.sleep(0.3)
        assert last < 200  # 40 MB: what the buffers of the connections hold
        socket._response.connection.transport.resume_reading()
        messages, code, _ = await farewell(socket)
        assert (len(messages), code) == (400, 1000)


async def test_a_stop_waits_for_the_turn_and_closes_with_1001(sockets):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create("sim:slow:60")))
        await socket.receive()
        sockets.stop()
        messages = await answer_of(socket)
        assert messages[-1]["type"] == "response.completed"
        assert await farewell(socket) == ([], 1001, "AI Gateway: stopping")
    ((_, ended, _, _),) = await sockets.turns()
    assert ended.error_type is None


async def test_what_is_asked_while_the_gateway_stops_is_503(sockets):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create("sim:slow:60", stream_id="a")))
        await socket.receive()
        sockets.stop()
        await socket.send_str(json.dumps(create(stream_id="b")))
        (refused,) = await answer_of(socket, lane="b")
        assert refused["status"] == 503
        assert (await answer_of(socket, lane="a"))[-1]["type"] == "response.completed"
        assert (await farewell(socket))[1] == 1001


async def test_at_the_limit_a_turn_is_broken_off(sockets):
    async with await sockets.open() as socket:
        await socket.send_str(json.dumps(create("sim:hang:2")))
        await socket.receive()
        sockets.stop()
        sockets.stage.in_flight.interrupt_all()
        messages, code, _ = await farewell(socket)
    assert code == 1001
    assert messages[-1]["status"] == 503
    ((_, ended, _, _),) = await sockets.turns()
    assert ended.error_type == "interrupted"


async def test_a_hundred_open_sockets_do_not_hold_up_a_stop(sockets):
    opened = []
    for _ in range(10):  # All at once would be a test of the simulator.
        opened += await asyncio.gather(*(sockets.open() for _ in range(10)))
    asked = asyncio.gather(*(ask(socket, create("sim:long:5")) for socket in opened[:50]))
    await sockets.until(lambda: len(sockets.stage.sim.requests) >= 120)
    sockets.stop()
    answers = await asked
    assert {answer[-1]["type"] for answer in answers} == {"response.completed"}
    assert {(await farewell(socket))[1] for socket in opened} == {1001}
    await sockets.until(lambda: len(sockets.stage.in_flight) == 0)
    assert [turn[1].error_type for turn in await sockets.turns()] == [None] * 50


async def _nobody(_self, _token):
    return None


def _full(_records):
    future = asyncio.get_running_loop().create_future()
    future.set_exception(JournalUnavailable("disk full"))
    return future
