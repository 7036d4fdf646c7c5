"""The simulated provider against the official SDKs and a raw socket."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from aigateway.simulator import SCENARIOS, Simulator
from tests.support.waiting import eventually

TOOL = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


@pytest.fixture
async def simulator():
    async with Simulator(event_interval=0) as running:
        yield running


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        yield session


def chat_body(text="hello", **more):
    return {"model": "gpt-5.5", "messages": [{"role": "user", "content": text}], **more}


def responses_body(text="hello", **more):
    return {"model": "gpt-5.5", "input": text, **more}


def messages_body(text="hello", **more):
    return {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


BODIES = {"/v1/chat/completions": chat_body, "/v1/responses": responses_body, "/v1/messages": messages_body}


async def test_official_openai_sdk_reads_chat(simulator):
    async with AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="k", max_retries=0) as client:
        whole = await client.chat.completions.create(**chat_body())
        stream = await client.chat.completions.create(**chat_body(stream=True, stream_options={"include_usage": True}))
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "hello" in whole.choices[0].message.content
    assert text.startswith("Hello 👋")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens > 0


async def test_official_openai_sdk_reads_responses(simulator):
    tools = [{"type": "function", "name": "weather", "parameters": TOOL}, {"type": "custom", "name": "patch"}]
    async with AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="k", max_retries=0) as client:
        whole = await client.responses.create(**responses_body())
        async with client.responses.stream(**responses_body("please call weather", tools=tools)) as stream:
            events = [event async for event in stream]
            final = await stream.get_final_response()
    assert "hello" in whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.output[-1].name == "weather"
    assert json.loads(final.output[-1].arguments) == {"city": "simulated ✓", "days": 7}


async def test_official_anthropic_sdk_reads_messages(simulator):
    tools = [{"name": "weather", "input_schema": TOOL}]
    async with AsyncAnthropic(base_url=simulator.url, api_key="k", max_retries=0) as client:
        whole = await client.messages.create(**messages_body())
        asked = messages_body("call weather", tools=tools, thinking={"type": "enabled", "budget_tokens": 1024})
        async with client.messages.stream(**asked) as stream:
            final = await stream.get_final_message()
        count = await client.messages.count_tokens(model="claude-opus-5-5", messages=asked["messages"])
    assert "hello" in whole.content[0].text
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use"]
    assert final.content[2].input == {"city": "simulated ✓", "days": 7}
    assert final.usage.cache_creation_input_tokens > 0
    assert count.input_tokens > 0


@pytest.mark.parametrize("path", BODIES)
async def test_the_same_request_gets_the_same_bytes(simulator, http, path):
    async def ask(**more):
        async with http.post(simulator.url + path, json=BODIES[path]("thinking please", **more)) as answer:
            return await answer.read()

    assert await ask() == await ask()
    assert await ask(stream=True) == await ask(stream=True)
    assert await ask() != await ask(user="somebody")


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"hang", "drop", "reset"}))
@pytest.mark.parametrize("stream", [True, False])
async def test_every_scenario_answers_on_every_api(simulator, http, path, name, stream):
    tools = [{"type": "custom", "name": "patch"}]
    headers = {"x-sim-scenario": "huge:1" if name == "huge" else "slow:1" if name == "slow" else name}
    body = BODIES[path](stream=stream, tools=tools)
    async with http.post(simulator.url + path, json=body, headers=headers) as answer:
        data = await answer.read()
    assert data
    if name.startswith("error-") and name != "error-event":
        assert answer.status == int(name[6:])
        assert name == "error-502" or json.loads(data)["error"]["message"]
    else:
        assert answer.status == 200
    assert simulator.requests[-1].outcome == "answered"


@pytest.mark.parametrize("scenario", ["drop", "drop:3", "reset", "reset:3"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_broken_connection_is_broken(simulator, http, scenario, stream):
    async def ask():
        body = chat_body(stream=stream)
        async with http.post(
            f"{simulator.url}/v1/chat/completions", json=body, headers={"x-sim-scenario": scenario}
        ) as answer:
            await answer.read()

    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await ask()
    assert simulator.requests[-1].outcome == "broken"


@pytest.mark.parametrize("scenario", ["hang", "hang:2"])
async def test_a_hanging_answer_ends_when_the_client_goes(simulator, http, scenario):
    async def ask():
        asked, headers = messages_body(stream=True), {"x-sim-scenario": scenario}
        async with http.post(f"{simulator.url}/v1/messages", json=asked, headers=headers) as answer:
            await answer.read()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(), 0.3)
    await eventually(lambda: simulator.requests[-1].outcome == "client_gone")


async def test_a_scenario_can_be_named_in_the_prompt_and_planned(simulator, http):
    async with http.post(f"{simulator.url}/chat/completions", json=chat_body("please sim:error-429:7")) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    simulator.plan("error-500")
    async with http.post(f"{simulator.url}/chat/completions", json=chat_body()) as answer:
        assert answer.status == 500
    async with http.post(f"{simulator.url}/chat/completions", json=chat_body("sim:nonsense")) as answer:
        assert answer.status == 400
        assert "knows no scenario 'nonsense'" in await answer.text()


async def test_requests_are_kept_as_they_came(simulator, http):
    body = b' {"model": "gpt-5.5",  "messages": [] }'
    async with http.post(f"{simulator.url}/v1/chat/completions?a=b%20c", data=body, headers={"X-Test": "Yes"}):
        pass
    request = simulator.requests[-1]
    assert (request.method, request.path, request.body) == ("POST", "/v1/chat/completions?a=b%20c", body)
    assert request.header("x-test") == "Yes"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model": 7, "messages": "x", "tools": 3, "input": 4}', b"\xff"])
@pytest.mark.parametrize("path", BODIES)
async def test_odd_bodies_never_break_it(simulator, http, path, body):
    async with http.post(simulator.url + path, data=body) as answer:
        assert answer.status in {200, 400}
        assert await answer.json()
