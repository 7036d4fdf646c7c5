from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from aigateway.cli import ai_gateway

FOUND = {
    "id": "i1",
    "initiator": {"id": "u1", "username": "ada"},
    "provider": "anthropic",
    "provider_name": "corp",
    "model": "claude-opus-5-5",
    "client": "Claude Code",
    "started_at": "2026-01-01T00:00:00Z",
    "token_usages": [{"input_tokens": 3, "output_tokens": 4}, {"input_tokens": 5, "output_tokens": 6}],
    "user_prompts": [{"prompt": "one\ntwo " + "x" * 100}],
    "tool_usages": [{}],
}


@pytest.fixture
def gateway(server):
    server.answers["GET", "/api/v2/aibridge/interceptions"] = (200, {"count": 1, "results": [FOUND]})
    return server


def test_json_is_what_it_prints(signed_in, gateway):
    result = signed_in(ai_gateway.command, "interceptions", "list")
    assert json.loads(result.output) == [FOUND]
    assert parse_qs(urlsplit(gateway.asked[-1][1]).query) == {"limit": ["100"]}


def test_filters_become_a_search(signed_in, gateway):
    words = ("--initiator", "me", "--client", "Claude Code", "--started-after", "2026-01-01T00:00:00Z", "--limit", "5")
    signed_in(ai_gateway.command, "interceptions", "list", *words, "--after-id", "i0")
    query = parse_qs(urlsplit(gateway.asked[-1][1]).query)
    assert set(query["q"][0].replace("Claude Code", "Claude_Code").split()) == {
        'initiator:"me"',
        'client:"Claude_Code"',
        'started_after:"2026-01-01T00:00:00Z"',
    }
    assert (query["after_id"], query["limit"]) == (["i0"], ["5"])


def test_a_table_for_people(signed_in, gateway):
    line = signed_in(ai_gateway.command, "interceptions", "list", "-o", "table").output.splitlines()[1]
    assert line.startswith("2026-01-01 00:00:00  ada")
    assert "  8   10   1      -        one\\ntwo x" in line
    assert line.endswith("x…")


def test_a_quotation_mark_cannot_leave_its_value(signed_in, gateway):
    result = signed_in(ai_gateway.command, "interceptions", "list", "--model", 'a" client:b')
    assert result.exit_code == 2
    assert "--model cannot hold a quotation mark" in result.output
