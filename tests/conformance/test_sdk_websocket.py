"""OpenAI's SDK on a socket sees the same with and without the gateway, and the record says what the SDK computes."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.exceptions import InvalidStatus

from tests.conformance.test_sdk_openai import RESPONSES_TOOL, assert_recorded
from tests.support.waiting import eventually

ENDS = {"response.completed", "response.incomplete", "response.failed", "error"}


@pytest.fixture
def prompt(request):
    return f"socket: {request.node.name}"


@pytest.fixture
async def both(simulator, gateway):
    """Has a conversation with the provider and with the gateway; what they say must be the same."""

    async def talk(conversation):
        seen = []
        for url, key in ((f"{simulator.url}/v1", "direct"), (f"{gateway.base}/openai/v1", gateway.token)):
            async with (
                AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client,
                client.responses.connect() as connection,
            ):
                seen.append(await conversation(connection))
        assert seen[0] == seen[1]
        return seen[1]

    return talk


async def ask(connection, text, **more):
    await connection.response.create(model="gpt-5.5", input=text, **more)
    events = []
    async for event in connection:
        events.append(event.model_dump())
        if event.type in ENDS:
            return events
    raise AssertionError("the socket ended")


async def test_a_turn(both, gateway, prompt):
    events = await both(lambda connection: ask(connection, prompt))
    assert events[-1]["type"] == "response.completed"
    row = assert_recorded(gateway, prompt, events[-1]["response"]["usage"])
    assert row["token_usages"][0]["provider_response_id"] == events[-1]["response"]["id"]
    assert row["initiator"]["username"] == "ada"


async def test_a_tool_loop(both, gateway, prompt):
    async def loop(connection):
        first = await ask(connection, f'{prompt}: call weather with {{"city": "Oslo"}}', tools=[RESPONSES_TOOL])
        (call,) = [item for item in first[-1]["response"]["output"] if item["type"] == "function_call"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": f"rain {prompt}"}
        previous = first[-1]["response"]["id"]
        return first + await ask(connection, [output], tools=[RESPONSES_TOOL], previous_response_id=previous)

    events = await both(loop)
    asked = gateway.interception(prompt=prompt)
    (tool,) = asked["tool_usages"]
    assert (tool["tool"], tool["input"]) == ("weather", '{"city":"Oslo"}')
    answering = events[-1]["response"]["id"]

    def rows():
        every = gateway.interceptions()
        return [row for row in every if answering in {usage["provider_response_id"] for usage in row["token_usages"]}]

    await eventually(rows)
    (row,) = rows()
    assert row["thread_parent_id"] == asked["id"]


async def test_an_error(both, prompt):
    (event,) = await both(lambda connection: ask(connection, f"{prompt} sim:error-429"))
    assert (event["type"], event["status"]) == ("error", 429)


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")  # the SDK's
def test_the_synchronous_sdk(gateway, prompt):
    with (
        OpenAI(base_url=f"{gateway.base}/openai/v1", api_key=gateway.token, max_retries=0) as client,
        client.responses.connect() as connection,
    ):
        connection.response.create(model="gpt-5.5", input=prompt)
        for event in connection:
            if event.type == "response.completed":
                assert_recorded(gateway, prompt, event.response.usage.model_dump())
                return
    raise AssertionError("the socket ended")


async def test_without_a_good_token_the_handshake_is_401(gateway):
    async with AsyncOpenAI(base_url=f"{gateway.base}/openai/v1", api_key="abcdefghij-no", max_retries=0) as client:
        with pytest.raises(InvalidStatus) as refused:
            await client.responses.connect().enter()
    assert refused.value.response.status_code == 401
    assert b"AI Gateway: " in refused.value.response.body
