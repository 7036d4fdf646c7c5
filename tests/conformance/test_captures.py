"""Requests as real clients send them, replayed: what the provider receives is what was sent, to the byte.

Small ones of our own are in `requests/`; recordings of real clients are read from AIGATEWAY_CAPTURES where they are.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import aiohttp
import pytest

from tests.support.waiting import eventually
from tests.wire.test_captures import EXPECTED

try:
    from compression import zstd
except ImportError:
    from backports import zstd

OWN = Path(__file__).parent / "requests"
REAL = Path(os.environ.get("AIGATEWAY_CAPTURES") or Path(__file__).parents[3] / "shared" / "captures")
EVERY = sorted(OWN.glob("*.json")) + sorted(REAL.glob("*/*.json"))
SOCKETS = [path for path in EVERY if "websocket" in path.name]
FILES = [path for path in EVERY if path not in SOCKETS]
STAND_IN = "coder-fake-token-1"
NOT_SENT_ON = {"host", "content-length", "connection"}


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


def name_of(path):
    return path.name if path.parent == OWN else f"{path.parent.name}/{path.name}"


def headers_of(capture, token):
    """The capture's headers with a real token; a login that came without one gets it in the header for that."""
    headers = [
        (name, value.replace(STAND_IN, token)) for name, value in capture["headers"] if name.lower() not in NOT_SENT_ON
    ]
    if "/chatgpt/" in capture["path"] and not any(name.lower() == "x-coder-ai-governance-token" for name, _ in headers):
        headers.append(("X-Coder-AI-Governance-Token", token))
    return headers


def body_of(capture):
    if capture["body"] is None:
        return b""
    body = json.dumps(capture["body"], ensure_ascii=False, separators=(", ", ":")).encode("utf-8", "surrogatepass")
    coding = {name.lower(): value for name, value in capture["headers"]}.get("content-encoding")
    return zstd.compress(body) if coding == "zstd" else body


def expected_of(path, recorded):
    if path.parent == OWN:
        return recorded.get("expected") and tuple(recorded["expected"].values())
    known = EXPECTED.get(name_of(path))
    return known and (known.client, known.session, known.prompt)


async def send(http, gateway, capture, **more):
    query = f"?{capture['query']}" if capture["query"] else ""
    skipped = ("user-agent", "accept", "accept-encoding", "content-type")
    return await http.request(
        capture["method"],
        f"{gateway.url}{capture['path']}{query}",
        headers=headers_of(capture, gateway.token),
        skip_auto_headers=skipped,
        **more,
    )


@pytest.mark.skipif(not REAL.is_dir(), reason="no recordings of real clients here (AIGATEWAY_CAPTURES)")
def test_recordings_are_found():
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=name_of)
async def test_replay(http, gateway, simulator, path):
    recorded = json.loads(path.read_text("utf-8"))
    capture = recorded["request"]
    if capture["method"] == "HEAD":
        async with await send(http, gateway, capture) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
        return

    body = body_of(capture)
    async with await send(http, gateway, capture, data=body) as answer:
        text = await answer.read()
        ident = answer.headers.get("x-ai-gateway-interception-id")
    assert answer.status == 200, text[:500]
    request = simulator.requests[-1]
    await eventually(lambda: request.outcome == "answered")
    assert request.sha256 == hashlib.sha256(body).hexdigest()
    assert request.path.partition("?")[2] == capture["query"]
    assert_headers(capture, request)

    expected = expected_of(path, recorded)
    if ident is None:
        assert expected is None, "an intercepted request is on record"
        return
    row = gateway.interception(ident)
    assert (row["status_code"], row["error_type"], row["request_bytes"]) == (200, None, len(body))
    assert len(row["token_usages"]) == (0 if _tells_no_usage(capture) else 1)
    if expected:
        prompts = [prompt["prompt"] for prompt in row["user_prompts"]]
        client, session, prompt = expected
        assert row["client"] == client
        assert prompts == ([prompt] if prompt is not None else [])
        if session is not None:
            assert row["session_id"] == session


def assert_headers(capture, request):
    """What the client said of itself goes on; who it is to us does not."""
    credentials = {"authorization", "x-api-key", "x-coder-ai-governance-token"}
    for name, value in capture["headers"]:
        if name.lower() not in NOT_SENT_ON | credentials | {"accept-encoding"}:
            assert request.header(name.lower()) == value, name
    assert request.header("x-coder-ai-governance-token") is None
    assert all(STAND_IN.encode() not in value for _, value in request.headers)


def _tells_no_usage(capture):
    body = capture["body"]
    return "/chat/completions" in capture["path"] and body.get("stream") and not body.get("stream_options")
