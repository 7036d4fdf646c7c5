"""Somebody hangs up: the client or the provider, before the answer, in the middle of it, or right behind its last byte.

In each case the record ends with what is known, and says what happened; and the connection to a provider whose client
is gone is closed at once, which the simulated provider sees.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct

import aiohttp
import pytest

from aigateway.simulator.server import SimulatorThread
from tests.faults.crowd import REQUESTS
from tests.gateway.conftest import stage  # noqa: F401 - a fixture
from tests.providers.making import provider
from tests.support.server import GatewayProcess, providers
from tests.support.waiting import eventually

STREAMS = [(path, payload, mark) for path, payload, mark in REQUESTS if mark]
AT_ONCE = 1.0
"""Seconds until the provider must have noticed."""
SOCKET = "openai/v1/responses"


@pytest.fixture(scope="module")
def simulated():
    """A provider of this file's own: one that others ask as well forgets the first requests when the last ones come."""
    with SimulatorThread(event_interval=0.002) as sim:
        yield sim


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, simulated):
    folder = tmp_path_factory.mktemp("disconnects")
    raw = {"TYPE": "openai", "NAME": "raw", "KEY": "sk-central-0123456789", "BASE_URL": "http://127.0.0.1:9"}
    of = [
        {"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{simulated.url}/v1"},
        {"TYPE": "anthropic", "KEY": "sk-central-0123456789", "BASE_URL": simulated.url},
        raw,
    ]
    with GatewayProcess(folder, providers(*of)) as gateway:
        yield gateway


def headers(gateway, scenario=None):
    return {"Authorization": f"Bearer {gateway.token}"} | ({"X-Sim-Scenario": scenario} if scenario else {})


async def record(gateway, ident=None, prompt=None):
    return await asyncio.to_thread(lambda: gateway.interception(ident, prompt=prompt))


async def gone(simulated, before):
    """The provider sees that its connection is closed, and soon."""
    await eventually(lambda: len(simulated.requests) > before, seconds=10)
    await eventually(lambda: simulated.requests[-1].outcome == "client_gone", seconds=AT_ONCE)


@pytest.mark.parametrize(("path", "payload", "mark"), STREAMS)
async def test_the_client_goes_before_the_answer(gateway, simulated, path, payload, mark):
    before = len(simulated.requests)
    prompt = f"gone before {path}"
    asked = json.loads(json.dumps(payload).replace("Tell me something long sim:long:20", prompt))
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(
            session.post(f"{gateway.base}/{path}", json=asked, headers=headers(gateway, "hang"))
        )
        await eventually(lambda: len(simulated.requests) > before)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await gone(simulated, before)
    row = await record(gateway, prompt=prompt)
    assert (row["error_type"], row["status_code"]) == ("client_disconnected", None)
    assert row["token_usages"] == []


@pytest.mark.parametrize(("path", "payload", "mark"), STREAMS)
async def test_the_client_goes_in_the_middle(gateway, simulated, path, payload, mark):
    before = len(simulated.requests)
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{gateway.base}/{path}", json=payload, headers=headers(gateway, "hang:3"))
        await answer.content.readany()
        ident = answer.headers["X-AI-Gateway-Interception-Id"]
        answer.close()
        await gone(simulated, before)
    row = await record(gateway, ident)
    assert (row["error_type"], row["status_code"]) == ("client_disconnected", 200)
    assert all(usage["metadata"]["partial"] for usage in row["token_usages"])


@pytest.mark.parametrize(("path", "payload", "mark"), STREAMS)
async def test_the_client_goes_right_behind_the_last_byte(gateway, path, payload, mark):
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{gateway.base}/{path}", json=payload, headers=headers(gateway))
        body = b""
        while mark not in body:
            body += await answer.content.readany()
        answer.close()
    row = await record(gateway, answer.headers["X-AI-Gateway-Interception-Id"])
    assert row["error_type"] is None
    assert len(row["token_usages"]) == 1


@pytest.mark.parametrize("wish", ["drop:0", "reset"])
@pytest.mark.parametrize(("path", "payload", "mark"), STREAMS)
async def test_the_provider_goes_before_the_answer(gateway, path, payload, mark, wish):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{gateway.base}/{path}", json=payload, headers=headers(gateway, wish)) as answer,
    ):
        assert answer.status == 502
        row = await record(gateway, answer.headers["X-AI-Gateway-Interception-Id"])
    assert (row["error_type"], row["status_code"]) == ("upstream_unreachable", 502)


@pytest.mark.parametrize("wish", ["drop:4", "reset:4", "cut:4"])
@pytest.mark.parametrize(("path", "payload", "mark"), STREAMS)
async def test_the_provider_goes_in_the_middle(gateway, path, payload, mark, wish):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{gateway.base}/{path}", json=payload, headers=headers(gateway, wish)) as answer,
    ):
        body = b"".join([piece async for piece in answer.content.iter_any()])
        row = await record(gateway, answer.headers["X-AI-Gateway-Interception-Id"])
    assert mark not in body
    assert b"AI Gateway: the provider" in body
    assert (row["error_type"], row["status_code"]) == ("upstream_truncated", 200)


async def test_the_client_of_a_socket_goes_in_the_middle(gateway, simulated):
    prompt = "gone from a socket"
    async with aiohttp.ClientSession() as session:
        talk = await session.ws_connect(f"{gateway.base}/{SOCKET}", headers=headers(gateway))
        await talk.send_json({"type": "response.create", "model": "sim", "input": f"{prompt} sim:hang:3"})
        assert (await talk.receive_json())["type"] == "response.created"
        opening = next(request for request in reversed(simulated.requests) if request.method == "GET")
        assert opening.outcome == "pending"
        talk._response.connection.transport.abort()
        await eventually(lambda: opening.outcome != "pending", seconds=AT_ONCE)
    row = await record(gateway, prompt=prompt)
    assert row["error_type"] == "client_disconnected"


@pytest.mark.parametrize("wish", ["drop:4", "reset:4"])
async def test_the_provider_of_a_socket_goes_in_the_middle(gateway, wish):
    prompt = f"left on a socket by {wish.replace(':', ' ')}"
    async with aiohttp.ClientSession() as session:
        talk = await session.ws_connect(f"{gateway.base}/{SOCKET}", headers=headers(gateway))
        await talk.send_json({"type": "response.create", "model": "sim", "input": f"{prompt} sim:{wish}"})
        events = [frame.json() async for frame in talk]
    assert events[-1]["type"] == "error"
    assert "AI Gateway" in events[-1]["error"]["message"]
    row = await record(gateway, prompt=prompt)
    assert row["error_type"] == "upstream_truncated"


@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize("last", [b"[DONE]", b"cut short"])
async def test_the_provider_goes_right_behind_its_last_byte(stage, last, rudely):  # noqa: F811
    """Behind the answer's own end nothing is missing, though the connection was not ended as HTTP wants; else it is."""
    events = [
        b'{"id":"c","model":"sim","choices":[{"index":0,"delta":{"content":"Hello"}}]}',
        b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
        b'{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}',
    ]
    if last == b"[DONE]":
        events.append(last)
    body = b"".join(b"data: " + event + b"\n\n" for event in events[: None if last == b"[DONE]" else 1])

    async def provide(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%s\r\n" % (len(body), body))
        await writer.drain()
        await asyncio.sleep(0.1)  # so that a reset does not overtake the bytes
        if rudely:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        writer.close()

    async with await asyncio.start_server(provide, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stage.providers["openai"] = provider("openai", base_url=f"http://127.0.0.1:{port}")
        path, payload, _ = STREAMS[0]
        answer = await stage.ask(path, payload)
    _, ended, _, usages = await stage.record()
    if last == b"[DONE]":
        assert answer.body == body
        assert answer.complete
        assert ended.error_type is None
        assert usages[0].input_tokens == 7
    else:
        assert b"AI Gateway" in answer.body
        assert ended.error_type == "upstream_truncated"
