"""After a day of work, with everything on that writes, no secret is in the database, the journal, dumps or logs.

Whoever steals a disk, a backup or a log finds hashes and masks.
"""

from __future__ import annotations

import asyncio
import base64
import json
from unittest.mock import ANY
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from aigateway.cli.rest import Client, RestError
from tests.support.auth_server import CLIENT_ID, CLIENT_SECRET, AuthServer
from tests.support.mcp_server import McpServer
from tests.support.postgres import PASSWORD
from tests.support.server import OWNER, GatewayProcess, providers
from tests.support.waiting import wait_until

OPENAI_KEY = "sk-canary-central-openai-0123456789abcdef"
ANTHROPIC_KEY = "sk-ant-canary-central-0123456789abcdef"
OWN_KEY = "sk-canary-of-a-person-0123456789abcdef"
MEMBERS_PASSWORD = "canary horse battery staple"
WRONG_PASSWORD = "canary of somebody who mistypes"
SERVER_KEY = "canary-of-an-mcp-server-0123456789"
ENCRYPTION_KEY = base64.b64encode(b"canary-of-an-encryption-key-0123").decode()
WRONG_TOKEN = "abcdefghij-canaryCanaryCanary0123"


@pytest.fixture
def service():
    """Where a person has an account."""
    with AuthServer() as running:
        yield running


@pytest.fixture
def hub():
    """An MCP server that this account opens."""
    with McpServer(("get_me",)) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, simulated, tmp_path, service, hub):
    """A server that writes all that it can, its secrets aside, and the folders where it does."""
    env = providers(
        {"TYPE": "openai", "KEY": OPENAI_KEY, "BASE_URL": f"{simulated.url}/v1"},
        {"TYPE": "anthropic", "KEY": ANTHROPIC_KEY, "BASE_URL": simulated.url},
    )
    env |= {
        "CODER_AI_GATEWAY_DUMP_DIR": str(tmp_path / "dumps"),
        "CODER_AI_GATEWAY_STRUCTURED_LOGGING": "true",
        "CODER_LOGGING_JSON": str(tmp_path / "log.json"),
        "CODER_LOG_FILTER": ".*",
        "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "CODER_EXTERNAL_AUTH_0_ID": "hub",
        "CODER_EXTERNAL_AUTH_0_CLIENT_ID": CLIENT_ID,
        "CODER_EXTERNAL_AUTH_0_CLIENT_SECRET": CLIENT_SECRET,
        "CODER_EXTERNAL_AUTH_0_AUTH_URL": f"{service.url}/authorize",
        "CODER_EXTERNAL_AUTH_0_TOKEN_URL": f"{service.url}/token",
        "CODER_EXTERNAL_AUTH_0_MCP_URL": hub.url,
        "CODER_AI_GATEWAY_MCP_0_NAME": "docs",
        "CODER_AI_GATEWAY_MCP_0_URL": hub.url,
        "CODER_AI_GATEWAY_MCP_0_HEADERS": f"Authorization: Bearer {SERVER_KEY}",
    }
    if request.param == "sqlite":
        with GatewayProcess(tmp_path, env) as gateway:
            yield gateway, [tmp_path]
        return
    postgresql = request.getfixturevalue("postgresql")
    with postgresql.database() as name:
        env["CODER_PG_CONNECTION_URL"] = postgresql.url(name)
        with GatewayProcess(tmp_path, env) as gateway:
            yield gateway, [tmp_path, postgresql.folder]


def sign_in(gateway, email, password):
    return Client(gateway.url).call("POST", "users", "login", body={"email": email, "password": password})


def people_come_and_go(gateway):
    """Returns their tokens, of sessions and of programs, some of which are gone again."""
    made = [gateway.token, sign_in(gateway, OWNER["email"], OWNER["password"])["session_token"]]
    member = {"username": "bob", "email": "bob@example.com", "password": MEMBERS_PASSWORD, "user_status": "active"}
    gateway.api.call("POST", "users", body=member)
    made.append(sign_in(gateway, member["email"], MEMBERS_PASSWORD)["session_token"])
    made.append(gateway.mint("bob", token_name="laptop"))
    made.append(gateway.mint("bob", token_name="lost"))
    gateway.api.call("DELETE", "users", "bob", "keys", "lost")
    for refused in (
        lambda: sign_in(gateway, member["email"], WRONG_PASSWORD),
        lambda: Client(gateway.url, WRONG_TOKEN).call("GET", "users", "me"),
        lambda: gateway.mint("bob", token_name="laptop"),
    ):
        with pytest.raises(RestError):
            refused()
    return made


async def work(gateway, token):
    """All three APIs, streams and not, answers and errors, with the organisation's keys and with one's own."""
    hello = [{"role": "user", "content": "Hello there"}]
    requests = [
        ("openai/v1/chat/completions", {"model": "sim", "messages": hello}),
        ("openai/v1/responses", {"model": "sim", "input": "Hello there"}),
        ("anthropic/v1/messages", {"model": "sim", "max_tokens": 9, "messages": hello}),
    ]
    identities = [
        {"Authorization": f"Bearer {token}"},
        {"X-Api-Key": token, "Cookie": f"coder_session_token={token}"},
        {"X-Coder-AI-Governance-Token": token, "Authorization": f"Bearer {OWN_KEY}"},
        {"X-Coder-AI-Governance-Token": token, "X-Api-Key": OWN_KEY},
        {"Authorization": f"Bearer {WRONG_TOKEN}"},
    ]
    async with aiohttp.ClientSession() as session:
        for path, body in requests:
            for headers in identities:
                for wish in ("", "error-401", "cut:1"):
                    wished = headers | ({"X-Sim-Scenario": wish} if wish else {})
                    try:
                        url = f"{gateway.base}/{path}"
                        async with session.post(url, json=body | {"stream": wish != ""}, headers=wished) as answer:
                            await answer.read()
                    except aiohttp.ClientError:
                        pass
        wish = {"model": "sim", "messages": [{"role": "user", "content": "Please call the tool bmcp_hub_get_me now"}]}
        async with session.post(f"{gateway.base}/{requests[0][0]}", json=wish, headers=identities[0]) as answer:
            assert "ok" in await answer.text()
        async with session.get(f"{gateway.base}/openai/v1/models", headers=identities[0]) as answer:
            await answer.read()


async def link_an_account(gateway, token):
    """A person goes to the service, says yes and comes back; the secrets that went to and fro."""
    told = {"Coder-Session-Token": token}
    async with aiohttp.ClientSession() as session:

        async def visit(url, **headers):
            async with session.get(url, headers=told | headers, allow_redirects=False) as answer:
                assert answer.status in {302, 303}, await answer.text()
                return answer.headers["Location"], answer.cookies

        away, cookies = await visit(f"{gateway.url}/external-auth/hub/link")
        back, _ = await visit(away)
        cookie = cookies["aigateway_external_auth"].value
        assert await visit(back, Cookie=f"aigateway_external_auth={cookie}") == ("/tools", ANY)
    return [cookie, *(values[0] for values in parse_qs(urlsplit(back).query).values())]


def test_no_secret_is_on_the_disk(server, service, hub):
    gateway, folders = server
    made = people_come_and_go(gateway)
    account = asyncio.run(link_an_account(gateway, made[3]))
    account += [asked[name] for asked in service.asked for name in ("code_verifier", "code")]
    asyncio.run(work(gateway, made[3]))
    wait_until(lambda: [each["authorization"] for each in hub.headers if SERVER_KEY in each["authorization"]])
    [link] = Client(gateway.url, made[3]).get("external-auth")["links"]
    assert link["authenticated"]
    [(name, _, shown)] = hub.called
    assert (name, shown) == ("get_me", "Bearer access-canary-0002"), "in the person's name, and not the organisation's"
    wait_until(lambda: len(gateway.interceptions()) >= 30)
    assert gateway.stop() == 0
    secrets = {
        "a token": [token.partition("-")[2] for token in made],
        "a token that is none": [WRONG_TOKEN.partition("-")[2]],
        "a key of a provider": [OPENAI_KEY, ANTHROPIC_KEY],
        "a key of a person": [OWN_KEY],
        "a token of an account": ["access-canary", "refresh-canary"],
        "what an account was linked with": account,
        "a secret of an OAuth application": [CLIENT_SECRET],
        "a key of an MCP server": [SERVER_KEY],
        "an encryption key": [ENCRYPTION_KEY, base64.b64decode(ENCRYPTION_KEY).decode()],
        "a password": [OWNER["password"], MEMBERS_PASSWORD, WRONG_PASSWORD, PASSWORD],
    }
    looked_at = 0
    for folder in folders:
        for file in folder.rglob("*"):
            if not file.is_file():
                continue
            content = file.read_bytes()
            looked_at += 1
            for what, canaries in secrets.items():
                assert not [canary for canary in canaries if canary.encode() in content], f"{what} is in {file}"
    assert looked_at > 40
    assert any(json.loads(line) for line in (folders[0] / "log.json").read_text("utf-8").splitlines())
