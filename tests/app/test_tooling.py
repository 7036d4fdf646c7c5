"""What runs of MCP servers, and that nothing of it is loaded where none is configured."""

from __future__ import annotations

import subprocess
import sys

import pytest
from msgspec.structs import replace

from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Refused
from aigateway.app.tooling import tooling
from aigateway.settings.load import load
from aigateway.settings.secret import Secret
from aigateway.store.engine import Store
from aigateway.telemetry.events import Events
from tests.support.mcp_server import McpServer

ANN = Actor("11111111-1111-4111-8111-111111111111", "ann", "ann@example.com", "abcdefghij", frozenset())
ACCOUNT = {
    "CODER_EXTERNAL_AUTH_0_TYPE": "github",
    "CODER_EXTERNAL_AUTH_0_CLIENT_ID": "id",
    "CODER_EXTERNAL_AUTH_0_MCP_URL": "https://hub.example.com/mcp",
}


@pytest.fixture
async def store(sqlite_url):
    opened = await Store.open(sqlite_url)
    yield opened
    await opened.close()


def settings(tmp_path, **env):
    return load({"--data-dir": [str(tmp_path)]}, {"HOME": "/nowhere"} | env).settings


def test_a_server_loads_neither_the_sdk_nor_what_it_needs_until_one_is_configured():
    script = "import sys, aigateway.app.serve; print(*{'mcp', 'httpx2', 'authlib', 'cryptography'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_without_servers_there_is_nothing(tmp_path, store):
    async with tooling(settings(tmp_path), store, Events()) as tools:
        assert tools.servers is None
        assert tools.statuses() == ()
        assert await tools.of(ANN.user_id) == []
    assert not (tmp_path / "encryption.key").exists()


async def test_a_server_is_offered_called_and_closed(tmp_path, store):
    with McpServer(("echo",)) as docs:
        env = {"CODER_AI_GATEWAY_MCP_0_NAME": "docs", "CODER_AI_GATEWAY_MCP_0_URL": docs.url}
        async with tooling(settings(tmp_path, **env), store, Events()) as tools:
            [tool] = await tools.servers.offered(ANN)
            assert tool.name == "bmcp_docs_echo"
            assert '"a": 1' in (await tools.servers.call(ANN, tool, '{"a": 1}')).content[0].text
            [mine] = await tools.of(ANN.user_id)
            assert (mine.name, mine.unlinked, mine.problem) == ("docs", False, "")
        assert docs.called == [("echo", {"a": 1}, "")]
    assert not (tmp_path / "encryption.key").exists(), "nobody links an account"


async def test_an_embedded_database_gets_a_key_when_people_may_link_accounts(tmp_path, store):
    async with tooling(settings(tmp_path, **ACCOUNT), store, Events()) as tools:
        assert tools.accounts.begin(ANN, "session", "github", "https://gateway.test/back").url.startswith("https://")
        [mine] = await tools.of(ANN.user_id)
        assert (mine.unlinked, mine.problem) == (True, "no account is linked")
    assert (tmp_path / "encryption.key").exists()


async def test_a_shared_database_needs_the_operators_key(tmp_path, store):
    shared = replace(settings(tmp_path, **ACCOUNT), postgres_url=Secret("postgresql://db.example.com/aigateway"))
    async with tooling(shared, store, Events()) as tools:
        with pytest.raises(Refused, match="CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS"):
            tools.accounts.begin(ANN, "session", "github", "https://gateway.test/back")
    assert not (tmp_path / "encryption.key").exists()
