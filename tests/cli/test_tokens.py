from __future__ import annotations

import json

import pytest

from aigateway.cli import tokens

ME = {"id": "u1", "username": "ada"}
MINE = {
    "id": "abcdefghij",
    "user_id": "u1",
    "token_name": "laptop\x1b[2J",
    "scope": "all",
    "scopes": ["all"],
    "last_used": "2026-01-01T00:00:00Z",
    "expires_at": "2026-02-01T00:00:00Z",
    "created_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def gateway(server):
    server.answers["POST", "/api/v2/users/me/keys/tokens"] = (201, {"key": "abcdefghij-0123456789012345678901"})
    server.answers["GET", "/api/v2/users/me"] = (200, ME)
    server.answers["GET", "/api/v2/users/u1/keys/tokens"] = (200, [MINE])
    server.answers["DELETE", "/api/v2/users/me/keys/abcdefghij"] = (204, b"")
    server.answers["DELETE", "/api/v2/users/me/keys/laptop"] = (204, b"")
    return server


def test_create_prints_the_token_and_nothing_else(signed_in, gateway):
    result = signed_in(tokens.command, "create", "-n", "laptop", "--lifetime", "7d")
    assert result.output == "abcdefghij-0123456789012345678901\n"
    assert gateway.asked[-1][2] == {"token_name": "laptop", "lifetime": 7 * 24 * 3600 * 10**9}
    assert gateway.asked[-1][3] == "abcdefghij-0123456789012345678901"


def test_create_reads_the_documented_variables(signed_in, gateway, monkeypatch):
    gateway.answers["POST", "/api/v2/users/bot/keys/tokens"] = (201, {"key": "k"})
    monkeypatch.setenv("CODER_TOKEN_NAME", "ci")
    monkeypatch.setenv("CODER_TOKEN_LIFETIME", "720h")
    monkeypatch.setenv("CODER_TOKEN_USER", "bot")
    assert signed_in(tokens.command, "create").output == "k\n"
    assert gateway.asked[-1][1:3] == (
        "/api/v2/users/bot/keys/tokens",
        {"token_name": "ci", "lifetime": 720 * 3600 * 10**9},
    )


def test_a_lifetime_that_is_none_is_explained(signed_in, gateway):
    result = signed_in(tokens.command, "create", "--lifetime", "soon")
    assert result.exit_code == 2
    assert "'soon': not a duration" in result.output
    assert gateway.asked == []


def test_list_shows_a_table_that_no_name_can_disturb(signed_in, gateway):
    result = signed_in(tokens.command, "list")
    first, second = result.output.splitlines()
    assert first.split("  ")[0] == "ID"
    assert "\\x1b[2J" in second
    assert "\x1b" not in result.output
    assert json.loads(signed_in(tokens.command, "list", "-o", "json").output) == [{**MINE, "owner": "ada"}]


def test_list_all_names_the_owners_page_after_page(signed_in, gateway):
    gateway.answers["GET", "/api/v2/users"] = (200, {"users": [ME], "count": 2})
    result = signed_in(tokens.command, "list", "-a", "-c", "name,owner")
    assert result.output.split() == ["NAME", "OWNER", "laptop\\x1b[2J", "ada", "laptop\\x1b[2J", "ada"]
    assert [path for _, path, *_ in gateway.asked if path.startswith("/api/v2/users?")] == [
        "/api/v2/users?limit=100&offset=0",
        "/api/v2/users?limit=100&offset=1",
    ]


@pytest.mark.parametrize("word", ["remove", "rm", "delete"])
@pytest.mark.parametrize("given", ["laptop", "abcdefghij", "abcdefghij-0123456789012345678901"])
def test_remove_takes_a_name_an_id_or_the_token(signed_in, gateway, word, given):
    assert signed_in(tokens.command, word, given).exit_code == 0
    assert gateway.asked[-1][:2] == ("DELETE", f"/api/v2/users/me/keys/{given.partition('-')[0]}")


def test_a_refusal_is_an_error_and_no_traceback(signed_in, gateway):
    gateway.answers["POST", "/api/v2/users/me/keys/tokens"] = (409, {"message": "A token of that name exists."})
    result = signed_in(tokens.command, "create", "-n", "laptop")
    assert result.exit_code == 1
    assert result.output == "Error: A token of that name exists.\n"
