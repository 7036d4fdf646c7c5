"""The commands against a real gateway, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from openai import OpenAI

from tests.support.server import OWNER


@pytest.fixture
def aigateway(gateway, tmp_path):
    def run(*words, stdin="", **env):
        variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env}
        done = subprocess.run(
            [sys.executable, "-m", "aigateway", *words],
            input=stdin,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def test_a_persons_first_hour(aigateway, gateway, tmp_path):
    done = aigateway(
        "login", gateway.url, "--email", OWNER["email"], "--password-stdin", stdin=OWNER["password"] + "\n"
    )
    assert done.returncode == 0, done.stderr
    assert len(aigateway("login", "token").stdout.strip()) == 33

    assert aigateway("users", "create", "-u", "hopper", "--service-account").returncode == 0
    token = aigateway("tokens", "create", "-n", "ci", "-u", "hopper", "--lifetime", "1h").stdout.strip()
    with OpenAI(base_url=f"{gateway.base}/openai/v1", api_key=token) as client:
        client.responses.create(model="gpt-5.5", input="asked by hopper")
    gateway.interception(prompt="asked by hopper")
    (found,) = json.loads(aigateway("ai-gateway", "interceptions", "list", "--initiator", "hopper").stdout)
    assert found["initiator"]["username"] == "hopper"
    assert "asked by hopper" in aigateway("aibridge", "interceptions", "list", "-o", "table").stdout
    assert json.loads(aigateway("ai-gateway", "interceptions", "list", "--client", "No such").stdout) == []

    assert "ci" in aigateway("tokens", "list", "-a").stdout
    assert aigateway("tokens", "rm", "ci", "-u", "hopper").returncode == 0
    assert aigateway("users", "suspend", "hopper").returncode == 0
    assert "suspended" in aigateway("users", "show", "hopper").stdout
    assert aigateway("users", "edit-roles", "hopper", "--roles", "auditor").returncode == 0
    assert aigateway("users", "delete", "hopper").returncode == 0
    assert "hopper" not in aigateway("users", "list").stdout

    assert aigateway("logout").returncode == 0
    assert aigateway("tokens", "list").returncode == 1


def test_refusals_are_one_sentence_and_status_1(aigateway, gateway):
    with_token = {"CODER_URL": gateway.url, "CODER_SESSION_TOKEN": gateway.token}
    for words in (
        ("users", "show", "nobody"),
        ("users", "suspend", OWNER["username"]),
        ("users", "create", "-u", OWNER["username"], "-e", "new@example.com"),
        ("users", "edit-roles", OWNER["username"], "--roles", "king"),
        ("tokens", "remove", "nothing"),
        ("tokens", "create", "--lifetime", "900000h"),
        ("ai-gateway", "interceptions", "list", "--started-after", "yesterday"),
        ("login", gateway.url, "--token", "abcdefghij-0123456789012345678901"),
    ):
        done = aigateway(*words, **with_token)
        assert (done.returncode, done.stdout) == (1, ""), (words, done)
        assert done.stderr.startswith("Error: "), (words, done)


def test_an_admin_can_be_made_while_the_server_runs(aigateway, gateway):
    data = str(gateway.folder / "data")
    done = aigateway(
        "server",
        "create-admin-user",
        "--data-dir",
        data,
        "--username",
        "second",
        "--email",
        "second@example.com",
        "--password",
        "another long secret",
    )
    assert done.returncode == 0, done.stderr
    done = aigateway(
        "login", gateway.url, "--email", "second@example.com", "--password-stdin", stdin="another long secret\n"
    )
    assert done.returncode == 0, done.stderr
    assert "owner" in aigateway("users", "show", "me").stdout
