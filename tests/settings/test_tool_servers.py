"""MCP servers as operators write them: variables, YAML, and every mistake in their words."""

from __future__ import annotations

import time

import pytest

from aigateway.settings.tool_patterns import parse_tool_pattern
from aigateway.settings.written import written_config

GITHUB = {
    "CODER_EXTERNAL_AUTH_0_ID": "primary-github",
    "CODER_EXTERNAL_AUTH_0_TYPE": "github",
    "CODER_EXTERNAL_AUTH_0_CLIENT_ID": "Iv1.abc",
    "CODER_EXTERNAL_AUTH_0_CLIENT_SECRET": "hidden-secret",
    "CODER_EXTERNAL_AUTH_0_MCP_URL": "https://api.githubcopilot.com/mcp/",
    "CODER_EXTERNAL_AUTH_0_MCP_TOOL_ALLOW_REGEX": "^get_|^list_",
    "CODER_EXTERNAL_AUTH_0_MCP_TOOL_DENY_REGEX": "secret",
}
DOCS = {
    "CODER_AI_GATEWAY_MCP_0_NAME": "docs",
    "CODER_AI_GATEWAY_MCP_0_URL": "https://docs.example.com/mcp",
    "CODER_AI_GATEWAY_MCP_0_HEADERS": 'Authorization: Bearer hidden-header,"X-Teams: a,b"',
}


def test_a_server_with_accounts_at_github_needs_little(operator):
    [server] = operator.sets(env=GITHUB).tool_servers
    assert (server.name, server.url) == ("primary-github", "https://api.githubcopilot.com/mcp/")
    assert server.account.auth_url == "https://github.com/login/oauth/authorize"
    assert server.account.token_url == "https://github.com/login/oauth/access_token"
    assert server.account.scopes == ("repo",)
    assert server.account.client_secret.reveal() == "hidden-secret"
    assert server.allow.search("get_me")
    assert server.deny.search("get_secret")
    assert server.headers == ()
    assert "hidden" not in repr(server)


def test_the_operator_wins_over_what_is_known_of_a_type(operator):
    env = {
        "CODER_EXTERNAL_AUTH_0_TYPE": "gitlab",
        "CODER_EXTERNAL_AUTH_0_CLIENT_ID": "id",
        "CODER_EXTERNAL_AUTH_0_AUTH_URL": "https://gitlab.example.com/oauth/authorize",
        "CODER_EXTERNAL_AUTH_0_TOKEN_URL": "https://gitlab.example.com/oauth/token",
        "CODER_EXTERNAL_AUTH_0_SCOPES": "read_api, read_user",
        "CODER_EXTERNAL_AUTH_0_MCP_URL": "https://gitlab.example.com/api/v4/mcp",
    }
    [server] = operator.sets(env=env).tool_servers
    assert server.name == "gitlab", "the type is the name where none is given"
    assert server.account.auth_url == "https://gitlab.example.com/oauth/authorize"
    assert server.account.scopes == ("read_api", "read_user")
    assert server.account.client_secret is None


def test_a_server_with_one_credential_for_all(operator):
    [server] = operator.sets(env=DOCS).tool_servers
    assert server.account is None
    assert [(name, value.reveal()) for name, value in server.headers] == [
        ("Authorization", "Bearer hidden-header"),
        ("X-Teams", "a,b"),
    ]
    assert "hidden" not in repr(server)


def test_both_kinds_are_numbered_apart(operator):
    assert [server.name for server in operator.sets(env=GITHUB | DOCS).tool_servers] == ["primary-github", "docs"]


def test_an_external_auth_provider_without_mcp_is_of_no_use_here(operator):
    env = {"CODER_EXTERNAL_AUTH_0_TYPE": "github", "CODER_EXTERNAL_AUTH_0_CLIENT_ID": "id"}
    loaded = operator.loads(env=env)
    assert loaded.settings.tool_servers == ()
    assert loaded.warnings == (
        (
            "CODER_EXTERNAL_AUTH_0_CLIENT_ID and its like have no effect, "
            "because CODER_EXTERNAL_AUTH_0_MCP_URL is not set."
        ),
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("CODER_EXTERNAL_AUTH_0_DISPLAY_NAME", "has no effect: accounts are linked for MCP tools only"),
        ("CODER_EXTERNAL_AUTH_0_CLIENTID", "did you mean CODER_EXTERNAL_AUTH_0_CLIENT_ID?"),
        ("CODER_EXTERNAL_AUTH_GITHUB_DEFAULT_PROVIDER_ENABLE", "is not a setting of this version and has no effect"),
        ("CODER_AI_GATEWAY_MCP_MAX_ROUND", "did you mean CODER_AI_GATEWAY_MCP_MAX_ROUNDS?"),
    ],
)
def test_a_name_that_nothing_reads_is_warned_of(operator, name, told):
    warnings = operator.loads(env=GITHUB | {name: "1"}).warnings
    assert any(name in warning and told in warning for warning in warnings), warnings


def test_every_mistake_is_told_at_once_in_the_operators_words(operator):
    lines = operator.hears(
        env={
            "CODER_EXTERNAL_AUTH_0_ID": "hub",
            "CODER_EXTERNAL_AUTH_0_TYPE": "forge",
            "CODER_EXTERNAL_AUTH_0_MCP_URL": "forge.example.com",
            "CODER_EXTERNAL_AUTH_0_MCP_TOOL_DENY_REGEX": "(a+)+$",
            "CODER_AI_GATEWAY_MCP_0_NAME": "no spaces",
            "CODER_AI_GATEWAY_MCP_0_HEADERS": "hidden-header",
            "CODER_AI_GATEWAY_MCP_2_NAME": "hub",
            "CODER_AI_GATEWAY_MCP_2_URL": "https://u:hidden@docs.example.com",
            "CODER_AI_GATEWAY_MCP_2_TOOL_ALLOW_REGEX": "(",
            "CODER_AI_GATEWAY_MCP_01_NAME": "x",
        }
    )
    assert sorted(lines) == sorted(
        [
            (
                "CODER_AI_GATEWAY_MCP_01_NAME: '01' is not an MCP server's number; number them 0, 1, 2 and so on, "
                "as in CODER_AI_GATEWAY_MCP_0_NAME"
            ),
            (
                "CODER_AI_GATEWAY_MCP_1_NAME: MCP server 1 is missing, but 2 is there; number MCP servers 0, 1, 2 "
                "without gaps"
            ),
            "CODER_EXTERNAL_AUTH_0_CLIENT_ID: is needed, because other parts of 0 are set",
            "CODER_EXTERNAL_AUTH_0_AUTH_URL: is needed, because other parts of 0 are set",
            "CODER_EXTERNAL_AUTH_0_TOKEN_URL: is needed, because other parts of 0 are set",
            (
                'CODER_EXTERNAL_AUTH_0_MCP_URL="forge.example.com": not an absolute URL; write it with http:// or '
                "https:// and a host"
            ),
            (
                'CODER_EXTERNAL_AUTH_0_MCP_TOOL_DENY_REGEX="(a+)+$": repeats what repeats already, which may take for '
                "ever on some names; write it without, for example [a-z_]+ for ([a-z]+_?)+"
            ),
            "CODER_AI_GATEWAY_MCP_0_URL: is needed, because other parts of 0 are set",
            (
                'CODER_AI_GATEWAY_MCP_0_NAME="no spaces": not a name for a server; write up to 32 of a-z, A-Z, 0-9, _ '
                "and -, for example github"
            ),
            'CODER_AI_GATEWAY_MCP_0_HEADERS: not a list of headers; write for example "Authorization: Bearer abc"',
            (
                "CODER_AI_GATEWAY_MCP_2_URL: a URL must not carry credentials; remove the part before the @ and set "
                "the key by its option"
            ),
            (
                'CODER_AI_GATEWAY_MCP_2_TOOL_ALLOW_REGEX="(": not a regular expression (missing ), unterminated '
                "subpattern at position 0); write one, for example ^get_|^list_"
            ),
            (
                'CODER_AI_GATEWAY_MCP_2_NAME="hub": two MCP servers are called so, this one and that of '
                "CODER_EXTERNAL_AUTH_0_ID; rename one"
            ),
        ]
    )


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ("Host: x", "the header Host is the protocol's own; remove it"),
        ("Mcp-Session-Id: x", "the header Mcp-Session-Id is the protocol's own; remove it"),
        ("X-A:", "the header X-A has no value; write one, or remove it"),
        ("X-A: 1,x-a: 2", "the header x-a is there twice; remove one"),
        ("X A: 1", 'not a list of headers; write for example "Authorization: Bearer abc"'),
        ("X-A: a\nb", "has characters that a credential cannot have, perhaps a line break; copy it again"),
    ],
)
def test_headers_that_cannot_be_sent(operator, headers, told):
    [line] = operator.hears(env=DOCS | {"CODER_AI_GATEWAY_MCP_0_HEADERS": headers})
    assert line == f"CODER_AI_GATEWAY_MCP_0_HEADERS: {told}"


YAML = """
ai_gateway:
  mcp_max_rounds: 4
  mcp_servers:
    - name: docs
      url: https://docs.example.com/mcp
    - name: wiki
      url: https://wiki.example.com/mcp
      tool_deny_regex: ^delete_
externalAuthProviders:
  - id: hub
    type: github
    client_id: Iv1.abc
    scopes: [repo, workflow]
    mcp_url: https://api.githubcopilot.com/mcp/
"""


def test_servers_may_be_listed_in_the_file_and_a_variable_adds_to_them(operator):
    env = {"CODER_AI_GATEWAY_MCP_1_HEADERS": "X-Key: hidden", "CODER_AI_GATEWAY_MCP_1_NAME": "handbook"}
    settings = operator.sets(yaml=YAML, env=env | {"CODER_EXTERNAL_AUTH_0_CLIENT_SECRET": "hidden"})
    hub, docs, handbook = settings.tool_servers
    assert (hub.name, hub.account.scopes, hub.account.client_secret.reveal()) == ("hub", ("repo", "workflow"), "hidden")
    assert (docs.name, docs.url) == ("docs", "https://docs.example.com/mcp")
    assert (handbook.name, handbook.url) == ("handbook", "https://wiki.example.com/mcp")
    assert handbook.deny.pattern == "^delete_"
    assert handbook.headers[0][0] == "X-Key"
    assert settings.tools.max_rounds == 4


def test_what_the_file_cannot_hold_is_refused_with_its_place(operator):
    lines = operator.hears(
        yaml="""
ai_gateway:
  mcp_servers:
    - name: docs
      url: https://docs.example.com/mcp
      headers: "X-Key: hidden"
      tool_allow: x
externalAuthProviders: github
"""
    )
    assert lines == [
        (
            "externalAuthProviders (coder.yaml line 8): must hold a list, of which each item has the keys of "
            "an external auth provider"
        ),
        (
            "ai_gateway.mcp_servers[0].headers (coder.yaml line 6): a secret cannot be in a YAML file; remove it there "
            "and set the variable CODER_AI_GATEWAY_MCP_0_HEADERS"
        ),
        (
            "ai_gateway.mcp_servers[0].tool_allow (coder.yaml line 7): is not a key of an MCP server; "
            "did you mean tool_allow_regex?"
        ),
    ]


def test_the_written_file_gives_the_same_servers_and_no_secret(operator):
    loaded = operator.loads(env=GITHUB | DOCS)
    text = written_config(loaded.resolved, loaded.settings.providers, loaded.settings.tool_servers)
    assert "hidden" not in text
    assert "# Not in this file: CODER_EXTERNAL_AUTH_0_CLIENT_SECRET" in text
    assert "# Not in this file: CODER_AI_GATEWAY_MCP_0_HEADERS" in text
    secrets = {name: value for name, value in (GITHUB | DOCS).items() if "hidden" in value}
    assert operator.sets(yaml=text, env=secrets).tool_servers == loaded.settings.tool_servers


@pytest.mark.parametrize("text", ["(a+)+$", "(a*)*", "(?:x|(y+)z)*", "(a{2,})+", "((ab)+c?)*", "(.*a)+"])
def test_an_expression_that_may_take_for_ever_is_refused(text):
    with pytest.raises(ValueError, match="for ever"):
        parse_tool_pattern(text)


@pytest.mark.parametrize(
    "text", ["^get_", "get_|list_", "^(get|list)_[a-z_]+$", "a{2,5}b+", "[[x]", "(ab)+c*", "x.*y.*z"]
)
def test_expressions_in_use_are_taken_and_quick(text):
    pattern = parse_tool_pattern(text)
    began = time.perf_counter()
    pattern.search("x" * 128)
    assert time.perf_counter() - began < 0.1
