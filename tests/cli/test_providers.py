import json
import os

import pytest

from aigateway.cli.main import main

URL = "https://corp.example.com/anthropic"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CODER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def configured(monkeypatch):
    def configure(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"CODER_AI_GATEWAY_{name}", value)

    return configure


def test_lists_what_the_server_would_use_and_where_it_is_from(cli, configured):
    configured(
        ENABLED="true",
        OPENAI_KEY="sk-central-0123456789",
        PROVIDER_0_TYPE="anthropic",
        PROVIDER_0_NAME="anthropic-corp",
        PROVIDER_0_KEYS="key-0123456789-one,key-0123456789-two",
        PROVIDER_0_BASE_URL=URL,
    )
    result = cli(main, "providers", "list", "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.output) == [
        {
            "name": "openai",
            "type": "openai",
            "route": "/api/v2/ai-gateway/openai",
            "base_url": "https://api.openai.com/v1/",
            "keys": ["sk-c...6789"],
            "status": "ready",
            "sources": {
                "type": "CODER_AI_GATEWAY_OPENAI_KEY",
                "name": "CODER_AI_GATEWAY_OPENAI_KEY",
                "base_url": "default",
                "keys": "CODER_AI_GATEWAY_OPENAI_KEY",
            },
        },
        {
            "name": "anthropic-corp",
            "type": "anthropic",
            "route": "/api/v2/ai-gateway/anthropic-corp",
            "base_url": URL,
            "keys": ["ke...ne", "ke...wo"],
            "status": "ready",
            "sources": {
                "type": "CODER_AI_GATEWAY_PROVIDER_0_TYPE",
                "name": "CODER_AI_GATEWAY_PROVIDER_0_NAME",
                "base_url": "CODER_AI_GATEWAY_PROVIDER_0_BASE_URL",
                "keys": "CODER_AI_GATEWAY_PROVIDER_0_KEYS",
            },
        },
    ]


def test_takes_the_servers_options_and_says_that_the_gateway_is_off(cli):
    result = cli(main, "providers", "list", "--ai-gateway-anthropic-base-url", URL)
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split("  ")[0] == "anthropic"
    assert "ready, but the gateway is not enabled" in result.output
    assert "base_url: --ai-gateway-anthropic-base-url" in result.output


def test_a_provider_that_cannot_serve_is_listed_with_the_reason(cli, configured):
    configured(ENABLED="true", PROVIDER_0_TYPE="openai")
    result = cli(main, "providers", "list", "--ai-gateway-allow-byok=false")
    assert "unusable: it has no key, and people must not bring their own" in result.stdout
    assert "The provider openai is skipped" in result.stderr


def test_what_is_wrong_is_told_as_the_server_does(cli, configured):
    configured(PROVIDER_0_TYPE="x", PROVIDER_0_KEY="sk-hidden")
    result = cli(main, "providers", "list")
    assert result.exit_code == 1
    assert 'CODER_AI_GATEWAY_PROVIDER_0_TYPE="x": provider 0 cannot have this type' in result.stderr
    assert "hidden" not in result.output


LIVE = [
    {
        "name": "openai",
        "type": "openai",
        "keys": [
            {"hint": "sk-o...0001", "state": "rate_limited", "until": "2026-01-02T00:00:00Z"},
            {"hint": "", "state": "valid", "until": None},
        ],
        "breakers": [{"endpoint": "/v1/responses", "model": "a\x1b[2Jb", "state": "open", "until": None}],
    }
]


def test_how_they_do_right_now(signed_in, server):
    server.answers["GET", "/api/v2/ai/providers/status"] = (200, LIVE)
    result = signed_in(main, "providers", "list", "--live")
    assert result.output.splitlines() == [
        "NAME    TYPE    KEYS" + " " * 66 + "CIRCUIT BREAKERS",
        (
            "openai  openai  sk-o...0001: rate_limited until 2026-01-02T00:00:00Z, unknown: valid"
            "  /v1/responses a\\x1b[2Jb: open"
        ),
    ]
    assert json.loads(signed_in(main, "providers", "list", "--live", "-o", "json").output) == LIVE


def test_how_they_do_right_now_is_asked_of_a_gateway(cli):
    result = cli(main, "providers", "list", "--live")
    assert result.exit_code == 1
    assert "You are not signed in" in result.output


def outcome_of(name, *, ok):
    key = "sk-0...3210"
    return {"name": name, "ok": ok, "status": 200 if ok else 401, "latency_ms": 12, "key": key, "message": "So it is."}


def test_providers_are_tested_and_the_status_tells_scripts(signed_in, server):
    server.answers["GET", "/api/v2/ai/providers/status"] = (200, [{"name": "good"}, {"name": "bad"}])
    for name in ("good", "bad"):
        server.answers["POST", f"/api/v2/ai/providers/{name}/test"] = (200, outcome_of(name, ok=name == "good"))
    result = signed_in(main, "providers", "test", "good")
    assert (result.exit_code, result.output.splitlines()[1].split("  ")[0]) == (0, "good")
    assert "12 ms" in result.output
    result = signed_in(main, "providers", "test", "-o", "json")
    assert (result.exit_code, json.loads(result.output)) == (
        1,
        [outcome_of("good", ok=True), outcome_of("bad", ok=False)],
    )


def test_a_refusal_to_test_is_told(signed_in, server):
    server.answers["POST", "/api/v2/ai/providers/openai/test"] = (403, {"message": "Ask an owner."})
    result = signed_in(main, "providers", "test", "openai")
    assert (result.exit_code, "Ask an owner." in result.output) == (1, True)
