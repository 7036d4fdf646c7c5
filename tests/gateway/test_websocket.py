"""Opening sockets: who is let in, what the provider sees, and how clients hear that they had better use POST."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from aigateway.gateway.rate import RateLimiter
from tests.gateway.socket_stage import PATH, ask, create, served
from tests.gateway.stage import OTHER, TOKEN
from tests.providers.making import provider


async def test_a_turn_is_relayed_and_on_record(sockets):
    async with await sockets.open() as socket:
        answer = await ask(socket, create())
    assert [m["sequence_number"] for m in answer] == list(range(len(answer)))
    ((begun, ended, prompt, usage),) = await sockets.turns()
    assert (begun.model, begun.provider_name, begun.streaming, prompt) == ("sim", "openai", True, "Hello there")
    assert begun.metadata["transport"] == "websocket"
    told = answer[-1]["response"]["usage"]
    assert (ended.status_code, ended.error_type) == (200, None)
    assert usage.input_tokens + usage.cache_read_input_tokens == told["input_tokens"]
    assert usage.output_tokens == told["output_tokens"]


async def test_what_the_provider_sees(sockets):
    headers = {"user-agent": "codex_exec/0.169.0", "x-coder-secret": "no", "cookie": "no=1", "openai-beta": "ws=1"}
    async with await sockets.open(headers=headers, query="?api-version=7") as socket:
        await ask(socket, create())
    opening, message = sockets.stage.sim.requests
    assert (opening.path, message.method) == ("/v1/responses?api-version=7", "MESSAGE")
    assert opening.header("authorization") == "Bearer sk-central-0123456789abcdef"
    assert opening.header("user-agent") == "codex_exec/0.169.0"
    assert opening.header("openai-beta") == "ws=1"
    assert opening.header("x-coder-secret") is None
    assert opening.header("cookie") is None
    assert opening.header("sec-websocket-extensions") is None
    assert TOKEN.encode() not in b"".join(value for _, value in opening.headers)


async def test_what_the_client_sees_of_the_handshake(sockets):
    async def answer(socket, _request):
        await socket.receive()

    async with sockets.provider(answer, protocols=["b"]), await sockets.open(protocols=["a", "b"]) as socket:
        headers = socket._response.headers
        assert socket.protocol == "b"
        assert headers["x-request-id"] == "req_of_the_provider"
        assert "set-cookie" not in headers
        assert len(headers.getall("sec-websocket-accept")) == 1
        assert "sec-websocket-extensions" not in headers


async def test_the_persons_own_key_reaches_the_provider(sockets):
    headers = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer sk-own-0123456789"}
    async with await sockets.open(token=None, headers=headers) as socket:
        await ask(socket, create())
    assert sockets.stage.sim.requests[0].header("authorization") == "Bearer sk-own-0123456789"
    ((begun, *_),) = await sockets.turns()
    assert begun.credential_kind == "byok"


async def test_copilot_takes_the_persons_own(sockets):
    headers = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer gho_own"}
    async with await sockets.open(path="/api/v2/ai-gateway/copilot/responses", token=None, headers=headers) as socket:
        await ask(socket, create())
    assert sockets.stage.sim.requests[0].header("authorization") == "Bearer gho_own"


@pytest.mark.parametrize("token", [None, "Bearer ", f"Bearer {OTHER}"])
async def test_nobody_without_a_name(sockets, token):
    status, headers, body = await sockets.refusal(headers={"authorization": token})
    assert status == 401
    assert body["error"]["message"].startswith("AI Gateway: ")
    assert headers["x-should-retry"] == "false"
    assert not sockets.stage.sim.requests


@pytest.mark.parametrize(("path", "status"), [
    ("/api/v2/aibridge/openai/v1/chat/completions", 426),
    ("/api/v2/aibridge/openai/v1/models", 426),
    ("/api/v2/aibridge/openai/v1/responses/resp_1", 426),
    ("/api/v2/aibridge/anthropic/v1/messages", 426),
    ("/api/v2/aibridge/openai/v1/files", 404),
    ("/api/v2/aibridge/nobody/v1/responses", 404),
    ("/api/v2/aibridge/openai/v1/%2e%2e/responses", 404),
])  # fmt: skip
async def test_only_responses_have_sockets(sockets, path, status):
    found, _, body = await sockets.refusal(path=path)
    assert found == status
    assert body["error"]["message"].startswith("AI Gateway: ")
    assert not sockets.stage.sim.requests


async def test_no_socket_elsewhere(sockets):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await sockets.open(path="/api/v2/users")
    assert refused.value.status == 404


@pytest.mark.parametrize("scenario", ["no-websocket", "error-401", "error-429", "error-500"])
async def test_a_provider_that_takes_no_socket_is_426(sockets, scenario):
    status, _, body = await sockets.refusal(headers={"x-sim-scenario": scenario})
    assert status == 426
    assert "POST" in body["error"]["message"]
    assert await sockets.turns() == []
    assert len(sockets.stage.in_flight) == sockets.stage.admitter.in_flight == 0


async def test_a_provider_that_cannot_be_reached_is_426_without_its_address(sockets):
    sockets.stage.providers["openai"] = provider("openai", base_url="http://127.0.0.1:1/secret-path")
    status, _, body = await sockets.refusal()
    assert status == 426
    assert "127.0.0.1" not in body["error"]["message"]
    assert "secret-path" not in body["error"]["message"]


async def test_a_provider_that_hangs_at_the_handshake_is_426(sockets):
    async def never(_request):
        await asyncio.Event().wait()

    sockets.transport._connect_timeout = 0.2
    silent = web.Application()
    silent.router.add_get("/v1/responses", never)
    async with served(silent) as url:
        sockets.stage.providers["openai"] = provider("openai", base_url=f"{url}/v1")
        status, _, _ = await sockets.refusal()
    assert status == 426


@pytest.mark.parametrize("status", [401, 429])
async def test_the_next_key_opens_the_socket_where_one_does_not(sockets, status):
    seen = []

    async def answer(request):
        seen.append(request.headers["authorization"])
        if seen[-1].endswith("first"):
            return web.Response(status=status, headers={"retry-after": "7"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_json({"type": "response.completed", "response": {"id": "r"}})
        await socket.receive()
        return socket

    application = web.Application()
    application.router.add_get("/v1/responses", answer)
    async with served(application) as url:
        keys = ("sk-first", "sk-second")
        sockets.stage.providers["openai"] = provider("openai", base_url=f"{url}/v1", keys=keys)
        for _ in range(2):
            async with await sockets.open() as socket:
                await ask(socket, create())
    assert seen == ["Bearer sk-first", "Bearer sk-second", "Bearer sk-second"]
    (begun, *_), _ = await sockets.turns()
    assert begun.credential_hint == sockets.stage.providers["openai"].keys[1].hint


async def test_a_pool_without_a_usable_key_is_426(sockets):
    sim = sockets.stage.sim
    sockets.stage.providers["openai"] = provider("openai", base_url=f"{sim.url}/v1", keys=("sk-first", "sk-second"))
    status, _, body = await sockets.refusal(headers={"x-sim-scenario": "error-429"})
    assert status == 426
    assert "rate limit" in body["error"]["message"]
    assert "sk-" not in body["error"]["message"]
    assert len(sim.requests) == 2


async def test_a_redirect_is_not_followed_with_the_key(sockets):
    seen = []

    async def elsewhere(request):
        seen.append(dict(request.headers))
        return web.Response(text="got you")

    async def redirect(request):
        raise web.HTTPTemporaryRedirect("/elsewhere")

    application = web.Application()
    application.router.add_get("/v1/responses", redirect)
    application.router.add_get("/elsewhere", elsewhere)
    async with served(application) as url:
        sockets.stage.providers["openai"] = provider("openai", base_url=f"{url}/v1")
        status, _, body = await sockets.refusal()
    assert status == 426
    assert "307" in body["error"]["message"]
    assert seen == []


async def test_a_stopping_gateway_opens_none(sockets):
    sockets.stage.admitter.close()
    status, headers, _ = await sockets.refusal()
    assert (status, headers["retry-after"]) == (503, "1")


async def test_a_socket_takes_one_place_for_as_long_as_it_is_open(sockets):
    sockets.stage.admitter._max_concurrency = 1
    async with await sockets.open():
        assert (await sockets.refusal())[0] == 503
    await sockets.until(lambda: sockets.stage.admitter.in_flight == 0)
    async with await sockets.open() as socket:
        assert (await ask(socket, create()))[-1]["type"] == "response.completed"


async def test_a_mistake_of_ours_is_a_500_without_a_stack_trace(sockets, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(sockets.transport, "open_socket", fail)
    status, _, body = await sockets.refusal()
    assert status == 500
    assert "secret" not in str(body)
    assert PATH not in str(body)


async def test_requests_of_a_socket_count_against_the_rate(sockets):
    now = [0.0]
    # The opening and each message are a request.
    limiter = RateLimiter(2, clock=lambda: now[0])
    sockets.stage.rate_limiter = limiter
    sockets.server.config.app._sockets._rate_limiter = limiter
    async with await sockets.open() as socket:
        assert (await ask(socket, create()))[-1]["type"] == "response.completed"
        (refused,) = await ask(socket, create(stream_id="a"))
        assert (refused["type"], refused["status"], refused["stream_id"]) == ("error", 429, "a")
        now[0] = 1.0
        assert (await ask(socket, create()))[-1]["type"] == "response.completed"
    assert len(await sockets.turns()) == 2
