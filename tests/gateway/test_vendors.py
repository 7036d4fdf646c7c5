"""Azure OpenAI, ChatGPT and GitHub Copilot, and keys and logins of people's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aigateway.providers.vendor import Vendor
from aigateway.store.records import TokenUsage, ToolUsage
from tests.gateway.scripted import Say, scripted
from tests.gateway.stage import CHAT, MESSAGES, RESPONSES, TOKEN
from tests.providers.making import provider

GOVERNANCE = {"x-coder-ai-governance-token": TOKEN}
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
KEY = "azure-key-0123456789abcdef"


@pytest.fixture
async def upstream(stage):
    async with scripted() as served:
        azure = provider("openai", name="azure", base_url="https://x.openai.azure.com", keys=(KEY,))
        stage.providers["azure"] = replace(azure, origin=served.url)
        chatgpt = provider("openai", name="chatgpt", base_url="https://chatgpt.com/backend-api/codex", keys=())
        stage.providers["chatgpt"] = replace(chatgpt, origin=served.url)
        for plan in ("copilot", "copilot-business", "copilot-enterprise"):
            stage.providers[plan] = provider("copilot", name=plan, base_url=f"{served.url}/{plan}", keys=())
        stage.providers["anthropic"] = provider("anthropic", base_url=served.url)
        yield served


async def test_azure_sees_its_key_in_both_headers_below_its_own_path(stage, upstream):
    await stage.ask("azure/v1/chat/completions", CHAT, query=b"api-version=2026-01-01-preview")
    (asked,) = upstream.asked
    assert asked.path == "/openai/v1/chat/completions?api-version=2026-01-01-preview"
    assert (asked.headers["authorization"], asked.headers["api-key"]) == (f"Bearer {KEY}", KEY)
    begun, *_ = await stage.record()
    assert begun.credential_hint == "azur...cdef"


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://x.openai.azure.com/", "/openai/v1"),
        ("https://x.cognitiveservices.azure.com", "/openai/v1"),
        ("https://x.openai.azure.com/openai/deployments/gpt/", "/openai/deployments/gpt"),
    ],
)
def test_where_azures_api_is(base_url, path):
    made = provider("openai", base_url=base_url)
    assert (made.vendor, made.base_path) == (Vendor.AZURE, path)


@pytest.mark.parametrize(
    "base_url", ["https://openai.azure.com.evil.example", "https://api.openai.com/v1", "https://chatgpt.com.example"]
)
def test_nobody_else_is_taken_for_a_vendor(base_url):
    assert provider("openai", base_url=base_url).vendor is None
    assert provider("anthropic", base_url="https://x.openai.azure.com").vendor is None


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"authorization": f"Bearer {JWT}"}, {"authorization": f"Bearer {JWT}"}),
        ({"authorization": "Bearer own-0123456"}, {"authorization": "Bearer own-0123456", "api-key": "own-0123456"}),
        ({"authorization": None, "api-key": "own-0123456"}, {"api-key": "own-0123456"}),
    ],
)
async def test_byok_azure(stage, upstream, sent, seen):
    await stage.ask("azure/v1/chat/completions", CHAT, headers=GOVERNANCE | sent)
    headers = upstream.asked[0].headers
    assert {name: value for name, value in headers.items() if name in {"authorization", "api-key"}} == seen
    begun, *_ = await stage.record()
    assert begun.credential_kind == "byok"


CODEX = {
    "chatgpt-account-id": "account-1",
    "originator": "codex_exec",
    "session-id": "session-1",
    "thread-id": "thread-1",
    "user-agent": "codex_exec/0.169.0",
    "openai-beta": "responses=experimental",
}


async def test_byok_chatgpt_sees_the_persons_login_and_codex_own_headers(stage, upstream):
    headers = GOVERNANCE | CODEX | {"authorization": f"Bearer {JWT}"}
    await stage.ask("chatgpt/v1/responses", RESPONSES, headers=headers)
    (asked,) = upstream.asked
    assert asked.path == "/backend-api/codex/responses"
    assert {name: asked.headers[name] for name in CODEX} == CODEX
    assert asked.headers["authorization"] == f"Bearer {JWT}"
    assert TOKEN not in str(asked.headers)
    begun, *_ = await stage.record()
    assert (begun.client, begun.client_session_id, begun.credential_kind) == ("Codex", "session-1", "byok")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("chatgpt/v1/responses", "ChatGPT"),
        ("chatgpt/v1/models", "ChatGPT"),
        ("copilot/chat/completions", "GitHub Copilot"),
        ("copilot/models", "GitHub Copilot"),
    ],
)
async def test_without_a_login_of_ones_own_401_says_what_to_send(stage, upstream, path, name):
    answer = await stage.ask(path, RESPONSES)
    assert answer.status == 401
    assert f"{name} takes your own login" in answer.error["message"]
    assert "X-Coder-AI-Governance-Token" in answer.error["message"]
    assert upstream.asked == []


COMPACTED = {
    "id": "resp_c1",
    "object": "response.compaction",
    "created_at": 1764000000,
    "output": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello there"}]},
        {"type": "function_call", "call_id": "call_old", "name": "weather", "arguments": "{}"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "c2VjcmV0"},
    ],
    "usage": {
        "input_tokens": 139,
        "input_tokens_details": {"cached_tokens": 39},
        "output_tokens": 38,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": 177,
    },
}


async def test_a_compaction_is_metered_and_is_no_prompt(stage, upstream):
    upstream.default = Say(body=COMPACTED)
    headers = GOVERNANCE | CODEX | {"authorization": f"Bearer {JWT}"}
    answer = await stage.ask("chatgpt/v1/responses/compact", RESPONSES | {"instructions": "x"}, headers=headers)
    assert (answer.status, answer.json()) == (200, COMPACTED)
    assert upstream.asked[0].path == "/backend-api/codex/responses/compact"
    begun, ended, prompts, (usage,) = await stage.record()
    assert (begun.metadata["purpose"], begun.streaming, prompts) == ("compact", False, [])
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (100, 39, 38)
    assert usage.msg_id == "resp_c1"
    assert ended.error_type is None
    assert not [record for record in await stage.records() if isinstance(record, ToolUsage)]


async def test_a_compaction_without_usage_is_on_record_all_the_same(stage, upstream):
    upstream.default = Say(body={"output": COMPACTED["output"][2:]})
    headers = GOVERNANCE | {"authorization": f"Bearer {JWT}"}
    await stage.ask("chatgpt/v1/responses/compact", RESPONSES, headers=headers)
    _, ended, _, usages = await stage.record()
    assert (ended.status_code, ended.error_type, usages) == (200, None, [])


COPILOT = {
    "authorization": "Bearer gho_0123456789abcdefghij",
    "editor-version": "vscode/1.120.0",
    "copilot-integration-id": "vscode-chat",
    "x-initiator": "user",
}


@pytest.mark.parametrize("plan", ["copilot", "copilot-business", "copilot-enterprise"])
@pytest.mark.parametrize(
    ("path", "payload"), [("chat/completions", CHAT), ("responses", RESPONSES), ("v1/messages", MESSAGES)]
)
async def test_the_plans_of_copilot_side_by_side(stage, upstream, plan, path, payload):
    answer = await stage.ask(f"{plan}/{path}", payload, headers=GOVERNANCE | COPILOT)
    assert answer.status == 200
    (asked,) = upstream.asked
    assert asked.path == f"/{plan}/{path}"
    assert {name: asked.headers[name] for name in COPILOT} == COPILOT
    assert TOKEN not in str(asked.headers)
    begun, *_ = await stage.record()
    assert (begun.provider, begun.provider_name, begun.credential_kind) == ("copilot", plan, "byok")
    assert begun.credential_hint == "gho_...ghij"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "models"),
        ("GET", "_ping"),
        ("POST", "auto"),
        ("POST", "agents/swe/jobs"),
        ("POST", "mcp/readonly"),
        ("GET", ".well-known/oauth"),
        ("POST", "embeddings"),
        ("POST", "v1/engines/gpt-41-copilot/completions"),
        ("DELETE", "anything/else"),
    ],
)
async def test_everything_else_of_copilots_passes_through_unrecorded(stage, upstream, method, path):
    answer = await stage.ask(f"copilot/{path}", {"a": 1}, method=method, headers=GOVERNANCE | COPILOT)
    assert answer.status == 200
    (asked,) = upstream.asked
    assert (asked.method, asked.path) == (method, f"/copilot/{path}")
    assert asked.headers["authorization"] == COPILOT["authorization"]
    assert await stage.records() == []


@pytest.mark.parametrize("path", ["chat/completions/", "chat/complet%69ons", "v1/messages/", "Responses"])
async def test_another_spelling_gets_nobody_past_the_record(stage, upstream, path):
    answer = await stage.ask(f"copilot/{path}", CHAT, headers=GOVERNANCE | COPILOT)
    assert (answer.status, upstream.asked) == (404, [])


async def test_copilot_never_sees_a_gateway_token(stage, upstream):
    """Without the governance header the bearer is the gateway token, and no login."""
    answer = await stage.ask("copilot/chat/completions", CHAT)
    assert (answer.status, upstream.asked) == (401, [])


OAUTH = {
    "authorization": "Bearer sk-ant-oat01-0123456789abcdefghij",
    "anthropic-beta": "oauth-2025-04-20,interleaved-thinking-2025-05-14",
    "anthropic-version": "2023-06-01",
}


async def test_byok_a_claude_subscription_goes_as_a_bearer_with_its_beta_flag(stage, upstream):
    await stage.ask("anthropic/v1/messages", MESSAGES, headers=GOVERNANCE | OAUTH)
    (asked,) = upstream.asked
    assert {name: asked.headers[name] for name in OAUTH} == OAUTH
    assert "x-api-key" not in asked.headers
    begun, *_ = await stage.record()
    assert (begun.credential_kind, begun.credential_hint) == ("byok", "sk-a...ghij")


@pytest.mark.parametrize("path", ["azure/v1/chat/completions", "chatgpt/v1/responses", "anthropic/v1/messages"])
async def test_byok_forbidden_is_403_in_the_shape_of_the_api(stage, upstream, path):
    stage.allow_byok = False
    answer = await stage.ask(path, CHAT, headers=GOVERNANCE | {"authorization": f"Bearer {JWT}"})
    assert (answer.status, answer.headers["x-should-retry"], upstream.asked) == (403, "false", [])
    assert "--ai-gateway-allow-byok" in answer.error["message"]


async def test_byok_forbidden_forbids_no_copilot_which_knows_nothing_else(stage, upstream):
    stage.allow_byok = False
    assert (await stage.ask("copilot/chat/completions", CHAT, headers=GOVERNANCE | COPILOT)).status == 200
    assert [record for record in await stage.records() if isinstance(record, TokenUsage)]
