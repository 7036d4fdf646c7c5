"""The official SDKs see one answer, as if the model had said it in one go."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

from aigateway.wire.facts import ApiFormat
from tests.gateway.inner.conftest import ASKED, OWN_TOOLS, text
from tests.gateway.scripted import Say

SEARCH = ("c1", "bmcp_wiki_search", {"q": "it"})
READ = ("c2", "bmcp_wiki_read", {"q": "7"})
OWN = ("c3", "Bash", {"command": "ls"})
BUSY = Say(529, {"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}})


def asked(api):
    return {"model": "sim", **ASKED[api], "tools": OWN_TOOLS[api]}


async def messages(client, *, streams):
    if not streams:
        return await client.messages.create(**asked(ApiFormat.MESSAGES))
    async with client.messages.stream(**asked(ApiFormat.MESSAGES)) as stream:
        return await stream.get_final_message()


async def responses(client, *, streams):
    if not streams:
        return await client.responses.create(**asked(ApiFormat.RESPONSES))
    async with client.responses.stream(**asked(ApiFormat.RESPONSES)) as stream:
        return await stream.get_final_response()


async def completions(client, *, streams):
    question = {"model": "sim", **ASKED[ApiFormat.CHAT], "tools": OWN_TOOLS[ApiFormat.CHAT]}
    if not streams:
        return await client.chat.completions.create(**question)
    async with client.chat.completions.stream(**question, stream_options={"include_usage": True}) as stream:
        return await stream.get_final_completion()


@pytest.mark.parametrize("streams", [True, False])
async def test_anthropics_sdk_sees_one_message(loop, streams):
    loop.says(
        ApiFormat.MESSAGES,
        [("thinking", "hm"), ("Let me look.",), SEARCH, READ],
        [READ],
        [("It is 42.",), OWN],
        streams=streams,
    )
    async with loop.served() as (_, client):
        message = await messages(client, streams=streams)
    assert [block.type for block in message.content] == ["thinking", "text", "text", "tool_use"]
    assert message.content[0].signature == "sig-hm=="
    assert [block.text for block in message.content[1:3]] == ["Let me look.", "It is 42."]
    assert (message.content[3].name, message.content[3].input) == ("Bash", {"command": "ls"})
    assert (message.id, message.stop_reason) == ("msg_1", "tool_use")
    usage = message.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (30, 15, 9)


@pytest.mark.parametrize("streams", [True, False])
async def test_openais_sdk_sees_one_response(loop, streams):
    loop.says(
        ApiFormat.RESPONSES,
        [("thinking", "hm"), ("Let me look.",), SEARCH, READ],
        [READ],
        [("It is 42.",), OWN],
        streams=streams,
    )
    async with loop.served() as (client, _):
        response = await responses(client, streams=streams)
    assert [item.type for item in response.output] == ["reasoning", "message", "message", "function_call"]
    assert response.output_text == "Let me look.It is 42."
    assert (response.output[3].name, json.loads(response.output[3].arguments)) == ("Bash", {"command": "ls"})
    assert (response.id, response.created_at, response.status) == ("resp_1", 1, "completed")
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (30, 15, 45)


@pytest.mark.parametrize("streams", [True, False])
async def test_openais_sdk_sees_one_completion(loop, streams):
    loop.says(
        ApiFormat.CHAT,
        [("Let me look.",), SEARCH, READ],
        [READ],
        [("It is 42.",), OWN],
        streams=streams,
    )
    async with loop.served() as (client, _):
        completion = await completions(client, streams=streams)
    (choice,) = completion.choices
    assert choice.message.role == "assistant"
    assert choice.message.content == "Let me look.\n\nIt is 42."
    (call,) = choice.message.tool_calls
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("c3", "Bash", {"command": "ls"})
    assert (completion.id, completion.created, choice.finish_reason) == ("chatcmpl-1", 1, "tool_calls")
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (30, 15)


async def test_a_stream_that_does_not_ask_for_its_usage_does_not_see_it(loop):
    loop.says(ApiFormat.CHAT, [("Let me look.",), SEARCH], [("It is 42.",)])
    async with loop.served() as (client, _):
        stream = await client.chat.completions.create(**asked(ApiFormat.CHAT), stream=True)
        chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Let me look.\n\nIt is 42."
    assert [usage.output_tokens for usage in await loop.usages()] == [5, 5]
    assert [request["stream_options"] for request in loop.asked] == [{"include_usage": True}] * 2


async def test_sdks_go_on_with_a_mixed_turn(loop):
    """As an agent does: what came is put back as it came."""
    loop.wiki.answers["read"] = text("no", is_error=True)
    loop.says(ApiFormat.MESSAGES, [("thinking", "hm"), SEARCH, OWN], [("It is 42.",)], streams=False)
    async with loop.served() as (_, client):
        question = asked(ApiFormat.MESSAGES)
        message = await client.messages.create(**question)
        result = {"type": "tool_result", "tool_use_id": message.content[-1].id, "content": "a.txt"}
        question["messages"] = [
            *question["messages"],
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        final = await client.messages.create(**question)
    assert final.content[0].text == "It is 42."
    assistant, user = loop.asked[-1]["messages"][1:]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "tool_use", "tool_use"]
    assert [block["tool_use_id"] for block in user["content"]] == ["c1", "c3"]


async def test_sdks_raise_for_an_error_in_a_later_answer(loop):
    for api in ApiFormat:
        loop.says(api, [("Let me look.",), SEARCH], BUSY)
    async with loop.served() as (one, other):
        with pytest.raises(openai.APIError, match="too busy"):
            await completions(one, streams=True)
        with pytest.raises(openai.APIError, match="too busy"):
            await responses(one, streams=True)
        with pytest.raises(anthropic.APIStatusError, match="too busy"):
            await messages(other, streams=True)
        loop.says(ApiFormat.MESSAGES, [SEARCH], BUSY, streams=False)
        with pytest.raises(anthropic.APIStatusError) as refused:
            await messages(other, streams=False)
    assert refused.value.status_code == 529
