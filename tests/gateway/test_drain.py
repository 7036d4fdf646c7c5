"""A client that goes away, where the operator wants to know all the same what its answer used."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from aigateway.gateway.drain import Drain
from aigateway.store.records import InterceptionEnd
from tests.gateway.socket_stage import served
from tests.gateway.stage import CHAT, MESSAGES
from tests.gateway.test_intercept import APIS
from tests.providers.making import provider
from tests.support.waiting import eventually

BLOCKING = {
    "id": "chatcmpl-1",
    "model": "sim",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


async def leave(stage, path, payload, scenario):
    """Ask, take the first piece of the answer, and go."""
    client = stage.client(path, payload | {"stream": True}, sim=scenario)
    running = asyncio.create_task(client.run())
    await eventually(lambda: client.answer.pieces)
    client.gone.set()
    return client, running


@asynccontextmanager
async def slow_provider(stage, answer):
    """Let `openai` answer when `go` is set; `asked` is set once it was asked."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def handle(_request):
        asked.set()
        await go.wait()
        return answer()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with served(application) as url:
        stage.providers["openai"] = provider("openai", base_url=url)
        yield asked, go


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_stream_is_read_to_its_end_without_its_client(stage, path, payload):
    stage.when_client_gone = Drain()
    client, running = await leave(stage, path, payload, "long:30+slow:5")
    got = len(client.answer.body)
    async with asyncio.timeout(10):
        await running
    _, ended, _, (usage,) = await stage.record()
    assert (ended.error_type, ended.status_code) == ("client_disconnected", 200)
    assert ended.metadata["drained"] is True
    assert ended.response_bytes > got
    assert usage.output_tokens > 0
    assert "partial" not in usage.metadata
    assert stage.sim.requests[-1].outcome == "answered"
    assert len(stage.in_flight) == 0


async def test_a_blocking_answer_that_nobody_waits_for_is_still_metered(stage):
    stage.when_client_gone = Drain()
    async with slow_provider(stage, lambda: web.json_response(BLOCKING)) as (asked, go):
        client = stage.client("openai/v1/chat/completions", CHAT)
        running = asyncio.create_task(client.run())
        await asked.wait()
        client.gone.set()
        await eventually(lambda: any(exchange.deserted for exchange in stage.in_flight._exchanges))
        go.set()
        await running
    _, ended, _, (usage,) = await stage.record()
    assert (ended.error_type, ended.status_code) == ("client_disconnected", None)
    assert ended.metadata["drained"] is True
    assert (usage.input_tokens, usage.output_tokens) == (7, 3)


async def test_a_refusal_that_nobody_waits_for_is_a_client_that_left(stage):
    stage.when_client_gone = Drain()

    def hang_up():
        raise ConnectionResetError

    async with slow_provider(stage, hang_up) as (asked, go):
        stage.first_byte_timeout = 0.3
        client = stage.client("openai/v1/chat/completions", CHAT)
        running = asyncio.create_task(client.run())
        await asked.wait()
        client.gone.set()
        await running
        go.set()
    _, ended, _, usages = await stage.record()
    assert (ended.error_type, ended.status_code) == ("client_disconnected", None)
    assert usages == []


async def test_a_provider_that_takes_too_long_is_let_go_with_what_is_known(stage):
    stage.when_client_gone = Drain(seconds=0.2)
    _, running = await leave(stage, "anthropic/v1/messages", MESSAGES, "hang:2")
    await running
    await eventually(lambda: stage.sim.requests[-1].outcome == "client_gone")
    _, ended, _, (usage,) = await stage.record()
    assert ended.error_type == "client_disconnected"
    assert "drained" not in ended.metadata
    assert usage.metadata["partial"] is True


def test_that_is_half_a_minute():
    assert Drain()._seconds == 30


async def test_a_stream_that_the_provider_cuts_is_not_called_drained(stage):
    stage.when_client_gone = Drain()
    _, running = await leave(stage, "anthropic/v1/messages", MESSAGES, "cut:8+slow:20")
    await running
    _, ended, _, _ = await stage.record()
    assert (ended.error_type, ended.metadata["drained"]) == ("client_disconnected", False)


async def test_only_so_many_are_read_on_at_once(stage):
    drain = stage.when_client_gone = Drain(most=2)
    started = [await leave(stage, "anthropic/v1/messages", MESSAGES, "hang:2") for _ in range(3)]
    await asyncio.wait([running for _, running in started], return_when=asyncio.FIRST_COMPLETED)
    assert sum(running.done() for _, running in started) == 1
    stage.in_flight.stop()
    await asyncio.gather(*(running for _, running in started))
    assert drain._going_on == set()
    ends = [record for record in await stage.records() if isinstance(record, InterceptionEnd)]
    assert [end.error_type for end in ends] == ["client_disconnected"] * 3


async def test_what_passes_through_is_not_read_on(stage):
    stage.when_client_gone = Drain()
    async with slow_provider(stage, web.Response) as (asked, go):
        client = stage.client("openai/v1/models", method="GET")
        running = asyncio.create_task(client.run())
        await asked.wait()
        client.gone.set()
        async with asyncio.timeout(5):
            await running
        go.set()
