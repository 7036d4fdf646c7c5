from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import sys

import pytest

from aigateway.audit.journal import JournalUnavailable
from aigateway.providers.actor_headers import ActorHeaders
from aigateway.store.records import InterceptionEnd, InterceptionStart, TokenUsage
from tests.gateway.stage import ALICE, CHAT, MESSAGES, OTHER, RESPONSES, TOKEN
from tests.support.waiting import eventually

APIS = [
    pytest.param("openai/v1/chat/completions", CHAT, id="chat"),
    pytest.param("openai/v1/responses", RESPONSES, id="responses"),
    pytest.param("anthropic/v1/messages", MESSAGES, id="messages"),
]
BYOK = {"x-coder-ai-governance-token": TOKEN}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_request_is_answered_attributed_and_on_record(stage, path, payload, stream):
    answer = await stage.ask(
        path, payload | {"stream": stream}, headers={"user-agent": "claude-cli/2.1 (external, cli)"}
    )
    assert answer.status == 200
    assert answer.complete
    begun, ended, prompts, usages = await stage.record()
    assert begun.interception_id == ended.interception_id == answer.headers["x-ai-gateway-interception-id"]
    assert begun.initiator_id == ALICE.user_id
    assert begun.api_key_id == ALICE.api_key_id
    assert (begun.model, begun.client, begun.streaming) == ("sim", "Claude Code", stream)
    assert begun.metadata["request_user_agent"] == "claude-cli/2.1 (external, cli)"
    assert (begun.credential_kind, begun.credential_hint) == ("centralized", "sk-c...cdef")
    assert [prompt.prompt for prompt in prompts] == ["Hello there"]
    assert (ended.status_code, ended.error_type) == (200, None)
    assert ended.response_bytes == len(answer.body)
    (usage,) = usages
    assert usage.output_tokens > 0
    assert usage.msg_id


async def test_the_provider_gets_the_very_bytes_and_its_own_key(stage):
    body = b'{ "model":"sim",\n "messages":[{"role":"user","content":"h\\u00e9llo"}], "x_unknown": 1.0 }'
    await stage.ask("openai/v1/chat/completions", body=body, query=b"api-version=2026&x=%20", headers={"x-custom": "1"})
    received = stage.sim.requests[-1]
    assert received.sha256 == hashlib.sha256(body).hexdigest()
    assert received.path == "/v1/chat/completions?api-version=2026&x=%20"
    assert received.header("authorization") == "Bearer sk-central-0123456789abcdef"
    assert received.header("x-custom") == "1"
    assert TOKEN not in repr(received.headers)


async def test_a_compressed_body_is_forwarded_as_sent_and_read_for_the_record(stage):
    body = gzip.compress(json.dumps(CHAT).encode())
    await stage.ask("openai/v1/chat/completions", body=body, headers={"content-encoding": "gzip"})
    received = stage.sim.requests[-1]
    assert received.body == body
    assert received.header("content-encoding") == "gzip"
    _, _, prompts, _ = await stage.record()
    assert [prompt.prompt for prompt in prompts] == ["Hello there"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_compressed_answer_is_relayed_as_it_is_and_observed(stage, path, payload, encoding):
    answer = await stage.ask(path, payload | {"stream": True}, sim=encoding, headers={"accept-encoding": encoding})
    assert answer.headers["content-encoding"] == encoding
    _, ended, _, usages = await stage.record()
    assert ended.error_type is None
    assert usages[0].output_tokens > 0


async def test_byok_uses_the_persons_own_key_and_says_so(stage):
    await stage.ask(
        "anthropic/v1/messages",
        MESSAGES,
        headers=BYOK | {"authorization": None, "x-api-key": "sk-ant-own-0123456789"},
    )
    received = stage.sim.requests[-1]
    assert received.header("x-api-key") == "sk-ant-own-0123456789"
    assert received.header("x-coder-ai-governance-token") is None
    begun, *_ = await stage.record()
    assert (begun.credential_kind, begun.credential_hint) == ("byok", "sk-a...6789")


async def test_of_two_different_headers_the_one_with_a_good_token_counts(stage):
    answer = await stage.ask("anthropic/v1/messages", MESSAGES, headers={"x-api-key": "sk-ant-left-over"})
    assert answer.status == 200
    answer = await stage.ask(
        "anthropic/v1/messages", MESSAGES, headers={"authorization": "Bearer something-else", "x-api-key": TOKEN}
    )
    assert answer.status == 200
    assert stage.sim.requests[-1].header("x-api-key") == "sk-central-0123456789abcdef"


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"authorization": None}, 401, "no gateway token"),
        ({"authorization": f"Bearer {OTHER}"}, 401, "not good"),
        ({"authorization": "Bearer junk"}, 401, "not good"),
        ({"authorization": None, "cookie": f"coder_session_token={TOKEN}"}, 401, "no gateway token"),
        ({"authorization": None, "coder-session-token": TOKEN}, 401, "no gateway token"),
        ({"x-coder-ai-governance-token": OTHER}, 401, "not good"),
    ],
)
@pytest.mark.parametrize("path", ["openai/v1/chat/completions", "openai/v1/models", "nobody/v1/x", "openai/v1/files"])
async def test_nobody_without_a_name(stage, headers, status, words, path):
    answer = await stage.ask(path, CHAT, headers=headers)
    assert answer.status == status
    assert words in answer.error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]
    assert not stage.sim.requests
    assert await stage.records() == []


async def test_byok_can_be_forbidden(stage):
    stage.allow_byok = False
    answer = await stage.ask("openai/v1/chat/completions", CHAT, headers=BYOK)
    assert answer.status == 403
    assert "--ai-gateway-allow-byok" in answer.error["message"]


async def test_while_nobody_can_be_looked_up_the_client_may_try_again(stage):
    stage.tokens.away = True
    answer = await stage.ask("anthropic/v1/messages", MESSAGES)
    assert answer.status == 503
    assert answer.json()["error"]["type"] == "overloaded_error"
    assert "x-should-retry" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"nonsense", b'{"model":', b"[]", b"7", b'{"model":"\xff"}', b'{"a":' * 10_000, b"null"],
    ids=["empty", "blank", "text", "truncated", "list", "number", "not-utf8", "deep", "null"],
)
@pytest.mark.parametrize("path", ["openai/v1/chat/completions", "openai/v1/responses", "anthropic/v1/messages"])
async def test_a_body_that_cannot_be_read_is_a_400_in_the_apis_shape(stage, path, body):
    answer = await stage.ask(path, body=body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["message"].startswith("AI Gateway: ")
    assert await stage.records() == []


@pytest.mark.parametrize(
    "payload",
    [
        {"model": 7, "messages": []},
        {"model": "sim", "messages": "hello"},
        {"messages": [{"role": 3}]},
        {"model": "sim", "messages": [{"role": "user", "content": "x"}] * 20_000},
        {},
    ],
)
async def test_an_odd_body_goes_to_the_provider_as_it_is(stage, payload):
    body = json.dumps(payload).encode()
    answer = await stage.ask("openai/v1/chat/completions", body=body)
    assert answer.status < 500
    assert stage.sim.requests[-1].body == body
    begun, ended, *_ = await stage.record()
    assert ended.status_code == answer.status
    assert begun.model in ("sim", "coder-aibridge-unknown")


async def test_too_large_is_413_announced_or_not(stage):
    body = b" " * (stage.admitter.max_body_size + 1)
    for headers in ({}, {"content-length": str(len(body))}):
        answer = await stage.ask("anthropic/v1/messages", body=body, headers=headers)
        assert answer.status == 413
        assert answer.error["type"] == "request_too_large"
        assert "--ai-gateway-max-body-size" in answer.error["message"]


async def test_a_bomb_of_a_compressed_body_is_refused(stage):
    body = gzip.compress(b" " * (stage.admitter.max_body_size * 4))
    answer = await stage.ask("openai/v1/responses", body=body, headers={"content-encoding": "gzip"})
    assert answer.status == 413


async def test_get_on_an_intercepted_path_is_405(stage):
    answer = await stage.ask("openai/v1/responses", method="GET")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("header", [("upgrade", "websocket"), ("sec-websocket-key", "c1VVxxQHZqcWijA8ufaxTQ==")])
async def test_a_websocket_that_a_proxy_spoilt_is_told_to_post(stage, header):
    answer = await stage.ask("openai/v1/responses", method="GET", headers=dict([header]))
    assert answer.status == 426


async def test_probes_need_no_token(stage):
    for path in ("anthropic/api/hello", "anthropic", "anthropic/"):
        answer = await stage.ask(path, method="HEAD", headers={"authorization": None})
        assert (answer.status, answer.body) == (200, b"")


async def test_a_background_request_is_refused(stage):
    answer = await stage.ask("openai/v1/responses", RESPONSES | {"background": True})
    assert answer.status == 501
    assert not stage.sim.requests


async def test_copilot_without_the_persons_token_is_401(stage):
    answer = await stage.ask("copilot/chat/completions", CHAT, headers=BYOK | {"authorization": None})
    assert answer.status == 401
    assert "GitHub Copilot" in answer.error["message"]


async def test_over_capacity_is_503_and_may_be_tried_again(stage):
    stage.admitter._max_concurrency = 1
    first = stage.client("openai/v1/chat/completions", CHAT | {"stream": True}, sim="hang:2")
    running = asyncio.create_task(first.run())
    await first.answer.started.wait()
    answer = await stage.ask("openai/v1/chat/completions", CHAT)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert "--ai-gateway-max-concurrency" in answer.error["message"]
    first.gone.set()
    await running
    assert (await stage.ask("openai/v1/chat/completions", CHAT)).status == 200


async def test_without_a_writable_journal_nothing_is_served(stage, monkeypatch):
    def append(records):
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(JournalUnavailable("database or disk is full"))
        return refused

    monkeypatch.setattr(stage.journal, "append", append)
    answer = await stage.ask("openai/v1/chat/completions", CHAT | {"stream": True})
    assert answer.status == 503
    assert "cannot be put on record (database or disk is full)" in answer.error["message"]


async def test_no_byte_reaches_a_client_before_its_request_is_on_record(stage, monkeypatch):
    """The journal is held back: the provider is called meanwhile, but the client sees nothing."""
    real = stage.journal.append
    gate = asyncio.Event()
    held = []

    def append(records):
        done = asyncio.get_running_loop().create_future()

        async def later():
            await gate.wait()
            await real(records)
            done.set_result(None)

        held.append(asyncio.create_task(later()))
        return done

    monkeypatch.setattr(stage.journal, "append", append)
    client = stage.client("openai/v1/chat/completions", CHAT | {"stream": True})
    running = asyncio.create_task(client.run())
    await eventually(lambda: stage.sim.requests and stage.sim.requests[-1].outcome == "answered")
    assert not client.answer.started.is_set()
    gate.set()
    answer = await running
    assert answer.complete
    await asyncio.gather(*held)


@pytest.mark.parametrize("path", ["openai/v1/chat/completions", "anthropic/v1/messages/count_tokens"])
async def test_nobody_holds_the_body_while_its_answer_comes(stage, path):
    """Agents send hundreds of kilobytes, and their answers take minutes."""
    held = []

    async def on_piece(client):
        held.append(sys.getrefcount(client._body))

    client = stage.client(path, MESSAGES | CHAT | {"stream": True}, on_piece=on_piece)
    before = sys.getrefcount(client._body)
    await client.run()
    assert set(held) == {before}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_no_answer_ends_before_what_it_used_is_on_record(stage, path, payload, stream):
    """At every piece that the client gets, ask: could it take the answer for complete, and is the usage there?"""
    seen = []

    async def on_piece(client):
        body = client.answer.body
        if stream:
            ended = any(mark in body for mark in (b"[DONE]", b"message_stop", b"response.completed"))
        else:
            ended = len(body) == int(client.answer.headers["content-length"])
        if ended and not seen:
            kinds = {type(record) for record in await stage.records()}
            seen.append({InterceptionStart, TokenUsage, InterceptionEnd} <= kinds)

    await stage.ask(path, payload | {"stream": stream}, on_piece=on_piece)
    assert seen == [True]


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [("openai/v1/chat/completions", {}, ALICE.user_id), ("copilot/chat/completions", BYOK, None)],
)
async def test_providers_are_told_who_asks_when_the_operator_wants_it(stage, path, headers, told):
    stage.actor_headers = ActorHeaders(b"x-who", b"x-name", b"x-mail")
    await stage.ask(path, CHAT, headers={"x-who": "forged", **headers})
    received = stage.sim.requests[-1]
    names = [received.header(name) for name in ("x-who", "x-name", "x-mail")]
    assert names == ([told, ALICE.username, ALICE.email] if told else [None] * 3)


async def test_what_passes_through_tells_nobody_who_asks(stage):
    stage.actor_headers = ActorHeaders(b"x-who")
    await stage.ask("openai/v1/models", method="GET", headers={"x-who": "forged"})
    assert stage.sim.requests[-1].header("x-who") is None
