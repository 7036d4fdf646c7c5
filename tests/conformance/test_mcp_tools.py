"""Injected tools, end to end: the program as it is run, a real MCP server, a simulated provider, the official SDKs."""

from __future__ import annotations

import asyncio
import json

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.conformance.conftest import configured
from tests.support.mcp_server import McpServer
from tests.support.server import GatewayProcess
from tests.support.waiting import eventually

DID = "\U0001f64f The tool said: “"


@pytest.fixture(scope="module")
def mcp():
    with McpServer(("echo", "fail", "slow")) as running:
        yield running


@pytest.fixture(scope="module")
def tooled(simulator, mcp, tmp_path_factory):
    servers = {
        "CODER_AI_GATEWAY_MCP_0_NAME": "docs",
        "CODER_AI_GATEWAY_MCP_0_URL": mcp.url,
        "CODER_AI_GATEWAY_MCP_0_HEADERS": "Authorization: Bearer of-the-organisation",
    }
    with GatewayProcess(tmp_path_factory.mktemp("tooled"), configured(simulator.url) | servers) as running:
        yield running


async def chat(base, key, prompt, *, stream):
    async with AsyncOpenAI(base_url=f"{base}/openai/v1", api_key=key, max_retries=0) as client:
        question = {"model": "gpt-5", "messages": [{"role": "user", "content": prompt}]}
        if not stream:
            completion = await client.chat.completions.create(**question)
        else:
            async with client.chat.completions.stream(**question) as answer:
                completion = await answer.get_final_completion()
    (choice,) = completion.choices
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls
    return choice.message.content


async def responses(base, key, prompt, *, stream):
    async with AsyncOpenAI(base_url=f"{base}/openai/v1", api_key=key, max_retries=0) as client:
        question = {"model": "gpt-5", "input": prompt}
        if not stream:
            response = await client.responses.create(**question)
        else:
            async with client.responses.stream(**question) as answer:
                response = await answer.get_final_response()
    assert response.status == "completed"
    assert {item.type for item in response.output} == {"message"}
    return response.output_text


async def messages(base, key, prompt, *, stream):
    async with AsyncAnthropic(base_url=f"{base}/anthropic", api_key=key, max_retries=0) as client:
        question = {
            "model": "claude-opus-5-5",
            "max_tokens": 500,
            "messages": [{"role": "user", "content": prompt}],
        }
        if not stream:
            message = await client.messages.create(**question)
        else:
            async with client.messages.stream(**question) as answer:
                message = await answer.get_final_message()
    assert message.stop_reason == "end_turn"
    assert {block.type for block in message.content} == {"text"}
    return "".join(block.text for block in message.content)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("ask", [chat, responses, messages])
async def test_a_tool_of_the_organisations_is_called_and_the_client_sees_one_answer(tooled, mcp, ask, stream):
    ident = f"{ask.__name__} {stream}"
    prompt = f'Please call the tool bmcp_docs_echo {{"text": "{ident}"}}'
    said = await ask(tooled.base, tooled.token, prompt, stream=stream)
    assert said.startswith("Let me use a tool for that.")
    assert DID in said
    assert ident in said
    assert ("echo", {"text": ident}, "Bearer of-the-organisation") in mcp.called

    row = tooled.interception(prompt=prompt)
    assert (row["status_code"], row["error_type"]) == (200, None)
    assert len(row["token_usages"]) == 2
    (call,) = row["tool_usages"]
    assert (call["tool"], call["injected"], call["server_url"]) == ("echo", True, mcp.url)
    assert json.loads(call["input"]) == {"text": ident}
    assert call["invocation_error"] == ""
    assert call["metadata"]["duration_ms"] >= 0


async def test_an_error_of_the_server_goes_to_the_model_and_on_record(tooled):
    prompt = "Please call the tool bmcp_docs_fail now"
    said = await messages(tooled.base, tooled.token, prompt, stream=True)
    assert "no such issue" in said
    (call,) = tooled.interception(prompt=prompt)["tool_usages"]
    assert call["invocation_error"] == "no such issue"


async def calling_slowly(tooled, mcp, prompt):
    """A stream whose tool does not come to an end, once it is being called."""
    before = len(mcp.called)
    asking = asyncio.create_task(messages(tooled.base, tooled.token, prompt, stream=True))
    await eventually(lambda: len(mcp.called) > before or asking.done())
    assert mcp.called[-1][0] == "slow"
    return asking


async def test_a_client_that_leaves_takes_the_call_with_it(tooled, mcp):
    prompt = "Please call the tool bmcp_docs_slow and I shall leave"
    asking = await calling_slowly(tooled, mcp, prompt)
    asking.cancel()
    await eventually(lambda: mcp.cancelled == 1)
    row = await asyncio.to_thread(tooled.interception, prompt=prompt)
    assert row["error_type"] == "client_disconnected"
    (call,) = row["tool_usages"]
    assert "cancelled" in call["invocation_error"]
    assert len(row["token_usages"]) == 1


async def test_a_gateway_that_is_killed_in_a_call_has_what_was_used_by_then(tooled, mcp):
    prompt = "Please call the tool bmcp_docs_slow and die"
    asking = await calling_slowly(tooled, mcp, prompt)
    await asyncio.to_thread(tooled.kill)
    assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], Exception)
    await asyncio.to_thread(tooled.start)
    row = await asyncio.to_thread(tooled.interception, prompt=prompt)
    assert row["error_type"] == "interrupted"
    assert len(row["token_usages"]) == 1
    assert row["tool_usages"] == []
