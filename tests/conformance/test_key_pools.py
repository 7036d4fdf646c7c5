"""Keys and circuit breakers in a gateway as it is run, with the SDKs that people have."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request

import openai
import pytest
from aiohttp import web
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.gateway.scripted import CHAT_ANSWER, MESSAGES_ANSWER
from tests.support.server import GatewayProcess, free_port, providers
from tests.support.waiting import eventually
from tests.support.web import WebThread

KEYS = tuple(f"sk-pool-{number}-0123456789abcd{number}{number}" for number in range(3))
STREAM = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"sim","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]%s}\n\n'
)
USAGE = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"sim","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\n'
)


class Upstream:
    """Limits the first key always; a model called `overloaded` is."""

    def __init__(self):
        self.keys = []
        self.overloaded = 0
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        self.served = WebThread(application)

    async def _serve(self, request):
        body = await request.json()
        key = request.headers.get("x-api-key") or request.headers["authorization"].removeprefix("Bearer ")
        self.keys.append(key)
        if key == KEYS[0]:
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            return web.json_response(error, status=429, headers={"retry-after": "30"})
        if body["model"] == "overloaded":
            self.overloaded += 1
            return web.json_response({"error": {"message": "no room", "type": "server_error"}}, status=503)
        if request.path.endswith("/messages"):
            return web.json_response(MESSAGES_ANSWER)
        if not body.get("stream"):
            return web.json_response(CHAT_ANSWER)
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        asked = body.get("stream_options", {}).get("include_usage")
        await answer.write(STREAM % (b',"usage":null' if asked else b""))
        if asked:
            await answer.write(USAGE)
        await answer.write(b"data: [DONE]\n\n")
        await answer.write_eof()
        return answer


@pytest.fixture(scope="module")
def upstream():
    made = Upstream()
    with made.served:
        yield made


@pytest.fixture(scope="module")
def metrics_port():
    return free_port()


@pytest.fixture(scope="module")
def pooled(upstream, metrics_port, tmp_path_factory):
    keys = ",".join(KEYS)
    env = providers(
        {"TYPE": "openai", "KEYS": keys, "BASE_URL": f"{upstream.served.url}/v1"},
        {"TYPE": "anthropic", "KEYS": keys, "BASE_URL": upstream.served.url},
    ) | {
        "CODER_AI_GATEWAY_CIRCUIT_BREAKER_ENABLED": "true",
        "CODER_AI_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD": "2",
        "CODER_PROMETHEUS_ENABLE": "true",
        "CODER_PROMETHEUS_ADDRESS": f"127.0.0.1:{metrics_port}",
    }
    with GatewayProcess(tmp_path_factory.mktemp("pooled"), env) as running:
        yield running


async def test_no_request_fails_while_a_key_is_usable(pooled, upstream):
    messages = [{"role": "user", "content": "Hello"}]
    async with (
        AsyncOpenAI(base_url=f"{pooled.base}/openai/v1", api_key=pooled.token, max_retries=0) as oai,
        AsyncAnthropic(base_url=f"{pooled.base}/anthropic", api_key=pooled.token, max_retries=0) as ant,
    ):
        chats = [oai.chat.completions.create(model="sim", messages=messages) for _ in range(60)]
        asked = [ant.messages.create(model="sim", max_tokens=9, messages=messages) for _ in range(60)]
        streams = [_streamed(oai, messages) for _ in range(80)]
        answers = await asyncio.gather(*chats, *asked, *streams)
    assert len(answers) == 200
    assert KEYS[1] in upstream.keys
    assert KEYS[2] not in upstream.keys
    await eventually(lambda: len(pooled.interceptions("model:sim")) == 200)
    rows = pooled.interceptions("model:sim")
    assert {row["error_type"] for row in rows} == {None}
    assert {row["credential_hint"] for row in rows} == {"sk-p...cd11"}
    assert all(row["token_usages"] for row in rows)


async def _streamed(client, messages):
    stream = await client.chat.completions.create(model="sim", messages=messages, stream=True)
    chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hello"]
    return chunks


async def test_an_open_breaker_is_an_error_that_the_sdk_knows(pooled, upstream):
    async with AsyncOpenAI(base_url=f"{pooled.base}/openai/v1", api_key=pooled.token, max_retries=0) as client:
        for _ in range(3):
            with pytest.raises(openai.InternalServerError) as caught:
                await client.chat.completions.create(
                    model="overloaded", messages=[{"role": "user", "content": "Hello"}]
                )
    assert upstream.overloaded == 2
    assert caught.value.status_code == 503
    assert caught.value.code == "service_unavailable"
    assert "the circuit breaker is open" in str(caught.value)


def test_operators_see_it(pooled, metrics_port):
    env = {**os.environ, "CODER_URL": pooled.url, "CODER_SESSION_TOKEN": pooled.token, "HOME": str(pooled.folder)}
    command = [sys.executable, "-m", "aigateway", "providers", "list", "--live", "-o", "json"]
    told = json.loads(subprocess.run(command, env=env, capture_output=True, check=True, text=True).stdout)
    first, second = told
    assert [key["state"] for key in first["keys"]] == ["rate_limited", "valid", "valid"]
    assert [(each["model"], each["state"]) for each in first["breakers"]] == [("overloaded", "open")]
    assert second["breakers"] == []
    assert not any(key in json.dumps(told) for key in KEYS)
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    assert 'coder_ai_gateway_key_pool_state{provider="openai",state="temporary"} 1.0' in page
    assert 'coder_ai_gateway_key_pool_state{provider="openai",state="valid"} 2.0' in page
    breaker = 'endpoint="/v1/chat/completions",model="overloaded",provider="openai"'
    assert f"coder_ai_gateway_circuit_breaker_state{{{breaker}}} 1.0" in page
    assert f"coder_ai_gateway_circuit_breaker_rejects_total{{{breaker}}} 1.0" in page
