"""Providers that misbehave: the bytes go through exactly, or the client is told; the record says which."""

from __future__ import annotations

import itertools
import json

import aiohttp
import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.support.waiting import eventually

APIS = {
    "chat": (
        "openai",
        "/chat/completions",
        {"stream_options": {"include_usage": True}, "messages": [{"role": "user", "content": "hostile ✓"}]},
    ),
    "responses": ("openai", "/responses", {"input": "hostile ✓"}),
    "messages": (
        "anthropic",
        "/v1/messages",
        {"max_tokens": 99, "messages": [{"role": "user", "content": "hostile ✓"}]},
    ),
}
HARMLESS = ["keepalive", "unknown-events", "crlf", "bom", "split", "one-piece", "keepalive+crlf+bom+split", "slow:5"]


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(auto_decompress=False, read_bufsize=2**22) as session:
        yield session


async def ask(http, url, token, api, scenario, *, stream=True):
    """Status, body as far as it came, whether it came whole, and the interception's id."""
    provider, path, body = APIS[api]
    base = f"{url}/{provider}{'/v1' if provider == 'openai' else ''}" if token else url
    headers = {
        "authorization": f"Bearer {token or 'direct'}",
        "x-sim-scenario": scenario,
        "accept-encoding": "identity",
    }
    data, whole = bytearray(), True
    async with http.post(f"{base}{path}", json={"model": "m", "stream": stream, **body}, headers=headers) as answer:
        try:
            async for piece in answer.content.iter_any():
                data += piece
        except aiohttp.ClientError:
            whole = False
    return answer.status, bytes(data), whole, answer.headers.get("x-ai-gateway-interception-id")


@pytest.fixture
def compared(http, simulator, gateway):
    async def compare(api, scenario, *, stream=True):
        direct = await ask(http, simulator.url, None, api, scenario, stream=stream)
        relayed = await ask(http, gateway.base, gateway.token, api, scenario, stream=stream)
        return direct, relayed, gateway.interception(relayed[3])

    return compare


def last_event(data):
    """The data of the last event of a stream that ends properly."""
    assert data.endswith(b"\n\n"), data[-200:]
    event = data[:-2].rpartition(b"\n\n")[2]
    return json.loads(event[event.index(b"data: ") + 6 :])


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("scenario", HARMLESS)
async def test_odd_but_honest_streams_are_exact_and_fully_read(compared, api, scenario):
    direct, relayed, row = await compared(api, scenario)
    assert relayed[:3] == direct[:3]
    assert (row["error_type"], row["status_code"]) == (None, 200)
    assert len(direct[1]) - 100 < row["response_bytes"] <= len(direct[1]), "all but what followed the answer's end"
    assert row["token_usages"][0]["output_tokens"] > 1
    assert row["metadata"].get("unreadable") is None


@pytest.mark.parametrize("api", APIS)
async def test_garbage_between_the_events_is_relayed_exactly_and_noted(compared, api):
    direct, relayed, row = await compared(api, "garbage")
    assert relayed[:3] == direct[:3]
    if api != "responses":  # whose events are told apart by name, so that nobody read the garbage
        assert row["metadata"]["unreadable"]
    assert row["token_usages"][0]["output_tokens"] > 1


@pytest.mark.parametrize("api", APIS)
async def test_a_line_of_30_megabytes(compared, api, gateway):
    direct, relayed, row = await compared(api, "huge")
    assert len(relayed[1]) > 30_000_000
    assert relayed[:3] == direct[:3]
    assert row["token_usages"][0]["output_tokens"] > 1


@pytest.mark.parametrize("api", [api for api in APIS if api != "messages"])
@pytest.mark.parametrize("scenario", ["split+cut:9", "split+crlf+drop:9"])
async def test_a_stream_that_breaks_off_inside_an_event_is_a_broken_answer(compared, api, scenario):
    """OpenAI's SDKs would take our event for the rest of the half one, so the connection is cut instead."""
    direct, relayed, row = await compared(api, scenario)
    status, data, whole, _ = relayed
    assert (status, whole) == (200, False)
    assert data.startswith(direct[1])
    assert b"AI Gateway" not in data
    assert row["error_type"] == "upstream_truncated"


@pytest.mark.parametrize(
    ("api", "scenario"),
    [
        *itertools.product(APIS, ["cut:4", "drop:4", "reset:4"]),
        *itertools.product(["messages"], ["split+cut:9", "split+crlf+drop:9"]),
    ],
)
async def test_a_stream_that_breaks_off_ends_with_an_error_event(compared, api, scenario):
    direct, relayed, row = await compared(api, scenario)
    status, data, whole, _ = relayed
    assert (status, whole) == (200, True)
    assert data.startswith(direct[1])
    told = last_event(data)
    message = told.get("message") or told["error"]["message"]
    assert message.startswith("AI Gateway: ")
    if api != "chat":
        assert told["type"] == "error"
    assert b"[DONE]" not in data
    assert row["error_type"] == "upstream_truncated"
    assert row["error_message"]
    assert all(usage["metadata"]["partial"] for usage in row["token_usages"])
    assert len(row["token_usages"]) == (1 if api == "messages" else 0)


@pytest.mark.parametrize("api", APIS)
async def test_a_stream_that_goes_silent_ends_with_an_error_event(http, strict_gateway, api):
    _, data, whole, ident = await ask(http, strict_gateway.base, strict_gateway.token, api, "hang:4")
    assert whole
    assert "--ai-gateway-idle-timeout" in json.dumps(last_event(data))
    row = strict_gateway.interception(ident)
    assert (row["error_type"], row["status_code"]) == ("timeout", 200)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("scenario", ["drop:1", "reset:1"])
async def test_a_whole_answer_that_breaks_off_is_a_broken_answer(compared, api, scenario):
    _, relayed, row = await compared(api, scenario, stream=False)
    assert relayed[2] is False
    assert row["error_type"] == "upstream_truncated"


@pytest.mark.parametrize("api", APIS)
async def test_half_a_json_answer_is_relayed_and_noted(compared, api):
    direct, relayed, row = await compared(api, "cut:1", stream=False)
    assert relayed[:3] == direct[:3]
    assert row["metadata"]["unreadable"]


@pytest.mark.parametrize("scenario", ["drop:4+gzip", "cut:4+zstd"])
async def test_a_compressed_stream_that_breaks_off_is_not_made_to_look_whole(compared, scenario):
    """No error event can be written into a compressed stream that somebody else began."""
    _, relayed, row = await compared("messages", scenario)
    assert relayed[2] is False
    assert row["error_type"] == "upstream_truncated"


@pytest.mark.parametrize("api", APIS)
async def test_an_html_page_of_a_load_balancer_is_relayed(compared, api):
    direct, relayed, row = await compared(api, "error-502")
    assert relayed[:3] == direct[:3]
    assert relayed[1].startswith(b"<html>")
    assert (row["status_code"], row["error_type"]) == (502, "server_error")


async def test_a_client_that_leaves_is_noticed_upstream_and_on_record(http, simulator, gateway):
    simulator.requests.clear()
    provider, path, body = APIS["messages"]
    headers = {"authorization": f"Bearer {gateway.token}", "x-sim-scenario": "long:5000+slow:20"}
    answer = await http.post(
        f"{gateway.base}/{provider}{path}", json={"model": "m", "stream": True, **body}, headers=headers
    )
    await answer.content.readany()
    ident = answer.headers["x-ai-gateway-interception-id"]
    answer.close()
    await eventually(lambda: simulator.requests[-1].outcome == "client_gone")
    row = gateway.interception(ident)
    assert row["error_type"] == "client_disconnected"
    assert row["token_usages"][0]["metadata"]["partial"] is True


CUT_BETWEEN_EVENTS, CUT_INSIDE_AN_EVENT = "drop:6", "split+cut:13"


@pytest.mark.parametrize("scenario", [CUT_BETWEEN_EVENTS, CUT_INSIDE_AN_EVENT])
async def test_the_sdks_raise_when_a_stream_breaks_off(gateway, scenario):
    """Half an event that was sent cannot be taken back: the SDK then stumbles over that half, before our event."""
    headers = {"x-sim-scenario": scenario}
    expected, words = (Exception, None) if scenario == CUT_INSIDE_AN_EVENT else (openai.APIError, "AI Gateway: ")
    async with AsyncOpenAI(base_url=f"{gateway.base}/openai/v1", api_key=gateway.token, max_retries=0) as client:
        asked = [{"role": "user", "content": "hostile ✓"}]
        chat = await client.chat.completions.create(model="m", messages=asked, stream=True, extra_headers=headers)
        with pytest.raises(expected, match=words):
            await exhaust(chat)
        responses = await client.responses.create(model="m", input="hostile ✓", stream=True, extra_headers=headers)
        with pytest.raises(expected, match=words):
            await exhaust(responses)
    expected = Exception if words is None else anthropic.APIError
    async with AsyncAnthropic(base_url=f"{gateway.base}/anthropic", api_key=gateway.token, max_retries=0) as client:
        messages = await client.messages.create(
            model="m", max_tokens=9, messages=asked, stream=True, extra_headers=headers
        )
        with pytest.raises(expected, match=words):
            await exhaust(messages)


async def exhaust(stream):
    async for _ in stream:
        pass
