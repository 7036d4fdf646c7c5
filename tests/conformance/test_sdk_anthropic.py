"""Anthropic's SDK sees the same with and without the gateway, and the record says what the SDK computes."""

from __future__ import annotations

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}}


class Day(BaseModel):
    name: str
    number: int


@pytest.fixture
def prompt(request):
    return f"anthropic: {request.node.name}"


@pytest.fixture
async def both(simulator, gateway):
    """Asks a question of the provider and of the gateway; what they say must be the same."""

    async def ask(question):
        seen = []
        for url, key in ((simulator.url, "direct"), (f"{gateway.base}/anthropic", gateway.token)):
            async with AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client:
                seen.append(await question(client))
        assert seen[0] == seen[1]
        return seen[1]

    return ask


def messages(prompt, **more):
    return {"model": "claude-opus-5-5", "max_tokens": 2048, "messages": [{"role": "user", "content": prompt}], **more}


def assert_recorded(gateway, prompt, message):
    row = gateway.interception(prompt=prompt)
    (recorded,) = row["token_usages"]
    usage = message["usage"]
    assert recorded["provider_response_id"] == message["id"]
    assert recorded["input_tokens"] == usage["input_tokens"]
    assert recorded["output_tokens"] == usage["output_tokens"]
    assert recorded["cache_read_input_tokens"] == usage["cache_read_input_tokens"] > 0
    assert recorded["cache_write_input_tokens"] == usage["cache_creation_input_tokens"] > 0
    written = usage["cache_creation"]["ephemeral_5m_input_tokens"]
    assert recorded["metadata"]["cache_ephemeral_5m_input"] == written
    assert (row["status_code"], row["error_type"], row["provider"]) == (200, None, "anthropic")
    return row


async def test_messages(both, gateway, prompt):
    async def question(client):
        return (await client.messages.create(**messages(prompt))).model_dump()

    row = assert_recorded(gateway, prompt, await both(question))
    assert (row["streaming"], row["client"]) == (False, "Unknown")


async def test_stream_of_events(both, gateway, prompt):
    async def question(client):
        return [event.model_dump() async for event in await client.messages.create(**messages(prompt), stream=True)]

    seen = await both(question)
    assert [event["type"] for event in (seen[0], seen[-1])] == ["message_start", "message_stop"]
    row = gateway.interception(prompt=prompt)
    assert row["token_usages"][0]["output_tokens"] == seen[-2]["usage"]["output_tokens"]
    assert row["streaming"] is True


async def test_stream_with_thinking_and_tools(both, gateway, prompt):
    async def question(client):
        asked = messages(f"{prompt} call weather", tools=[WEATHER], thinking={"type": "enabled", "budget_tokens": 1024})
        async with client.messages.stream(**asked) as stream:
            events = [event.type async for event in stream]
            return events, (await stream.get_final_message()).model_dump(warnings=False)

    _, message = await both(question)
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    row = assert_recorded(gateway, prompt, message)
    (tool,) = row["tool_usages"]
    assert (tool["tool"], tool["input"]) == ("weather", '{"city":"simulated ✓"}')


@pytest.mark.parametrize("scenario", ["parallel-tools", "provider-tool", "length", "long:300"])
@pytest.mark.parametrize("stream", [True, False])
async def test_scenarios(both, gateway, prompt, scenario, stream):
    async def question(client):
        asked = messages(prompt, tools=[WEATHER, CLOCK], extra_headers={"x-sim-scenario": scenario})
        if not stream:
            return (await client.messages.create(**asked)).model_dump(warnings=False)
        async with client.messages.stream(**asked) as running:
            return (await running.get_final_message()).model_dump(warnings=False)

    message = await both(question)
    row = assert_recorded(gateway, prompt, message)
    expected = {"parallel-tools": {"weather", "clock"}, "provider-tool": {"web_search"}}.get(scenario, set())
    assert {tool["tool"] for tool in row["tool_usages"]} == expected
    if scenario == "provider-tool":
        assert row["tool_usages"][0]["metadata"]["executor"] == "provider"


async def test_tool_loop_is_one_thread(both, gateway, prompt):
    async def question(client):
        asked = messages(f"{prompt} call weather", tools=[WEATHER])
        first = await client.messages.create(**asked)
        call = first.content[-1]
        asked["messages"] += [
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
        ]
        second = await client.messages.create(**asked)
        return first.model_dump(), second.model_dump()

    _, second = await both(question)
    assert "sunny" in second["content"][0]["text"]
    first = gateway.interception(prompt=prompt)
    (answering,) = [row for row in gateway.interceptions() if row["thread_parent_id"] == first["id"]]
    assert (answering["user_prompts"], answering["session_id"]) == ([], first["session_id"])


async def test_structured_output(both, gateway, prompt):
    async def question(client):
        message = await client.messages.parse(**messages(prompt), output_format=Day)
        return message.parsed_output.model_dump(), message.model_dump(warnings=False)

    parsed, message = await both(question)
    assert parsed == {"name": "simulated ✓", "number": 7}
    assert_recorded(gateway, prompt, message)


async def test_count_tokens_and_models_pass_through(both, prompt):
    async def question(client):
        count = await client.messages.count_tokens(model="claude-opus-5-5", messages=messages(prompt)["messages"])
        models = [model.model_dump() async for model in client.models.list()]
        one = await client.models.retrieve("claude-opus-5-5")
        return count.model_dump(), models, one.model_dump()

    count, models, one = await both(question)
    assert count["input_tokens"] > 0
    assert one in models


async def test_raw_answers_keep_the_providers_headers(both, gateway, prompt):
    async def question(client):
        raw = await client.messages.with_raw_response.create(**messages(prompt))
        names = ("content-type", "request-id", "anthropic-organization-id", "anthropic-ratelimit-requests-remaining")
        return {name: raw.headers.get(name) for name in names}, await raw.text()

    headers, _ = await both(question)
    assert all(headers.values())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 529])
@pytest.mark.parametrize("stream", [True, False])
async def test_the_providers_errors_are_the_providers(both, gateway, prompt, status, stream):
    async def question(client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(
                **messages(prompt), stream=stream, extra_headers={"x-sim-scenario": f"error-{status}:3"}
            )
        error = caught.value
        return type(error), error.status_code, error.body, error.request_id, error.response.headers.get("retry-after")

    seen = await both(question)
    assert seen[1] == status
    row = gateway.interception(prompt=prompt)
    assert (row["status_code"], row["token_usages"]) == (status, [])
    assert row["error_type"]


async def test_an_error_in_the_stream_is_the_providers_and_what_was_used_is_kept(both, gateway, prompt):
    async def question(client):
        stream = await client.messages.create(
            **messages(prompt), stream=True, extra_headers={"x-sim-scenario": "error-event"}
        )
        with pytest.raises(anthropic.APIStatusError) as caught:
            async for _ in stream:
                pass
        return type(caught.value), caught.value.body

    seen = await both(question)
    assert seen[1]["error"]["type"] == "overloaded_error"
    row = gateway.interception(prompt=prompt)
    assert row["error_type"] == "overloaded"
    assert row["token_usages"][0]["metadata"]["partial"] is True
    assert row["token_usages"][0]["input_tokens"] > 0


def test_synchronous_callers(simulator, gateway, prompt):
    seen = []
    for url, key in ((simulator.url, "direct"), (f"{gateway.base}/anthropic", gateway.token)):
        with Anthropic(base_url=url, api_key=key, max_retries=0) as client:
            whole = client.messages.create(**messages(f"{prompt} whole")).model_dump()
            with client.messages.stream(**messages(f"{prompt} streamed")) as stream:
                streamed = ("".join(stream.text_stream), stream.get_final_message().model_dump(warnings=False))
            seen.append((whole, streamed))
    assert seen[0] == seen[1]
    assert_recorded(gateway, f"{prompt} whole", seen[1][0])
    assert_recorded(gateway, f"{prompt} streamed", seen[1][1][1])


def test_both_headers_may_hold_different_values(gateway, prompt):
    """Claude Code sends both when both variables are set; the bearer is the gateway's (decision 32)."""
    url = f"{gateway.base}/anthropic"
    for bearer, key in ((gateway.token, "sk-ant-left-over"), ("left-over", gateway.token)):
        headers = {"authorization": f"Bearer {bearer}", "x-api-key": key}
        with Anthropic(base_url=url, api_key="unused", default_headers=headers, max_retries=0) as client:
            assert client.messages.create(**messages(prompt)).content
