from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from aigateway.cli import ai_gateway

TOKENS = {
    "input_tokens": 1200,
    "output_tokens": 34,
    "cache_read_input_tokens": 5,
    "cache_write_input_tokens": 0,
}
ANY = {
    "id": "s\x1b[2J",
    "initiator": {"id": "u1", "username": "ada"},
    "providers": ["anthropic"],
    "provider_names": ["corp"],
    "models": ["claude-opus-5-5"],
    "client": "Claude Code",
    "metadata": {},
    "started_at": "2026-01-01T00:00:00.123456Z",
    "ended_at": "2026-01-01T00:01:00.000000Z",
    "last_active_at": "2026-01-01T00:00:30.000000Z",
    "interceptions": 3,
    "failures": 1,
    "token_usage_summary": TOKENS,
}
STEP = {"model": "claude-opus-5-5", "token_usage": TOKENS, "thinking": [], "tool_calls": []}
CALL = {
    "tool": "shell",
    "input": '{"command": "ls \\u001b[31m", "n": [1, 2]}',
    "server_url": "",
    "invocation_error": "",
    "metadata": {"executor": "client"},
}
THREAD = {
    "id": "t1",
    "prompt": "why does it fail\x1b?\nplease look",
    "model": "claude-opus-5-5",
    "metadata": {},
    "started_at": "2026-01-01T00:00:00.000000Z",
    "answers": [
        {
            **STEP,
            "interception_id": "i3",
            "started_at": "2026-01-01T00:00:09.000000Z",
            "error_type": "rate_limited",
            "error_message": "slow down",
            "status_code": 429,
        },
        {**STEP, "interception_id": "i2", "started_at": "2026-01-01T00:00:05.000000Z"},
    ],
    "agentic_actions": [
        {
            **STEP,
            "interception_id": "i1",
            "started_at": "2026-01-01T00:00:01.000000Z",
            "duration_ms": 1250,
            "time_to_first_byte_ms": 300,
            "thinking": [{"text": "let me see"}],
            "tool_calls": [CALL],
        }
    ],
}
AGENT = {**THREAD, "id": "t2", "answers": [], "agentic_actions": [], "metadata": {"agent_id": "a7"}}
del AGENT["prompt"]
ONE = {
    **STEP,
    "id": "i1",
    "initiator": {"id": "u1", "username": "ada"},
    "api_key_id": "abcdefghij",
    "client": "Codex",
    "provider_name": "corp",
    "credential_kind": "centralized",
    "credential_hint": "sk-...abc",
    "session_id": "s",
    "thread_root_id": None,
    "thread_parent_id": None,
    "started_at": "2026-01-01T00:00:00.000000Z",
    "ended_at": None,
    "status_code": 200,
    "error_type": None,
    "error_message": None,
    "duration_ms": None,
    "time_to_first_byte_ms": None,
    "request_bytes": 10,
    "response_bytes": 2000,
    "token_usages": [TOKENS],
    "user_prompts": [{"prompt": "hello"}],
    "model_thoughts": [{"content": "greet back"}],
    "tool_usages": [CALL | {"invocation_error": "no such tool"}],
}


@pytest.fixture
def gateway(server):
    session = {**ANY, "threads": 2, "last_prompt": "x" * 100}
    server.answers["GET", "/api/v2/aibridge/sessions"] = (200, {"count": 1, "sessions": [session]})
    shown = {**ANY, "thread_count": 2, "threads": [THREAD, AGENT]}
    server.answers["GET", "/api/v2/aibridge/sessions/a%2Fb"] = (200, shown)
    server.answers["GET", "/api/v2/aibridge/interceptions/i1"] = (200, ONE)
    return server


def query(gateway):
    return parse_qs(urlsplit(gateway.asked[-1][1]).query)


def test_a_table_of_sessions(signed_in, gateway):
    words = ("--error-type", "any", "--status", "429", "--session-id", "s", "--after-session-id", "z")
    line = signed_in(ai_gateway.command, "sessions", "list", *words).output.splitlines()[1]
    assert line.startswith("2026-01-01 00:00:00  ada")
    assert "s\\x1b[2J" in line
    assert line.endswith("x…")
    assert query(gateway)["q"] == ['error_type:"any" status:"429" session_id:"s"']
    assert query(gateway)["after_session_id"] == ["z"]


def test_a_search_for_texts(signed_in, gateway):
    words = ("--text", "drop table", "--text", "curl", "--q", 'status:200 text:"a b"')
    signed_in(ai_gateway.command, "sessions", "list", *words)
    assert query(gateway)["q"] == ['text:"drop table" text:"curl" status:200 text:"a b"']


@pytest.mark.parametrize("what", ["sessions", "interceptions"])
def test_a_search_that_could_not_look_everywhere_says_so(signed_in, server, what):
    page = {"count": 0, "sessions": [], "results": [], "incomplete": "Older texts are still being indexed."}
    server.answers["GET", f"/api/v2/aibridge/{what}"] = (200, page)
    result = signed_in(ai_gateway.command, what, "list", "-o", "table", "--text", "x")
    assert "still being indexed" in result.stderr


def test_json_for_programs(signed_in, gateway):
    listed = json.loads(signed_in(ai_gateway.command, "sessions", "list", "-o", "json").output)
    assert listed["count"] == 1
    shown = json.loads(signed_in(ai_gateway.command, "sessions", "show", "a/b", "-o", "json").output)
    assert shown["threads"] == [THREAD, AGENT]
    assert json.loads(signed_in(ai_gateway.command, "interceptions", "show", "i1", "-o", "json").output) == ONE


def test_a_session_as_a_timeline(signed_in, gateway):
    result = signed_in(ai_gateway.command, "sessions", "show", "a/b", "--side-requests", "--limit", "2")
    assert "\x1b" not in result.output
    places = [
        result.output.index(text)
        for text in (
            "who: ada, with Claude Code",
            "2026-01-01 00:00:00 to 2026-01-01 00:01:00 (UTC)",
            "3 in 2 threads, 1 failed",
            "tokens 1,200 in, 34 out, 5 from cache",
            "why does it fail\\x1b?\nplease look",
            "00:00:01  thought",
            "let me see",
            "tool shell",
            '  "command": "ls \\u001b[31m"',
            "1.2 s (first byte 0.3 s), tokens",
            "00:00:05  answered",
            "00:00:09  failed: rate_limited, 429",
            "slow down",
            "(sub-agent a7)",
        )
    ]
    assert places == sorted(places)
    assert "--after-id t2" in result.stderr
    assert query(gateway) == {"include_side_requests": ["true"], "limit": ["2"]}


def test_one_request_whole(signed_in, gateway):
    told = signed_in(ai_gateway.command, "interceptions", "show", "i1").output
    for text in ("hello", "greet back", "tool shell", "no such tool", "10 in, 2,000 out", "token abcdefghij"):
        assert text in told


def test_an_empty_list_says_so_on_standard_error(signed_in, server):
    server.answers["GET", "/api/v2/aibridge/sessions"] = (200, {"count": 0, "sessions": []})
    result = signed_in(ai_gateway.command, "sessions", "list")
    assert result.stderr == "No such sessions are on record.\n"
    assert len(result.stdout.splitlines()) == 1


def test_what_is_not_there_is_said_in_a_sentence(signed_in, server):
    server.answers["GET", "/api/v2/aibridge/sessions/x"] = (404, {"message": "There is no such session."})
    result = signed_in(ai_gateway.command, "sessions", "show", "x")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such session.\n")
