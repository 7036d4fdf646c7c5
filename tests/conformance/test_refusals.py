"""What the official SDKs raise when the gateway itself says no (decisions 6 and 31)."""

from __future__ import annotations

import anthropic
import httpx2
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from aigateway.cli.rest import Client
from tests.support.server import OWNER

UNKNOWN_TOKEN = "abcdefghij-0123456789012345678901"
TRANSIENT = {502, 503, 504}


def openai_client(gateway, token, path="openai/v1", **more):
    return AsyncOpenAI(base_url=f"{gateway.base}/{path}", api_key=token, max_retries=0, **more)


def anthropic_client(gateway, token, path="anthropic", **more):
    return AsyncAnthropic(base_url=f"{gateway.base}/{path}", api_key=token, max_retries=0, **more)


async def refused_openai(gateway, token, path="openai/v1", *, say="hello", scenario="long", **more):
    """The error that the Responses and the Chat API's callers get."""
    errors = []
    async with openai_client(gateway, token, path, **more) as client:
        headers = {"x-sim-scenario": scenario}
        with pytest.raises(openai.APIStatusError) as caught:
            await client.responses.create(model="gpt-5.5", input=say, stream=True, extra_headers=headers)
        errors.append(caught.value)
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(
                model="gpt-5.5", messages=[{"role": "user", "content": say}], extra_headers=headers
            )
        errors.append(caught.value)
    assert type(errors[0]) is type(errors[1])
    for error in errors:
        assert error.body["message"].startswith("AI Gateway: ")
        assert set(error.body) == {"message", "type", "param", "code"}
        assert_manners(error, "x-request-id")
    return errors[0]


async def refused_anthropic(gateway, token, path="anthropic", *, say="hello", scenario="long", **more):
    async with anthropic_client(gateway, token, path, **more) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(
                model="claude-opus-5-5",
                max_tokens=9,
                messages=[{"role": "user", "content": say}],
                stream=True,
                extra_headers={"x-sim-scenario": scenario},
            )
    error = caught.value
    assert error.body["type"] == "error"
    assert error.body["error"]["message"].startswith("AI Gateway: ")
    assert error.body["request_id"] == error.request_id
    assert_manners(error, "request-id")
    return error


def assert_manners(error, request_id):
    headers = error.response.headers
    assert headers["content-type"] == "application/json"
    assert headers[request_id]
    assert headers.get("x-should-retry") == (None if error.status_code in TRANSIENT else "false")
    interception = headers.get("x-ai-gateway-interception-id")
    assert interception is None or interception in str(error.body)


@pytest.mark.parametrize("token", [UNKNOWN_TOKEN, "sk-some-provider-key", "x" * 5000, "a-b-c"])
async def test_a_token_that_is_none_is_an_authentication_error(gateway, token):
    assert isinstance(await refused_openai(gateway, token), openai.AuthenticationError)
    assert isinstance(await refused_anthropic(gateway, token), anthropic.AuthenticationError)


async def test_no_credential_at_all_is_an_authentication_error(gateway):
    error = await refused_openai(gateway, "unused", default_headers={"Authorization": ""})
    assert isinstance(error, openai.AuthenticationError)
    assert "no gateway token" in error.body["message"]


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer \xff\xfe", b"Basic YTpi", b"Bearer a b", b"\xc3\xbc"])
@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-coder-ai-governance-token"])
async def test_an_odd_credential_is_refused_like_any_other(gateway, header, value):
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{gateway.base}/openai/v1/responses", content=b"{}", headers={header: value})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("AI Gateway: ")


async def test_a_removed_token_is_refused_on_the_next_request(gateway):
    token = gateway.mint("me", token_name="to-be-removed")
    async with openai_client(gateway, token) as client:
        assert (await client.responses.create(model="gpt-5.5", input="before")).output_text
        gateway.api.call("DELETE", "users", "me", "keys", token.partition("-")[0])
        with pytest.raises(openai.AuthenticationError):
            await client.responses.create(model="gpt-5.5", input="after")


async def test_a_suspended_user_is_refused_on_the_next_request(gateway):
    gateway.api.call("POST", "users", body={"username": "bot", "service_account": True, "login_type": "none"})
    token = gateway.mint("bot")
    async with anthropic_client(gateway, token) as client:
        counted = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "x"}]}
        assert (await client.messages.count_tokens(**counted)).input_tokens
        gateway.api.call("PUT", "users", "bot", "status", "suspend")
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.count_tokens(**counted)
        gateway.api.call("PUT", "users", "bot", "status", "activate")
        assert (await client.messages.count_tokens(**counted)).input_tokens


async def test_a_session_of_the_dashboard_serves_as_a_token(gateway):
    sent = {"email": OWNER["email"], "password": OWNER["password"]}
    session = Client(gateway.url).call("POST", "users", "login", body=sent)["session_token"]
    async with openai_client(gateway, session) as client:
        assert (await client.responses.create(model="gpt-5.5", input="by session")).output_text


async def test_a_key_of_ones_own_is_forbidden_where_it_is_off(strict_gateway):
    headers = {"X-Coder-AI-Governance-Token": strict_gateway.token}
    error = await refused_openai(strict_gateway, "sk-own", default_headers=headers)
    assert isinstance(error, openai.PermissionDeniedError)
    assert "--ai-gateway-allow-byok" in error.body["message"]
    error = await refused_anthropic(strict_gateway, "sk-own", default_headers=headers)
    assert isinstance(error, anthropic.PermissionDeniedError)


async def test_an_unknown_provider_or_route_is_not_found(gateway):
    error = await refused_openai(gateway, gateway.token, "nobody/v1")
    assert isinstance(error, openai.NotFoundError)
    assert "route not supported: POST /api/v2/aibridge/nobody/v1/responses" in error.body["message"]
    assert isinstance(await refused_anthropic(gateway, gateway.token, "anthropic/v9"), anthropic.NotFoundError)
    async with openai_client(gateway, gateway.token) as client:
        with pytest.raises(openai.NotFoundError, match="route not supported"):
            await client.embeddings.create(model="m", input="x")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["openai/v1/chat/completions", "anthropic/v1/messages"])
async def test_another_method_is_not_allowed(gateway, method, path):
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.request(
            method, f"{gateway.base}/{path}", headers={"authorization": f"Bearer {gateway.token}"}
        )
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["error"]["message"].startswith("AI Gateway: ")


async def test_a_body_that_is_too_large(strict_gateway):
    error = await refused_openai(strict_gateway, strict_gateway.token, say="x" * 70_000)
    assert type(error) is openai.APIStatusError
    assert error.status_code == 413
    assert "--ai-gateway-max-body-size" in error.body["message"]
    error = await refused_anthropic(strict_gateway, strict_gateway.token, say="x" * 70_000)
    assert isinstance(error, anthropic.RequestTooLargeError)


async def test_a_provider_that_cannot_be_reached(gateway):
    error = await refused_openai(gateway, gateway.token, "dead/v1", say="nobody there (openai)")
    assert isinstance(error, openai.InternalServerError)
    assert error.status_code == 502
    row = gateway.interception(error.response.headers["x-ai-gateway-interception-id"])
    assert (row["status_code"], row["provider_name"]) == (502, "dead")
    assert row["error_type"] == "upstream_unreachable"
    error = await refused_anthropic(gateway, gateway.token, "dead-anthropic")
    assert error.status_code == 502


@pytest.mark.parametrize("scenario", ["drop:0", "reset:0"])
async def test_a_provider_that_hangs_up_before_it_answers(gateway, scenario):
    error = await refused_anthropic(gateway, gateway.token, scenario=scenario)
    assert error.status_code == 502
    row = gateway.interception(error.response.headers["x-ai-gateway-interception-id"])
    assert row["status_code"] == 502


async def test_a_provider_that_is_too_slow_to_begin(strict_gateway):
    error = await refused_openai(strict_gateway, strict_gateway.token, scenario="hang")
    assert isinstance(error, openai.InternalServerError)
    assert error.status_code == 504
    assert "--ai-gateway-first-byte-timeout" in error.body["message"]
    row = strict_gateway.interception(error.response.headers["x-ai-gateway-interception-id"])
    assert (row["status_code"], row["error_type"]) == (504, "timeout")
    error = await refused_anthropic(strict_gateway, strict_gateway.token, scenario="hang")
    assert error.status_code == 504


async def test_a_background_response_is_refused(gateway):
    async with openai_client(gateway, gateway.token) as client:
        with pytest.raises(openai.APIStatusError, match="AI Gateway: ") as caught:
            await client.responses.create(model="gpt-5.5", input="later", background=True)
    assert caught.value.response.headers["x-should-retry"] == "false"


BODIES = {
    "empty": b"",
    "blank": b"   ",
    "not JSON": b"hello",
    "truncated": b'{"model": "gpt-5.5", "messages": [{"role": "us',
    "a string": b'"hello"',
    "a list": b"[]",
    "null": b"null",
    "invalid UTF-8": b'{"model": "gpt-5.5", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "model is a number": b'{"model": 7, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "input": "x"}',
    "model is missing": b'{"messages": [], "input": []}',
    "wrong shapes": b'{"model": [], "messages": {"a": 1}, "input": {"b": [{}]}, "stream": "yes", "tools": 7}',
    "nested 10,000 deep": b'{"model": "m", "messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "nested 10,000 objects": b'{"model": "m", "input": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "200,000 messages": b'{"model":"m","messages":[' + b'{"role":"user","content":"x"},' * 199_999 + b"{}]}",
    "duplicate keys": b'{"model": "a", "model": "b", "messages": [], "input": "x", "max_tokens": 1}',
    "a huge number": b'{"model": "m", "max_tokens": 1' + b"0" * 5000 + b', "messages": [], "input": ""}',
    "half a surrogate": b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}], "input": "\\udfff"}',
    "control characters": b'{"model": "\\u0000\\u001b[2J\\n", "messages": [], "input": "\\u0000"}',
}


@pytest.mark.parametrize("path", ["openai/v1/chat/completions", "openai/v1/responses", "anthropic/v1/messages"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_odd_bodies_are_refused_or_forwarded_faithfully(gateway, simulator, path, body):
    simulator.requests.clear()
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.post(
            f"{gateway.base}/{path}", content=body, headers={"authorization": f"Bearer {gateway.token}"}
        )
    assert answer.status_code in {200, 400}
    if simulator.requests:
        assert simulator.requests[-1].body == body
        row = gateway.interception(answer.headers["x-ai-gateway-interception-id"])
        assert row["status_code"] == answer.status_code
    else:
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("AI Gateway: ")


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "deflate", "nonsense", "gzip, gzip"])
async def test_a_body_that_is_not_what_its_coding_says(gateway, simulator, coding):
    simulator.requests.clear()
    headers = {"authorization": f"Bearer {gateway.token}", "content-encoding": coding}
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{gateway.base}/openai/v1/responses", content=b"no such coding", headers=headers)
    assert answer.status_code in {400, 415}
    assert answer.json()["error"]["message"]
