"""Providers that misbehave: the relay is byte-exact, or ends with an error event, and the record tells which."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.stage import CHAT, MESSAGES, RESPONSES
from tests.gateway.test_intercept import APIS
from tests.providers.making import provider
from tests.support.waiting import eventually

ERROR_MARK = {
    "openai/v1/chat/completions": b'data: {"error":',
    "openai/v1/responses": b"event: error\n",
    "anthropic/v1/messages": b"event: error\n",
}


@pytest.mark.parametrize("scenario", ["cut:3", "drop:3", "reset:3"])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_cut_stream_ends_with_an_error_event(stage, path, payload, scenario):
    answer = await stage.ask(path, payload | {"stream": True}, sim=scenario)
    assert answer.status == 200
    assert ERROR_MARK[path] in answer.body
    assert b"AI Gateway: the provider" in answer.body
    _, ended, _, _ = await stage.record()
    assert ended.error_type == "upstream_truncated"
    assert ended.status_code == 200
    assert ended.error_message


@pytest.mark.parametrize("scenario", ["drop:0", "reset"])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_provider_that_hangs_up_before_its_answer_is_502(stage, path, payload, scenario):
    answer = await stage.ask(path, payload | {"stream": True}, sim=scenario)
    assert answer.status == 502
    begun, ended, _, _ = await stage.record()
    assert begun.interception_id in answer.error["message"]
    assert (ended.status_code, ended.error_type) == (502, "upstream_unreachable")


async def test_a_provider_that_cannot_be_reached_is_502_without_its_address(stage):
    stage.providers["openai"] = provider("openai", base_url="http://127.0.0.1:1/secret-path")
    answer = await stage.ask("openai/v1/chat/completions", CHAT)
    assert answer.status == 502
    assert "127.0.0.1" not in answer.error["message"]
    assert "secret-path" not in answer.error["message"]
    _, ended, prompts, _ = await stage.record()
    assert ended.error_type == "upstream_unreachable"
    assert prompts


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_provider_that_does_not_begin_is_504(stage, path, payload):
    stage.first_byte_timeout = 0.2
    answer = await stage.ask(path, payload | {"stream": True}, sim="hang")
    assert answer.status == 504
    assert "--ai-gateway-first-byte-timeout" in answer.error["message"]
    _, ended, _, _ = await stage.record()
    assert (ended.status_code, ended.error_type) == (504, "timeout")


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_provider_that_falls_silent_is_given_up(stage, path, payload):
    stage.idle_timeout = 0.3
    answer = await stage.ask(path, payload | {"stream": True}, sim="hang:2")
    assert answer.status == 200
    assert ERROR_MARK[path] in answer.body
    assert b"--ai-gateway-idle-timeout" in answer.body
    _, ended, _, _ = await stage.record()
    assert ended.error_type == "timeout"


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_blocking_answer_that_is_cut_is_no_clean_end(stage, path, payload):
    answer = await stage.ask(path, payload, sim="drop:1")
    assert not answer.complete
    _, ended, _, _ = await stage.record()
    assert ended.error_type == "upstream_truncated"


@pytest.mark.parametrize("scenario", ["keepalive", "crlf", "bom", "split", "one-piece", "unknown-events", "garbage"])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_odd_streams_are_relayed_whole_and_read(stage, path, payload, scenario):
    answer = await stage.ask(path, payload | {"stream": True}, sim=scenario)
    assert answer.complete
    assert ERROR_MARK[path] not in answer.body
    _, ended, _, usages = await stage.record()
    assert ended.error_type is None
    # What comes behind the answer's own end is relayed, but the record was closed before that end went out.
    assert 0 < ended.response_bytes <= len(answer.body)
    assert usages[0].output_tokens > 0


@pytest.mark.parametrize("scenario", ["huge:3"])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_huge_line_goes_through(stage, path, payload, scenario):
    answer = await stage.ask(path, payload | {"stream": True}, sim=scenario)
    assert answer.complete
    assert len(answer.body) > 3_000_000
    _, ended, _, usages = await stage.record()
    assert ended.error_type is None
    assert usages


@pytest.mark.parametrize(("status", "kind"), [
    (400, "bad_request"), (401, "unauthorized"), (403, "unauthorized"), (404, "bad_request"), (408, "timeout"),
    (409, "bad_request"), (413, "bad_request"), (429, "rate_limited"), (500, "server_error"), (502, "server_error"),
    (503, "overloaded"), (504, "timeout"), (529, "overloaded"),
])  # fmt: skip
async def test_a_providers_error_is_relayed_byte_for_byte_and_on_record(stage, status, kind):
    answer = await stage.ask("anthropic/v1/messages", MESSAGES | {"stream": True}, sim=f"error-{status}")
    assert answer.status == status
    assert b"AI Gateway" not in answer.body
    _, ended, _, usages = await stage.record()
    assert (ended.status_code, ended.error_type) == (status, kind)
    assert ended.error_message
    assert usages == []
    if status in (429, 503):
        assert answer.headers["retry-after"]


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_an_error_inside_a_stream_is_relayed_and_on_record(stage, path, payload):
    answer = await stage.ask(path, payload | {"stream": True}, sim="error-event")
    assert answer.complete
    assert b"AI Gateway" not in answer.body
    _, ended, _, _ = await stage.record()
    assert ended.status_code == 200
    assert ended.error_type
    assert ended.error_message


@pytest.mark.parametrize("scenario", ["hang:2", "hang"])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_when_the_client_goes_the_provider_is_let_go_and_the_record_says_so(stage, path, payload, scenario):
    client = stage.client(path, payload | {"stream": True}, sim=scenario)
    running = asyncio.create_task(client.run())
    await eventually(lambda: client.answer.pieces if scenario != "hang" else stage.sim.requests)
    client.gone.set()
    await running
    await eventually(lambda: stage.sim.requests[-1].outcome == "client_gone")
    _, ended, prompts, _ = await stage.record()
    assert ended.error_type == "client_disconnected"
    assert prompts
    assert len(stage.in_flight) == 0


async def test_usage_of_an_answer_that_the_client_left_is_kept_as_partial(stage):
    client = stage.client("anthropic/v1/messages", MESSAGES | {"stream": True}, sim="hang:2")
    running = asyncio.create_task(client.run())
    await eventually(lambda: client.answer.pieces)
    client.gone.set()
    await running
    _, _, _, (usage,) = await stage.record()
    assert usage.metadata["partial"] is True
    assert usage.input_tokens > 0


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_stopping_gateway_tells_its_clients(stage, path, payload):
    client = stage.client(path, payload | {"stream": True}, sim="hang:2")
    running = asyncio.create_task(client.run())
    await eventually(lambda: client.answer.pieces)
    stage.in_flight.interrupt_all()
    async with asyncio.timeout(10):
        answer = await running
    assert ERROR_MARK[path] in answer.body
    assert b"The gateway was stopped" in answer.body
    _, ended, _, _ = await stage.record()
    assert ended.error_type == "interrupted"


async def test_a_stopping_gateway_takes_nothing_new(stage):
    stage.admitter.close()
    answer = await stage.ask("openai/v1/responses", RESPONSES)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


HALF = {
    "openai/v1/chat/completions": b'data: {"id":"c","choices":[]}\n\ndata: {"id":"c","cho',
    "openai/v1/responses": b'event: response.created\ndata: {"type":"response.created","resp',
    "anthropic/v1/messages": b'event: message_start\ndata: {"type":"message_st',
}


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_half_an_event_is_never_followed_by_something_that_reads_as_its_end(stage, path, payload):
    """OpenAI's SDKs would choke on the half event before they saw ours; Anthropic's skip it as a ping."""

    async def answer_half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%s\r\n" % (len(HALF[path]), HALF[path]))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer_half, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        name = path.split("/")[0]
        stage.providers[name] = provider(name, base_url=f"http://127.0.0.1:{port}")
        answer = await stage.ask(path, payload | {"stream": True})
    _, ended, _, _ = await stage.record()
    assert ended.error_type == "upstream_truncated"
    if name == "anthropic":
        assert answer.body.startswith(HALF[path] + b"\nevent: ping\n\n")
        assert b"event: error\n" in answer.body
    else:
        assert answer.body == HALF[path]
        assert not answer.complete
