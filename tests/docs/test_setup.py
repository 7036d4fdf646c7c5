"""Every shell block of the set-up page does what the page says. The comment above a block tells how it is tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigateway.simulator import SimulatorThread
from tests.support.certificates import write_pair
from tests.support.server import GatewayProcess, free_port
from tests.support.shell import PrintedServer, blocks, run

PAGE = Path(__file__).parents[2] / "docs" / "setup.md"
BLOCKS = blocks(PAGE)
KINDS = ("serves", "lists", "runs", "client", "needs a real key")


def tried(kind):
    """The blocks that are tried in one way; what follows its name is the rest of the comment."""
    return [
        pytest.param(block.text, block.test.removeprefix(kind).strip(" ,:"), id=block.text.strip().splitlines()[0][:60])
        for block in BLOCKS
        if block.test.startswith(kind)
    ]


def at_home(text, folder):
    """A block with folders and ports of the test's."""
    for machines in ("/var/lib/aigateway", "/etc/aigateway"):
        text = text.replace(machines, str(folder))
    for port in ("3443", "2112"):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    return text


def test_every_block_says_how_it_is_tried():
    assert BLOCKS
    assert PAGE.read_text().count("```sh\n") == len(BLOCKS)
    assert [block for block in BLOCKS if not block.test.startswith(KINDS)] == []


@pytest.mark.parametrize(("text", "rest"), tried("serves"))
def test_a_server_starts_and_stops(text, rest, tmp_path):
    if rest == "with a certificate":
        write_pair(tmp_path / "cert.pem", tmp_path / "key.pem", "localhost")
    port = free_port()
    block = at_home(text, tmp_path).replace("127.0.0.1:3000", f"127.0.0.1:{port}")
    with PrintedServer(block, tmp_path, {"CODER_AI_GATEWAY_OPENAI_KEY": "sk-x"}, port=port, empty=True) as server:
        assert server.stop() == 0, server.log


@pytest.mark.parametrize(("text", "names"), tried("lists"))
def test_providers_are_set(text, names, tmp_path):
    done = run(f"{text}\naigateway providers list -o json", tmp_path, {"CODER_AI_GATEWAY_ENABLED": "true"})
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert [provider["name"] for provider in listed] == names.split()
    assert {provider["status"] for provider in listed} == {"ready"}


@pytest.mark.parametrize(("text", "rest"), tried("runs"))
def test_a_command_runs(text, rest, tmp_path):
    done = run(text, tmp_path)
    assert done.returncode == 0, done.stderr
    # A list says there what a person would wonder about an empty one.
    assert done.stderr in {"", "There are none.\n"}


def test_a_person_gets_in_and_asks(tmp_path):
    """All blocks for clients in one shell, as somebody who reads the page."""
    folder, home = tmp_path / "server", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    with SimulatorThread(event_interval=0.001, keep=8) as simulator:
        env = {
            "CODER_AI_GATEWAY_OPENAI_BASE_URL": f"{simulator.url}/v1",
            "CODER_AI_GATEWAY_OPENAI_KEY": "sk-x",
            "CODER_AI_GATEWAY_ANTHROPIC_BASE_URL": simulator.url,
            "CODER_AI_GATEWAY_ANTHROPIC_KEY": "sk-x",
        }
        with GatewayProcess(folder, env, empty=True) as server:
            text = "".join(param.values[0] for param in tried("client")).replace("http://127.0.0.1:3000", server.url)
            done = run(text, home, {"no_proxy": "*"})
    assert done.returncode == 0, done.stderr
    assert [request.header("authorization") for request in simulator.requests if "chat" in request.path] == [
        "Bearer sk-x",
        "Bearer sk-my-own-key",
    ]
    assert "ada" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("text", "rest"), tried("needs a real key"))
def test_with_a_real_key(text, rest):
    pytest.skip(f"needs a provider's real key, or a program that is not ours: {rest}")
