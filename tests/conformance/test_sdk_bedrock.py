"""Anthropic's SDK at a gateway on Bedrock sees what Anthropic's own Bedrock client sees, and asks for the same."""

from __future__ import annotations

from urllib.parse import unquote

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, AsyncAnthropicBedrock
from pydantic import BaseModel

from tests.support.fake_bedrock import ACCESS_KEY, REGION, SECRET, FakeBedrock, Plan
from tests.support.server import GatewayProcess, providers

MODEL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Day(BaseModel):
    name: str
    number: int


@pytest.fixture(scope="module")
def serving():
    with FakeBedrock() as running:
        yield running


@pytest.fixture
def bedrock(serving):
    serving.requests.clear()
    serving.plans.clear()
    return serving


@pytest.fixture(scope="module")
def gateway(serving, tmp_path_factory):
    keys = {"BEDROCK_ACCESS_KEY": ACCESS_KEY, "BEDROCK_ACCESS_KEY_SECRET": SECRET, "BEDROCK_REGION": REGION}
    configured = providers(
        {"TYPE": "anthropic", "NAME": "invoke", "BEDROCK_BASE_URL": serving.url, **keys},
        {"TYPE": "bedrock", "NAME": "mantle", "BEDROCK_BASE_URL": f"{serving.url}/anthropic", **keys}
        | {"BEDROCK_PROTOCOL": "mantle"},
    )
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), configured) as running:
        yield running


@pytest.fixture
def prompt(request):
    return f"bedrock: {request.node.name}"


@pytest.fixture
async def both(bedrock, gateway):
    """Asks of Bedrock itself and of the gateway; what is asked there and what is said must be the same."""

    async def ask(question, *plans):
        seen = []
        direct = AsyncAnthropicBedrock(
            base_url=bedrock.url, aws_access_key=ACCESS_KEY, aws_secret_key=SECRET, aws_region=REGION, max_retries=0
        )
        through = AsyncAnthropic(base_url=f"{gateway.base}/invoke", api_key=gateway.token, max_retries=0)
        for client in (direct, through):
            bedrock.plan(*plans)
            async with client:
                seen.append(await question(client))
        assert seen[0] == seen[1]
        requests = list(bedrock.requests)
        half = len(requests) // 2
        assert len(requests) == 2 * half > 0
        for one, other in zip(requests[:half], requests[half:], strict=True):
            asked = one.json() | {
                "anthropic_version": "bedrock-2023-05-31"
            }  # newer than some models know, with this SDK
            assert (one.method, unquote(one.path), asked) == (other.method, unquote(other.path), other.json())
        return seen[1]

    return ask


def messages(prompt, **more):
    return {"model": MODEL, "max_tokens": 2048, "messages": [{"role": "user", "content": prompt}], **more}


async def test_messages(both, gateway, prompt):
    async def question(client):
        return (await client.messages.create(**messages(prompt))).model_dump()

    message = await both(question)
    row = gateway.interception(prompt=prompt)
    assert (row["model"], row["provider"], row["provider_name"]) == (MODEL, "anthropic", "invoke")
    assert row["metadata"]["requested_model"] == MODEL
    assert row["token_usages"][0]["output_tokens"] == message["usage"]["output_tokens"]


async def test_a_stream_of_events(both, gateway, prompt):
    async def question(client):
        return [event.model_dump() async for event in await client.messages.create(**messages(prompt), stream=True)]

    seen = await both(question)
    assert [event["type"] for event in (seen[0], seen[-1])] == ["message_start", "message_stop"]
    row = gateway.interception(prompt=prompt)
    assert row["token_usages"][0]["output_tokens"] == seen[-2]["usage"]["output_tokens"]
    assert row["streaming"] is True


async def test_thinking_tools_and_a_tool_loop(both, gateway, prompt):
    async def question(client):
        asked = messages(f"{prompt} call weather", tools=[WEATHER], thinking={"type": "enabled", "budget_tokens": 1024})
        async with client.messages.stream(**asked) as stream:
            first = await stream.get_final_message()
        asked["messages"] += [
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "ok"}],
            },
        ]
        second = await client.messages.create(**asked)
        return first.model_dump(warnings=False), second.model_dump()

    first, _ = await both(question)
    assert [block["type"] for block in first["content"]] == ["thinking", "text", "tool_use"]
    row = gateway.interception(prompt=f"{prompt} call weather")
    (tool,) = row["tool_usages"]
    assert (tool["tool"], tool["input"]) == ("weather", '{"city":"simulated ✓"}')


async def test_betas(both, prompt):
    async def question(client):
        asked = messages(prompt, betas=["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"])
        return (await client.beta.messages.create(**asked)).model_dump()

    await both(question)


ERRORS = [
    (400, "ValidationException", anthropic.BadRequestError),
    (403, "AccessDeniedException", anthropic.PermissionDeniedError),
    (404, "ResourceNotFoundException", anthropic.NotFoundError),
    (429, "ThrottlingException", anthropic.RateLimitError),
    (500, "InternalServerException", anthropic.InternalServerError),
    (503, "ServiceUnavailableException", anthropic.APIStatusError),
]


@pytest.mark.parametrize(("status", "name", "kind"), ERRORS)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_raise_the_same_exceptions(both, prompt, status, name, kind, stream):
    async def question(client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(**messages(prompt), stream=stream)
        assert "Too bad" in str(caught.value)
        return type(caught.value), caught.value.status_code

    assert issubclass((await both(question, Plan(status, name, "Too bad")))[0], kind)


def test_an_error_in_the_stream_raises_with_anthropics_type(gateway, bedrock, prompt):
    bedrock.plan(Plan(exception="throttlingException", message="Slow down"))
    with (
        Anthropic(base_url=f"{gateway.base}/invoke", api_key=gateway.token, max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        list(client.messages.create(**messages(prompt), stream=True))
    assert caught.value.body["error"] == {"type": "rate_limit_error", "message": "Slow down"}
    row = gateway.interception(prompt=prompt)
    assert (row["error_type"], row["token_usages"][0]["metadata"]["partial"]) == ("rate_limited", True)


def test_retries_and_request_ids_are_the_sdks(gateway, bedrock, prompt):
    bedrock.plan(Plan(429, "ThrottlingException", "Slow down", headers=(("retry-after-ms", "1"),)))
    with Anthropic(base_url=f"{gateway.base}/invoke", api_key=gateway.token, max_retries=1) as client:
        message = client.messages.create(**messages(prompt))
    assert message._request_id == "aws-request-id"
    assert len(bedrock.requests) == 2


def test_counting_and_models(gateway, bedrock, prompt):
    with Anthropic(base_url=f"{gateway.base}/invoke", api_key=gateway.token, max_retries=0) as client:
        asked = messages(prompt)
        assert client.messages.count_tokens(model="claude-sonnet-4-5", messages=asked["messages"]).input_tokens == 7
        listed = [model.id for model in client.models.list()]
        assert listed == [MODEL, "global.anthropic.claude-haiku-4-5-20251001-v1:0"]
        assert client.models.retrieve(MODEL).display_name == MODEL
    assert len(bedrock.requests) == 1


def test_mantle(gateway, bedrock, prompt):
    with Anthropic(base_url=f"{gateway.base}/mantle", api_key=gateway.token, max_retries=0) as client:
        asked = messages(prompt) | {"model": "anthropic.claude-opus-4-8"}
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            assert stream.get_final_message().content[0].text
    assert whole.model == "anthropic.claude-opus-4-8"
    assert bedrock.last.path == "/anthropic/v1/messages"


def test_no_secret_is_in_the_log(gateway):
    assert SECRET not in gateway.log
    assert ACCESS_KEY not in gateway.log
