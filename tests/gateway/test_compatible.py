"""What endpoints that speak OpenAI's Chat API really send: relayed to the byte, and read for the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigateway.store.records import ModelThought, TokenUsage, ToolUsage
from tests.gateway.scripted import Say, scripted
from tests.gateway.stage import CHAT, TOKEN
from tests.providers.making import provider

STREAMS = Path(__file__).parents[1] / "fixtures" / "streams"
UNASKED = {"model": "sim", "messages": [{"role": "user", "content": "Hello there"}], "stream": True}
VENDORS = {
    "vllm": "Think first.",
    "llama-cpp": "Think first.",
    "ollama": "Think first.",
    "openrouter": "Think first.",
    "litellm": "Think first.",
    "vercel": "Think first.",
    "google": None,
    "copilot-claude": "Think first.",
}
"""Each, and what it shows of its model's thoughts."""
APART = {"vllm", "llama-cpp", "ollama"}
"""Those that tell the usage in a chunk of its own."""


@pytest.fixture
async def upstream(stage):
    async with scripted() as served:
        stage.providers["openai"] = provider("openai", base_url=f"{served.url}/v1", keys=())
        stage.providers["copilot"] = provider("copilot", base_url=served.url, keys=())
        yield served


async def ask(stage, upstream, vendor, payload):
    stream = (STREAMS / f"chat-{vendor}.sse").read_bytes()
    upstream.default = Say(body=stream, content_type="text/event-stream")
    if vendor.startswith("copilot"):
        own = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer gho_0123456789"}
        return stream, await stage.ask("copilot/chat/completions", payload, headers=own)
    return stream, await stage.ask("openai/v1/chat/completions", payload)


async def assert_recorded(stage, vendor):
    records = await stage.records()
    (usage,) = [record for record in records if isinstance(record, TokenUsage)]
    assert (usage.input_tokens, usage.output_tokens) == (20, 7)
    tools = [(record.tool, record.input.replace(" ", "")) for record in records if isinstance(record, ToolUsage)]
    second = [("clock", '{"zone":"CET"}')] if vendor == "google" else []
    assert tools == [("weather", '{"city":"Oslo"}'), *second]
    thoughts = [record.content for record in records if isinstance(record, ModelThought)]
    assert thoughts == ([VENDORS[vendor]] if VENDORS[vendor] else [])
    _, ended, _, _ = await stage.record()
    assert (ended.error_type, ended.metadata.get("unreadable")) == (None, None)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_stream_is_relayed_to_the_byte_and_read(stage, upstream, vendor):
    stream, answer = await ask(stage, upstream, vendor, CHAT | {"stream": True})
    assert answer.body == stream
    await assert_recorded(stage, vendor)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_so_is_one_whose_usage_the_gateway_asked_for(stage, upstream, vendor):
    stream, answer = await ask(stage, upstream, vendor, UNASKED)
    events = [event for event in stream.split(b"\n\n") if not (vendor in APART and b'"usage":{' in event)]
    assert answer.body == b"\n\n".join(events)
    await assert_recorded(stage, vendor)


async def test_an_endpoint_that_tells_no_usage_leaves_none_on_record(stage, upstream):
    upstream.default = Say(
        body=b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        content_type="text/event-stream",
    )
    answer = await stage.ask("openai/v1/chat/completions", UNASKED)
    assert answer.body == upstream.default.body
    _, ended, _, usages = await stage.record()
    assert (ended.error_type, usages) == (None, [])


async def test_a_local_endpoint_needs_no_key(stage, upstream):
    upstream.default = Say()
    assert (await stage.ask("openai/v1/chat/completions", CHAT)).status == 200
    assert "authorization" not in upstream.asked[0].headers
    begun, *_ = await stage.record()
    assert (begun.credential_kind, begun.credential_hint) == ("centralized", "")
