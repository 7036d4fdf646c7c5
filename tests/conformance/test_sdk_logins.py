"""GitHub Copilot and ChatGPT, called with people's own logins by the SDKs that their clients are made of."""

from __future__ import annotations

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.support.server import GatewayProcess, providers

LOGIN = "gho_0123456789abcdefghijklmnop"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
EDITOR = {"editor-version": "vscode/1.120.0", "copilot-integration-id": "vscode-chat"}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


@pytest.fixture(scope="module")
def logins(simulator, tmp_path_factory):
    env = providers(
        *({"TYPE": "copilot", "NAME": name, "BASE_URL": simulator.url} for name in ("copilot", "copilot-business")),
        {"TYPE": "openai", "NAME": "chatgpt", "BASE_URL": f"{simulator.url}/v1"},
    )
    with GatewayProcess(tmp_path_factory.mktemp("logins"), env) as running:
        yield running


def headers(gateway, **more):
    return {"x-coder-ai-governance-token": gateway.token} | EDITOR | more


@pytest.fixture
def copilot(logins):
    def client(name="copilot", **more):
        return AsyncOpenAI(
            base_url=f"{logins.base}/{name}", api_key=LOGIN, max_retries=0, default_headers=headers(logins, **more)
        )

    return client


@pytest.fixture
def prompt(request):
    return f"logins: {request.node.name}"


@pytest.mark.parametrize("name", ["copilot", "copilot-business"])
async def test_copilot_chat(copilot, logins, simulator, prompt, name):
    async with copilot(name) as client:
        answer = await client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": prompt}])
    assert prompt in answer.choices[0].message.content
    asked = simulator.requests[-1]
    assert asked.header("authorization") == f"Bearer {LOGIN}"
    assert {key: asked.header(key) for key in EDITOR} == EDITOR
    assert asked.header("x-coder-ai-governance-token") is None
    row = logins.interception(prompt=prompt)
    assert (row["provider"], row["provider_name"], row["credential_kind"]) == ("copilot", name, "byok")
    assert row["token_usages"][0]["output_tokens"] == answer.usage.completion_tokens


async def test_copilot_stream_with_tools_and_thinking(copilot, logins, prompt):
    async with copilot(**{"x-sim-scenario": "thinking+tools"}) as client:
        stream = await client.chat.completions.create(
            model="claude-sonnet-4.5",
            messages=[{"role": "user", "content": prompt}],
            tools=[TOOL],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage.completion_tokens > 0
    row = logins.interception(prompt=prompt)
    assert [tool["tool"] for tool in row["tool_usages"]] == ["weather"]
    assert row["token_usages"][0]["output_tokens"] == chunks[-1].usage.completion_tokens


async def test_copilot_responses_and_messages(copilot, logins, prompt):
    async with copilot() as client:
        assert (await client.responses.create(model="gpt-5.5", input=f"{prompt}-r")).output_text
    async with AsyncAnthropic(
        base_url=f"{logins.base}/copilot", auth_token=LOGIN, max_retries=0, default_headers=headers(logins)
    ) as client:
        asked = [{"role": "user", "content": f"{prompt}-m"}]
        assert (await client.messages.create(model="claude-sonnet-4.5", max_tokens=99, messages=asked)).content
    for ending in "rm":
        assert logins.interception(prompt=f"{prompt}-{ending}")["provider"] == "copilot"


async def test_copilot_models(copilot):
    async with copilot() as client:
        assert [model.id async for model in client.models.list()]


@pytest.mark.parametrize(("status", "error"), [(401, openai.AuthenticationError), (429, openai.RateLimitError)])
async def test_copilots_errors_are_copilots(copilot, logins, prompt, status, error):
    async with copilot(**{"x-sim-scenario": f"error-{status}:3"}) as client:
        with pytest.raises(error) as caught:
            await client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": prompt}])
    assert "AI Gateway" not in str(caught.value)
    assert logins.interception(prompt=prompt)["status_code"] == status


async def test_copilot_without_a_login(logins):
    async with AsyncOpenAI(base_url=f"{logins.base}/copilot", api_key=logins.token, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError, match="GitHub Copilot takes your own login"):
            await client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hello"}])
    async with AsyncAnthropic(base_url=f"{logins.base}/copilot", auth_token=logins.token, max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError, match="GitHub Copilot takes your own login"):
            await client.messages.create(model="c", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])


@pytest.mark.parametrize("scenario", ["thinking", "tools"])
async def test_codex_with_a_chatgpt_login(logins, simulator, prompt, scenario):
    codex = headers(logins) | {"chatgpt-account-id": "account-1", "originator": "codex_exec", "session-id": "s-1"}
    codex |= {"user-agent": "codex_exec/0.169.0", "x-sim-scenario": scenario}
    async with AsyncOpenAI(
        base_url=f"{logins.base}/chatgpt/v1", api_key=JWT, max_retries=0, default_headers=codex
    ) as client:
        tool = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}
        asked = {"model": "gpt-5.5", "input": prompt, "tools": [tool]}
        events = [event async for event in await client.responses.create(stream=True, **asked)]
    assert events[-1].type == "response.completed"
    sent = simulator.requests[-1]
    assert (sent.header("authorization"), sent.header("chatgpt-account-id")) == (f"Bearer {JWT}", "account-1")
    row = logins.interception(prompt=prompt)
    assert (row["client"], row["credential_kind"], row["provider_name"]) == ("Codex", "byok", "chatgpt")
    assert [tool["tool"] for tool in row["tool_usages"]] == ["weather"] * (scenario == "tools")
