"""OpenAI's SDK sees the same with and without the gateway, and the record says what the SDK computes."""

from __future__ import annotations

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER, "strict": True}}
RESPONSES_TOOL = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}


class Day(BaseModel):
    name: str
    number: int


@pytest.fixture
def prompt(request):
    return f"openai: {request.node.name}"


@pytest.fixture
async def both(simulator, gateway):
    """Asks a question of the provider and of the gateway; what they say must be the same."""

    async def ask(question):
        seen = []
        for url, key in ((f"{simulator.url}/v1", "direct"), (f"{gateway.base}/openai/v1", gateway.token)):
            async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
                seen.append(await question(client))
        assert seen[0] == seen[1]
        return seen[1]

    return ask


def chat(prompt, **more):
    return {"model": "gpt-5.5", "messages": [{"role": "user", "content": prompt}], **more}


def responses(prompt, **more):
    return {"model": "gpt-5.5", "input": prompt, **more}


def assert_recorded(gateway, prompt, usage, *, outcome=None):
    """The record holds what the SDK computed, in the record's terms: input without what came from the cache."""
    row = gateway.interception(prompt=prompt)
    (recorded,) = row["token_usages"]
    chat_api = "prompt_tokens" in usage
    total, output = ("prompt_tokens", "completion_tokens") if chat_api else ("input_tokens", "output_tokens")
    cached = usage[f"{total}_details"]["cached_tokens"]
    assert cached > 0
    assert recorded["input_tokens"] == usage[total] - cached
    assert recorded["cache_read_input_tokens"] == cached
    assert recorded["output_tokens"] == usage[output]
    assert recorded["cache_write_input_tokens"] == 0
    reasoning = "completion_reasoning" if chat_api else "output_reasoning"
    assert recorded["metadata"][reasoning] == usage[f"{output}_details"]["reasoning_tokens"]
    assert (row["status_code"], row["error_type"]) == (200, outcome)
    return row


async def test_chat(both, gateway, prompt):
    seen = await both(lambda client: _dump(client.chat.completions.create(**chat(prompt))))
    row = assert_recorded(gateway, prompt, seen["usage"])
    assert row["token_usages"][0]["provider_response_id"] == seen["id"]
    assert (row["provider"], row["model"], row["streaming"]) == ("openai", "gpt-5.5", False)
    assert row["initiator"]["username"] == "ada"


async def test_chat_stream(both, gateway, prompt):
    asked = chat(prompt, stream=True, stream_options={"include_usage": True})
    seen = await both(lambda client: _list(client.chat.completions.create(**asked)))
    row = assert_recorded(gateway, prompt, seen[-1]["usage"])
    assert row["streaming"] is True


async def test_chat_stream_without_usage_is_left_as_it_is(both, gateway, prompt):
    seen = await both(lambda client: _list(client.chat.completions.create(**chat(prompt, stream=True))))
    assert all("usage" not in chunk or chunk["usage"] is None for chunk in seen)
    row = gateway.interception(prompt=prompt)
    assert row["error_type"] is None
    (recorded,) = row["token_usages"]
    assert recorded["output_tokens"] > 0


async def test_chat_stream_helper_with_parallel_tools(both, gateway, prompt):
    async def question(client):
        asked = chat(prompt, tools=[CHAT_TOOL], stream_options={"include_usage": True})
        headers = {"x-sim-scenario": "parallel-tools"}
        async with client.chat.completions.stream(**asked, extra_headers=headers) as stream:
            events = [event.type async for event in stream]
            return events, (await stream.get_final_completion()).model_dump(warnings=False)

    _, final = await both(question)
    row = assert_recorded(gateway, prompt, final["usage"])
    calls = final["choices"][0]["message"]["tool_calls"]
    assert len(calls) == 2
    recorded = {(tool["tool"], tool["input"]) for tool in row["tool_usages"]}
    assert recorded == {(call["function"]["name"], call["function"]["arguments"]) for call in calls}
    assert len(row["tool_usages"]) == 2


async def test_chat_tool_loop_is_one_thread(both, gateway, prompt):
    async def question(client):
        messages = [{"role": "user", "content": f"{prompt}: call weather"}]
        first = await client.chat.completions.create(model="gpt-5.5", messages=messages, tools=[CHAT_TOOL])
        message = first.choices[0].message
        messages += [message.model_dump(exclude_none=True)]
        messages += [{"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}]
        second = await client.chat.completions.create(model="gpt-5.5", messages=messages, tools=[CHAT_TOOL])
        return first.model_dump(), second.model_dump()

    _, second = await both(question)
    assert "sunny" in second["choices"][0]["message"]["content"]
    first = gateway.interception(prompt=prompt)
    (answering,) = [row for row in gateway.interceptions() if row["thread_parent_id"] == first["id"]]
    assert answering["user_prompts"] == []
    assert answering["session_id"] == first["session_id"]


async def test_chat_structured_output(both, gateway, prompt):
    async def question(client):
        answer = await client.chat.completions.parse(**chat(prompt), response_format=Day)
        return answer.model_dump(warnings=False)

    seen = await both(question)
    assert seen["choices"][0]["message"]["parsed"] == {"name": "simulated ✓", "number": 7}
    assert_recorded(gateway, prompt, seen["usage"])


async def test_responses(both, gateway, prompt):
    seen = await both(lambda client: _dump(client.responses.create(**responses(prompt))))
    assert_recorded(gateway, prompt, seen["usage"])


async def test_responses_stream_with_reasoning(both, gateway, prompt):
    asked = responses(prompt, stream=True, reasoning={"effort": "high", "summary": "auto"}, store=False)
    seen = await both(lambda client: _list(client.responses.create(**asked, include=["reasoning.encrypted_content"])))
    assert seen[-1]["type"] == "response.completed"
    row = assert_recorded(gateway, prompt, seen[-1]["response"]["usage"])
    assert row["token_usages"][0]["metadata"]["output_reasoning"] > 0


@pytest.mark.parametrize("scenario", ["tools", "parallel-tools", "custom-tool", "provider-tool", "length"])
async def test_responses_stream_helper(both, gateway, prompt, scenario):
    async def question(client):
        tools = [RESPONSES_TOOL, {"type": "custom", "name": "patch"}]
        headers = {"x-sim-scenario": scenario}
        async with client.responses.stream(**responses(prompt), tools=tools, extra_headers=headers) as stream:
            events = [event.type async for event in stream]
            return events, (await stream.get_final_response()).model_dump(warnings=False)

    if scenario == "length":  # the helper gives no final answer for an incomplete one
        asked = responses(prompt, stream=True)
        seen = await both(
            lambda client: _list(client.responses.create(**asked, extra_headers={"x-sim-scenario": scenario}))
        )
        final = seen[-1]["response"]
        assert final["status"] == "incomplete"
    else:
        _, final = await both(question)
    outcome = "incomplete" if scenario == "length" else None
    row = assert_recorded(gateway, prompt, final["usage"], outcome=outcome)
    calls = {tool["tool"] for tool in row["tool_usages"]}
    expected = {"tools": {"weather"}, "parallel-tools": {"weather", "patch"}, "custom-tool": {"patch"}, "length": set()}
    assert calls == expected.get(scenario, calls)
    assert len(row["tool_usages"]) == sum(item["type"].endswith("_call") for item in final["output"])


async def test_responses_structured_output(both, gateway, prompt):
    async def question(client):
        answer = await client.responses.parse(**responses(prompt), text_format=Day)
        return answer.output_parsed.model_dump(), answer.model_dump(warnings=False)

    parsed, seen = await both(question)
    assert parsed == {"name": "simulated ✓", "number": 7}
    assert_recorded(gateway, prompt, seen["usage"])


async def test_models_pass_through_and_a_compaction_is_on_record(both):
    async def question(client):
        models = [model.model_dump() async for model in await client.models.list()]
        one = (await client.models.retrieve("gpt-5.5")).model_dump()
        raw = await client.post("/responses/compact", body={"model": "gpt-5.5", "input": "x"}, cast_to=object)
        return models, one, raw

    models, one, _ = await both(question)
    assert one in models


async def test_raw_answers_keep_the_providers_headers(both, gateway, prompt):
    async def question(client):
        raw = await client.chat.completions.with_raw_response.create(**chat(prompt))
        names = ("content-type", "x-request-id", "openai-version", "x-ratelimit-remaining-requests", "content-length")
        return {name: raw.headers.get(name) for name in names}, raw.text

    headers, _ = await both(question)
    assert headers["x-request-id"].startswith("req_")
    async with AsyncOpenAI(base_url=f"{gateway.base}/openai/v1", api_key=gateway.token) as client:
        raw = await client.chat.completions.with_raw_response.create(**chat("headers of ours"))
    assert "set-cookie" not in raw.headers
    assert (
        gateway.interception(raw.headers["x-ai-gateway-interception-id"])["user_prompts"][0]["prompt"]
        == "headers of ours"
    )


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("stream", [True, False])
async def test_compressed_answers_are_relayed_and_read(both, gateway, prompt, coding, stream):
    async def question(client):
        headers = {"x-sim-scenario": coding, "accept-encoding": coding}
        if stream:
            asked = responses(prompt, stream=True)
            return await _list(client.responses.create(**asked, extra_headers=headers))
        return await _dump(client.responses.create(**responses(prompt), extra_headers=headers))

    seen = await both(question)
    assert_recorded(gateway, prompt, (seen[-1]["response"] if stream else seen)["usage"])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 504])
@pytest.mark.parametrize("stream", [True, False])
async def test_the_providers_errors_are_the_providers(both, gateway, prompt, status, stream):
    # The request's id follows from its body here, which is to be the client's own.
    streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}

    async def question(client):
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(
                **chat(prompt, **streamed), extra_headers={"x-sim-scenario": f"error-{status}:3"}
            )
        error = caught.value
        return type(error), error.status_code, error.body, error.request_id, error.response.headers.get("retry-after")

    seen = await both(question)
    assert seen[1] == status
    row = gateway.interception(prompt=prompt)
    assert row["status_code"] == status
    assert row["error_type"]
    assert row["token_usages"] == []


async def test_an_error_in_the_stream_is_the_providers(both, gateway, prompt):
    async def question(client):
        stream = await client.chat.completions.create(
            **chat(prompt, stream=True), extra_headers={"x-sim-scenario": "error-event"}
        )
        with pytest.raises(openai.APIError) as caught:
            async for _ in stream:
                pass
        return caught.value.message, caught.value.body

    await both(question)
    assert gateway.interception(prompt=prompt)["error_type"] == "server_error"


def test_synchronous_callers(simulator, gateway, prompt):
    seen = []
    for url, key in ((f"{simulator.url}/v1", "direct"), (f"{gateway.base}/openai/v1", gateway.token)):
        with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
            whole = client.responses.create(**responses(f"{prompt} whole"))
            with client.responses.stream(**responses(f"{prompt} streamed")) as stream:
                events = [event.model_dump(warnings=False) for event in stream]
            chunks = [c.model_dump() for c in client.chat.completions.create(**chat(f"{prompt} chat", stream=True))]
            seen.append((whole.model_dump(), events, chunks))
    assert seen[0] == seen[1]
    assert_recorded(gateway, f"{prompt} whole", seen[1][0]["usage"])


async def _dump(answer):
    return (await answer).model_dump()


async def _list(stream):
    return [event.model_dump() async for event in await stream]
