"""After a day of work, with everything on that writes, no secret is in the database, the journal, dumps or logs.

Whoever steals a disk, a backup or a log finds hashes and masks.
"""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from aigateway.cli.rest import Client, RestError
from tests.support.postgres import PASSWORD
from tests.support.server import OWNER, GatewayProcess, providers
from tests.support.waiting import wait_until

OPENAI_KEY = "sk-canary-central-openai-0123456789abcdef"
ANTHROPIC_KEY = "sk-ant-canary-central-0123456789abcdef"
OWN_KEY = "sk-canary-of-a-person-0123456789abcdef"
MEMBERS_PASSWORD = "canary horse battery staple"
WRONG_PASSWORD = "canary of somebody who mistypes"
WRONG_TOKEN = "abcdefghij-canaryCanaryCanary0123"


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, simulated, tmp_path):
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
        async with session.get(f"{gateway.base}/openai/v1/models", headers=identities[0]) as answer:
            await answer.read()


def test_no_secret_is_on_the_disk(server):
    gateway, folders = server
    made = people_come_and_go(gateway)
    asyncio.run(work(gateway, made[3]))
    wait_until(lambda: len(gateway.interceptions()) >= 30)
    assert gateway.stop() == 0
    secrets = {
        "a token": [token.partition("-")[2] for token in made],
        "a token that is none": [WRONG_TOKEN.partition("-")[2]],
        "a key of a provider": [OPENAI_KEY, ANTHROPIC_KEY],
        "a key of a person": [OWN_KEY],
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
