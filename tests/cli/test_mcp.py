from __future__ import annotations

import json
import os

import pytest

from aigateway.cli.main import main
from tests.support.mcp_server import McpServer


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CODER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def configured(monkeypatch):
    def configure(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"CODER_{name}", value)

    return configure


@pytest.fixture(scope="module")
def docs():
    with McpServer(("search", "get_page", "delete_page")) as running:
        yield running


@pytest.fixture(scope="module")
def hub():
    with McpServer(("get_me",), tokens={"right"}) as running:
        yield running


def account(hub):
    return {
        "EXTERNAL_AUTH_0_ID": "hub",
        "EXTERNAL_AUTH_0_TYPE": "github",
        "EXTERNAL_AUTH_0_CLIENT_ID": "id",
        "EXTERNAL_AUTH_0_CLIENT_SECRET": "hidden-secret",
        "EXTERNAL_AUTH_0_MCP_URL": hub.url,
    }


def of_docs(docs, number=0, name="docs"):
    prefix = f"AI_GATEWAY_MCP_{number}"
    return {f"{prefix}_NAME": name, f"{prefix}_URL": docs.url, f"{prefix}_TOOL_DENY_REGEX": "^delete_"}


def test_lists_what_the_server_would_use(cli, configured, docs, hub):
    configured(**account(hub), **of_docs(docs), AI_GATEWAY_MCP_0_HEADERS="X-Key: hidden-0123456789")
    result = cli(main, "mcp", "list", "--json")
    assert result.exit_code == 0, result.output
    first, second = json.loads(result.output)
    assert (first["name"], first["credential"]) == ("hub", "each person's own account")
    assert (second["name"], second["credential"], second["deny"]) == (
        "docs",
        "X-Key: hi...89",
        "^delete_",
    )
    assert second["sources"]["URL"] == "CODER_AI_GATEWAY_MCP_0_URL"
    assert "hidden-" not in result.output
    assert "docs" in cli(main, "mcp", "list").output


def test_a_test_shows_the_tools_that_are_offered_and_those_that_are_not(cli, configured, docs):
    configured(**of_docs(docs))
    result = cli(main, "mcp", "test")
    assert result.exit_code == 0, result.output
    assert "reachable" in result.output
    assert "bmcp_docs_search" in result.output
    assert "left out: it is denied by the server's TOOL_DENY_REGEX" in result.output
    [found] = json.loads(cli(main, "mcp", "test", "docs", "-o", "json").output)
    assert found["reachable"]
    assert [each["name"] for each in found["tools"]] == ["bmcp_docs_get_page", "bmcp_docs_search"]
    assert found["left_out"][0]["tool"] == "delete_page"


def test_a_server_that_cannot_be_used_ends_the_test_with_status_1(cli, configured, docs):
    with McpServer() as gone:
        url = gone.url
    configured(**of_docs(docs), AI_GATEWAY_MCP_1_NAME="gone", AI_GATEWAY_MCP_1_URL=url)
    result = cli(main, "mcp", "test")
    assert result.exit_code == 1
    assert "it cannot be reached" in result.output
    assert "bmcp_docs_search" in result.output, "the others are shown all the same"
    assert cli(main, "mcp", "test", "docs").exit_code == 0


def test_a_server_that_wants_an_account_is_there(cli, configured, hub):
    configured(**account(hub))
    result = cli(main, "mcp", "test")
    assert result.exit_code == 0, result.output
    assert "it answers accounts only" in result.output
    assert "bmcp_hub_get_me" in cli(main, "mcp", "test", "--token", "right").output
    assert cli(main, "mcp", "test", "--token", "wrong").exit_code == 1


def test_names_that_collide_are_shown(cli, configured, docs):
    with McpServer(("b_c",)) as one, McpServer(("c",)) as other:
        configured(
            AI_GATEWAY_MCP_0_NAME="a",
            AI_GATEWAY_MCP_0_URL=one.url,
            AI_GATEWAY_MCP_1_NAME="a_b",
            AI_GATEWAY_MCP_1_URL=other.url,
        )
        result = cli(main, "mcp", "test")
        assert "(its name was taken)" in result.output
        found = json.loads(cli(main, "mcp", "test", "--json").output)
        assert [each["collisions"] for each in found] == [[], ["c"]]


def test_a_name_that_nobody_has(cli, configured, docs):
    configured(**of_docs(docs))
    result = cli(main, "mcp", "test", "nowhere")
    assert result.exit_code == 1
    assert "No MCP server is called nowhere. There are: docs." in result.output


def test_nothing_is_set(cli):
    assert "No MCP server is set." in cli(main, "mcp", "test").output
    assert cli(main, "mcp", "list", "--json").output.strip() == "[]"


def test_the_running_gateway_is_asked(signed_in, server, configured):
    configured(URL=server.url, SESSION_TOKEN="abcdefghij-0123456789012345678901")
    server.answers["GET", "/api/v2/ai/mcp/servers/status"] = (
        200,
        [
            {"name": "docs", "url": "https://d", "reachable": True, "error": "", "tools": ["a", "b"], "left_out": []},
            {"name": "hub", "url": "https://h", "reachable": False, "error": "it is down", "tools": [], "left_out": []},
            {"name": "new", "url": "https://n", "reachable": None, "error": "", "tools": [], "left_out": []},
        ],
    )
    lines = signed_in(main, "mcp", "list", "--live").output.splitlines()
    assert lines[1].split() == ["docs", "https://d", "reachable", "2", "0"]
    assert "it is down" in lines[2]
    assert "not asked yet" in lines[3]


LINKED = {"provider_id": "hub", "created_at": "2026-01-01T00:00:00Z", "validate_error": "", "authenticated": True}


def test_accounts_are_listed(signed_in, server, configured):
    configured(URL=server.url, SESSION_TOKEN="abcdefghij-0123456789012345678901")
    providers = [{"id": "hub", "type": "github"}, {"id": "forge", "type": ""}]
    server.answers["GET", "/api/v2/external-auth"] = (200, {"providers": providers, "links": [LINKED]})
    lines = signed_in(main, "external-auth", "list").output.splitlines()
    assert lines[1].split()[:3] == ["hub", "github", "linked"]
    assert "not linked" in lines[2]


def test_linking_prints_the_address_and_waits(signed_in, server, configured, monkeypatch):
    configured(URL=server.url, SESSION_TOKEN="abcdefghij-0123456789012345678901")
    monkeypatch.setattr("aigateway.cli.external_auth._LOOK_AGAIN_SECONDS", 0.0)
    path = ("GET", "/api/v2/external-auth/hub")
    server.answers[path] = (200, {"authenticated": False, "link": None})

    def browser(_seconds):
        server.answers[path] = (200, {"authenticated": True, "link": LINKED})

    monkeypatch.setattr("time.sleep", browser)
    result = signed_in(main, "external-auth", "link", "hub")
    assert result.exit_code == 0, result.output
    assert f"{server.url}/external-auth/hub/link" in result.output
    assert "Your account at hub is linked." in result.output


def test_linking_is_given_up_after_a_while(signed_in, server, configured):
    configured(URL=server.url, SESSION_TOKEN="abcdefghij-0123456789012345678901")
    server.answers["GET", "/api/v2/external-auth/hub"] = (200, {"authenticated": False, "link": None})
    result = signed_in(main, "external-auth", "link", "hub", "--wait", "0")
    assert result.exit_code == 1
    assert "was not linked within 0 seconds" in result.output


def test_an_account_is_unlinked(signed_in, server, configured):
    configured(URL=server.url, SESSION_TOKEN="abcdefghij-0123456789012345678901")
    server.answers["DELETE", "/api/v2/external-auth/hub"] = (204, b"")
    assert signed_in(main, "external-auth", "unlink", "hub").exit_code == 0
    server.answers["DELETE", "/api/v2/external-auth/hub"] = (404, {"message": "You have no account linked at hub."})
    result = signed_in(main, "external-auth", "unlink", "hub")
    assert (result.exit_code, "You have no account linked at hub." in result.output) == (1, True)
