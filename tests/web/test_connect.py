"""Connecting every client that the gateway knows: exact lines for this server, whoever's key."""

from __future__ import annotations

import ast
import html
import json
import re
import tomllib

import pytest

from aigateway.providers.provider import build
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.web.recipes import book
from tests.web.conftest import ORIGIN, PROVIDERS

HEADER = "X-Coder-AI-Governance-Token"
NAMED = """Claude Code, Codex, OpenCode, Cline, Roo Code, Kilo Code, Zed, VS Code chat, JetBrains AI Assistant,
Junie, Factory, Mux, Goose, Copilot CLI, Qwen Code, pi, Kilo CLI, OpenAI SDK, Anthropic SDK, curl, Cursor, Windsurf,
Gemini CLI, Claude Desktop""".replace("\n", " ").split(", ")
LINES = [
    (recipe, way, own) for recipe in book().client for way in recipe.way for own in (False, True)[: 1 + bool(way.own)]
]


def filled(way, own):
    return way.filled(base="https://gw.example.com/api/v2/ai-gateway", provider="corp", token="TOKEN", own=own)


@pytest.mark.parametrize(
    ("recipe", "way", "own"), LINES, ids=[f"{recipe.slug}-{way.speaks}-{own}" for recipe, way, own in LINES]
)
def test_each_client_is_told_the_address_and_the_token(recipe, way, own):
    lines = "\n".join(step.lines for step in filled(way, own))
    assert "https://gw.example.com/api/v2/ai-gateway/corp" in lines
    assert "TOKEN" in lines
    assert "$" not in lines.replace("$schema", "")
    if own or way.speaks in {"chatgpt", "copilot"}:
        assert HEADER in lines
    for step in filled(way, own):
        if step.lines.startswith("{"):
            json.loads(step.lines)
        elif step.where.endswith(".toml"):
            tomllib.loads(step.lines)
        elif step.where == "In Python":
            ast.parse(step.lines)


def test_the_addresses_are_those_of_the_documented_set_up():
    told = {
        (recipe.slug, way.speaks): "\n".join(step.lines for step in filled(way, own=False))
        for recipe in book().client
        for way in recipe.way
    }
    base = "https://gw.example.com/api/v2/ai-gateway/corp"
    assert f"ANTHROPIC_BASE_URL={base}\n" in told["claude-code", "anthropic"]
    assert f'base_url = "{base}/v1"' in told["codex", "openai"]
    assert f'"baseURL": "{base}/v1"' in told["opencode", "anthropic"]
    assert f"{base}/v1\n" in told["cline", "openai"]
    assert f"{base}\n" in told["cline", "anthropic"]
    assert f'"api_url": "{base}"' in told["zed", "anthropic"]
    assert f'"api_url": "{base}/v1"' in told["zed", "openai"]
    assert f"{base}/v1/responses" in told["vscode", "openai"]
    assert f"{base}/v1/messages" in told["junie", "anthropic"]


@pytest.mark.parametrize(
    "name",
    [
        "Claude Code",
        "Codex",
        "OpenCode",
        "Cline",
        "Roo Code",
        "Kilo Code",
        "Zed",
        "VS Code chat",
        "JetBrains AI Assistant",
        "Junie",
        "Factory",
        "Mux",
        "Goose",
        "Copilot CLI",
        "Qwen Code",
        "pi",
        "Kilo CLI",
        "OpenAI SDK",
        "Anthropic SDK",
        "curl",
        "Cursor",
        "Windsurf",
        "Gemini CLI",
        "Claude Desktop",
    ],
)
async def test_each_client_is_there_to_be_picked_or_the_page_says_why_not(browser, boss, name):
    await browser.be(boss)
    assert name in (await browser.get("/connect")).text


@pytest.mark.parametrize("recipe", book().client, ids=lambda recipe: recipe.slug)
async def test_each_client_has_a_page(browser, site, boss, recipe):
    await browser.be(boss)
    page = await browser.get(f"/connect/{recipe.slug}")
    if not any(recipe.way_to(provider.type.value) for provider in PROVIDERS.values()):
        assert page.headers["location"] == "/connect"
        return
    for way in recipe.way:
        page = html.unescape((await browser.get(f"/connect/{recipe.slug}?provider={way.speaks}")).text)
        lines = way.filled(base=f"{ORIGIN}/api/v2/ai-gateway", provider=way.speaks, token="YOUR_TOKEN", own=False)
        assert way.speaks not in PROVIDERS or all(step.lines in page for step in lines)


async def test_people_with_a_key_of_their_own_are_told_how_where_they_may(browser, site, boss):
    await browser.be(boss)
    url = "/connect/claude-code?provider=anthropic&key=own"
    page = html.unescape((await browser.get(url)).text)
    assert f'ANTHROPIC_CUSTOM_HEADERS="{HEADER}: YOUR_TOKEN"' in page
    made = html.unescape((await browser.submit(url, url)).text)
    assert re.search(rf'{HEADER}: [A-Za-z0-9]{{10}}-[A-Za-z0-9]{{22}}"', made)
    assert (await browser.get("/connect/claude-code.json?key=own")).json()["own_key"] is True


async def test_people_are_not_told_what_they_may_not(site, browser, boss, monkeypatch):
    object.__setattr__(site, "allow_byok", False)
    await browser.be(boss)
    page = (await browser.get("/connect/claude-code?key=own")).text
    assert HEADER not in page
    assert "A key of your own" not in page


async def test_codex_knows_the_plans_of_chatgpt(site, browser, boss):
    plans = ProviderSettings(
        type=ProviderType.OPENAI, name="chatgpt", base_url="https://chatgpt.com/backend-api/codex", keys=()
    )
    object.__setattr__(site, "providers", {"chatgpt": build(plans)})
    await browser.be(boss)
    page = html.unescape((await browser.get("/connect/codex")).text)
    assert "unset OPENAI_API_KEY\ncodex login" in page
    assert f'base_url = "{ORIGIN}/api/v2/ai-gateway/chatgpt/v1"' in page
    assert (await browser.get("/connect/openai-sdk")).headers["location"] == "/connect"
