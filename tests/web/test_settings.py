from __future__ import annotations

from dataclasses import replace

import pytest

from aigateway.settings.load import load
from aigateway.settings.options import OPTIONS
from aigateway.settings.resolve import Resolved
from aigateway.settings.secret import Secret
from aigateway.settings.shown import Effective

SECRET = "sk-0123456789-secret-9876543210"
ENV = {
    "HOME": "/home/operator",
    "CODER_AIBRIDGE_RETENTION": "90d",
    "CODER_AI_GATEWAY_OPENAI_KEY": SECRET,
    "CODER_AI_GATEWAY_PROVIDER_0_TYPE": "anthropic",
    "CODER_AI_GATEWAY_PROVIDER_0_NAME": "corp",
    "CODER_AI_GATEWAY_PROVIDER_0_KEY": SECRET,
    "CODER_EXTERNAL_AUTH_0_ID": "github",
    "CODER_EXTERNAL_AUTH_0_TYPE": "github",
    "CODER_EXTERNAL_AUTH_0_CLIENT_ID": "Iv1.abc",
    "CODER_EXTERNAL_AUTH_0_CLIENT_SECRET": SECRET,
    "CODER_EXTERNAL_AUTH_0_MCP_URL": "https://api.githubcopilot.com/mcp/",
    "CODER_EXTERNAL_AUTH_0_MCP_TOOL_DENY_REGEX": "secret|delete",
    "CODER_AI_GATEWAY_MCP_0_NAME": "docs",
    "CODER_AI_GATEWAY_MCP_0_URL": "https://docs.example.com/mcp",
    "CODER_AI_GATEWAY_MCP_0_HEADERS": f"Authorization: Bearer {SECRET}",
    "CODER_AI_GATEWAY_MCP_0_TOOL_ALLOW_REGEX": "^get_",
    "CODER_PG_CONNECTION_URL": f"postgres://ann:{SECRET}@db.example.com/gateway",
}


@pytest.fixture
def site(site, tmp_path):
    file = tmp_path / "coder.yaml"
    file.write_text("networking:\n  accessURL: https://gateway.example.com\n")
    return replace(site, settings=Effective.of(load({"--workers": ["2"], "--config": [str(file)]}, ENV)))


@pytest.fixture
async def owner(browser, boss):
    await browser.be(boss)
    return browser


async def found(owner, query=""):
    options = (await owner.get(f"/settings.json{query}")).json()["options"]
    return {option["name"]: option for option in options}


async def test_each_option_says_what_it_is_and_who_set_it(owner):
    options = await found(owner)
    assert {option.names.flag for option in OPTIONS if not option.ignored and not option.hidden} <= set(options)
    told = {name: (options[name]["value"], options[name]["source"], options[name]["is_set"]) for name in options}
    assert told["--workers"] == ("2", "--workers", True)
    assert told["--ai-gateway-retention"] == ("90d", "CODER_AIBRIDGE_RETENTION", True)
    assert told["--access-url"] == ("https://gateway.example.com", "networking.accessURL (coder.yaml line 2)", True)
    assert told["--http-address"] == ("127.0.0.1:3000", "default", False)
    assert told["corp: type"] == ("anthropic", "CODER_AI_GATEWAY_PROVIDER_0_TYPE", True)
    assert all(option["help"] for name, option in options.items() if name.startswith("--"))
    page = (await owner.get("/settings")).text
    for text in ("networking.accessURL (coder.yaml line 2)", "How long records of requests are kept", ">Settings</a>"):
        assert text in page


async def test_mcp_servers_are_shown_with_what_set_each_part(owner):
    options = await found(owner)
    assert options["github: url"]["value"] == "https://api.githubcopilot.com/mcp/"
    assert options["github: url"]["source"] == "CODER_EXTERNAL_AUTH_0_MCP_URL"
    assert (options["github: scopes"]["value"], options["github: scopes"]["source"]) == ("repo", "default")
    assert options["github: deny"]["source"] == "CODER_EXTERNAL_AUTH_0_MCP_TOOL_DENY_REGEX"
    assert options["docs: allow"]["source"] == "CODER_AI_GATEWAY_MCP_0_TOOL_ALLOW_REGEX"
    assert options["docs: headers"]["value"].startswith("Authorization: ")
    assert "The MCP servers in effect" in (await owner.get("/settings")).text


async def test_warnings_of_the_start_are_shown(owner):
    assert "CODER_AIBRIDGE_RETENTION is an old name" in (await owner.get("/settings")).text
    [warning] = (await owner.get("/settings.json")).json()["warnings"]
    assert "old name" in warning


async def test_secrets_are_masked_by_their_type(owner):
    options = await found(owner)
    for name in ("--ai-gateway-openai-key", "--postgres-url", "corp: keys", "github: client secret", "docs: headers"):
        assert options[name]["is_secret"]
        assert "..." in options[name]["value"]
    for path in ("/settings", "/settings.json", "/settings?q=secret", f"/settings.json?q={SECRET}"):
        assert "secret-9876543210" not in (await owner.get(path)).text.replace(f'value="{SECRET}"', "")
    assert await found(owner, f"?q={SECRET[:12]}") == {}


@pytest.mark.parametrize("value", [Secret(SECRET), (Secret(SECRET),), SECRET, SECRET.encode()])
def test_every_secret_option_is_masked_whatever_it_holds(value):
    resolved = {option.field: Resolved(value if option.kind.is_secret else None, "default") for option in OPTIONS}
    loaded = load({}, {"HOME": "/home/operator"})._replace(resolved=resolved)
    secrets = [option for option in Effective.of(loaded).options if option.is_secret]
    assert secrets
    assert {option.value for option in secrets} <= {"sk-0...3210", "…"}


@pytest.mark.parametrize(
    ("q", "name"),
    [
        ("?q=retention", "--ai-gateway-retention"),
        ("?q=CODER_ACCESS_URL", "--access-url"),
        ("?q=bodies+largest", None),
        ("?q=how+many+processes", "--workers"),
        ("?set=1", "--workers"),
    ],
)
async def test_options_are_found_by_name_variable_and_meaning(owner, q, name):
    options = await found(owner, q)
    assert "--http-address" not in options
    assert name is None or name in options


async def test_what_is_not_found_says_so(owner):
    page = await owner.get("/settings?q=%3Cb%3Enothing")
    assert "No setting is called so." in page.text
    assert "<b>nothing" not in page.text


@pytest.mark.parametrize("role", ["auditor", "user-admin", None])
async def test_others_see_neither_page_nor_link(browser, world, role):
    await browser.be(await world.user("eve", *filter(None, [role])))
    answer = await browser.get("/settings")
    assert (answer.status_code, "Ask an owner" in answer.text) == (403, True)
    assert 'href="/settings"' not in (await browser.get("/")).text
