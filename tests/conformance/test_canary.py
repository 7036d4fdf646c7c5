"""A provider's key never reaches a person, a person's token never reaches a provider, and neither reaches the disk."""

from __future__ import annotations

import aiohttp
import pytest

from tests.conformance.conftest import ANTHROPIC_KEY, OPENAI_KEY
from tests.support.waiting import eventually

PATHS = {
    "openai": ["/v1/chat/completions", "/v1/responses", "/v1/models", "/v1/responses/compact"],
    "anthropic": ["/v1/messages", "/v1/models", "/v1/messages/count_tokens"],
}
WISHES = ["plain", "error-401", "error-500", "cut:2", "drop:0"]
FORBIDDEN_UPSTREAM = (
    "cookie",
    "forwarded",
    "x-real-ip",
    "x-forwarded-for",
    "x-coder-ai-governance-token",
    "coder-session-token",
    "x-coder-chat-id",
)


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def disguises(token):
    """The ways in which clients carry a gateway token."""
    own = "sk-own-key-of-a-person"
    return [
        {"authorization": f"Bearer {token}"},
        {"x-api-key": token},
        {"authorization": f"Bearer {token}", "x-api-key": token},
        {"authorization": f"Bearer {token}", "x-api-key": "left-over"},
        {"x-coder-ai-governance-token": token, "authorization": f"Bearer {own}"},
        {"x-coder-ai-governance-token": token, "x-api-key": own},
        {"x-coder-ai-governance-token": token},
        {"authorization": f"Bearer {token}", "coder-session-token": token, "cookie": f"coder_session_token={token}"},
        {
            "authorization": f"Bearer {token}",
            "connection": "x-secret",
            "x-secret": token,
            "x-forwarded-for": "192.0.2.1",
        },
    ]


async def test_secrets_stay_on_their_side(http, simulator, gateway):
    seen_by_client, upstream = bytearray(), []
    secret = gateway.token.encode()
    for provider, paths in PATHS.items():
        for path in paths:
            for headers in disguises(gateway.token):
                for wish in WISHES:
                    simulator.requests.clear()
                    more = {"x-sim-scenario": wish} if wish != "plain" else {}
                    method = "GET" if path.endswith("models") else "POST"
                    body = {"model": "m", "stream": True, "max_tokens": 9, "input": "x", "messages": []}
                    try:
                        async with http.request(
                            method,
                            f"{gateway.base}/{provider}{path}",
                            json=body if method == "POST" else None,
                            headers=headers | more | {"x-real-ip": "192.0.2.2", "x-coder-chat-id": "c"},
                        ) as answer:
                            seen_by_client += repr(answer.raw_headers).encode() + await answer.read()
                    except aiohttp.ClientError:
                        pass
                    upstream.extend(simulator.requests)
    seen_by_client += repr(gateway.interceptions()).encode() + gateway.log.encode()

    for key in (OPENAI_KEY, ANTHROPIC_KEY):
        assert key.encode() not in seen_by_client
    assert len(upstream) > 100
    for request in upstream:
        assert secret not in repr((request.path, request.headers)).encode() + request.body
        assert not [name for name in FORBIDDEN_UPSTREAM if request.header(name)]
    keys = {request.header("authorization") for request in upstream} | {
        request.header("x-api-key") for request in upstream
    }
    assert {f"Bearer {OPENAI_KEY}", ANTHROPIC_KEY, "Bearer sk-own-key-of-a-person", "sk-own-key-of-a-person"} <= keys
    assert keys <= {
        f"Bearer {OPENAI_KEY}",
        ANTHROPIC_KEY,
        "Bearer sk-own-key-of-a-person",
        "sk-own-key-of-a-person",
        None,
    }
    await eventually(gateway.interceptions)
    for file in (gateway.folder / "data").rglob("*"):
        if file.is_file():
            stored = file.read_bytes()
            assert gateway.token.partition("-")[2].encode() not in stored, file
            assert OPENAI_KEY.encode() not in stored, file
            assert ANTHROPIC_KEY.encode() not in stored, file
