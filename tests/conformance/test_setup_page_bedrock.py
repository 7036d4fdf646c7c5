"""What the set-up page of the documented system says about Amazon Bedrock, statement by statement."""

from __future__ import annotations

import json

import anthropic
import pytest

from tests.support.fake_aws import FakeAws
from tests.support.fake_bedrock import ACCESS_KEY, REGION, SECRET, FakeBedrock
from tests.support.shell import PrintedServer, run

ENABLED = {"CODER_AI_GATEWAY_ENABLED": "true"}
PAIR = f"""
export CODER_AI_GATEWAY_BEDROCK_ACCESS_KEY={ACCESS_KEY}
export CODER_AI_GATEWAY_BEDROCK_ACCESS_KEY_SECRET={SECRET}
"""


@pytest.fixture(scope="module")
def bedrock():
    with FakeBedrock() as running:
        yield running


def listed(block, home):
    done = run(f"{block}\ncoder providers list -o json", home, ENABLED)
    assert done.returncode == 0, done.stderr
    return {provider["name"]: provider for provider in json.loads(done.stdout)}


def ask(server, name="anthropic", model="claude-sonnet-4-6"):
    with anthropic.Anthropic(base_url=f"{server.base}/{name}", api_key=server.token, max_retries=0) as client:
        return client.messages.create(model=model, max_tokens=64, messages=[{"role": "user", "content": "hello"}])


@pytest.mark.parametrize(
    "block",
    ["export CODER_AI_GATEWAY_BEDROCK_REGION=us-east-1", "set -- --ai-gateway-bedrock-region us-east-1"],
    ids=["variable", "flag"],
)
def test_the_region_gives_the_endpoint(block, tmp_path):
    done = run(f'{block}\ncoder providers list -o json "$@"', tmp_path, ENABLED)
    (provider,) = json.loads(done.stdout)
    assert provider["base_url"] == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert (provider["name"], provider["keys"]) == ("anthropic", ["AWS's default credential chain"])


def test_the_base_url_takes_precedence_over_the_region(tmp_path):
    block = """
    export CODER_AI_GATEWAY_BEDROCK_REGION=us-east-1
    export CODER_AI_GATEWAY_BEDROCK_BASE_URL=https://aws-proxy.example.com/bedrock
    """
    assert listed(block, tmp_path)["anthropic"]["base_url"] == "https://aws-proxy.example.com/bedrock"


def test_neither_region_nor_base_url(tmp_path):
    done = run(f"{PAIR}\ncoder server", tmp_path, ENABLED)
    assert done.returncode == 1
    assert "--ai-gateway-bedrock-region: is needed for Amazon Bedrock" in done.stderr
    assert SECRET not in done.stderr


MODELS = {
    "variable": """
        export CODER_AI_GATEWAY_BEDROCK_MODEL=eu.anthropic.claude-opus-4-6-v1
        export CODER_AI_GATEWAY_BEDROCK_SMALL_FAST_MODEL=eu.anthropic.claude-haiku-4-5-20251001-v1:0
        coder server
    """,
    "flag": """
        coder server --ai-gateway-bedrock-model eu.anthropic.claude-opus-4-6-v1 \\
            --ai-gateway-bedrock-small-fastmodel eu.anthropic.claude-haiku-4-5-20251001-v1:0
    """,
    "flag spelt regularly": """
        coder server --ai-gateway-bedrock-model eu.anthropic.claude-opus-4-6-v1 \\
            --ai-gateway-bedrock-small-fast-model eu.anthropic.claude-haiku-4-5-20251001-v1:0
    """,
}


@pytest.mark.parametrize("how", MODELS)
def test_static_credentials_and_models_of_ones_own(how, tmp_path, bedrock):
    block = f"{PAIR}\nexport CODER_AI_GATEWAY_BEDROCK_REGION={REGION}\n"
    block += f"export CODER_AI_GATEWAY_BEDROCK_BASE_URL={bedrock.url}\n{MODELS[how]}"
    with PrintedServer(block, tmp_path, ENABLED) as server:
        assert ask(server).model == "eu.anthropic.claude-opus-4-6-v1"
        assert ask(server, model="claude-haiku-4-5").model == "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
    assert bedrock.last.access_key == ACCESS_KEY


def test_the_default_credential_chain_with_a_role_of_the_machine(tmp_path, bedrock):
    block = f"""
    export CODER_AI_GATEWAY_BEDROCK_REGION={REGION}
    export CODER_AI_GATEWAY_BEDROCK_BASE_URL={bedrock.url}
    coder server
    """
    with FakeAws() as aws:
        bedrock.known["ASIAINSTANCE1EXAMPLE"] = ("secret-instance-1", "token-instance-1")
        env = ENABLED | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url, "NO_PROXY": "127.0.0.1"}
        with PrintedServer(block, tmp_path, env) as server:
            for _ in range(3):
                assert ask(server).content
            (first, *_) = server.interceptions()
        assert bedrock.last.access_key == "ASIAINSTANCE1EXAMPLE"
        assert first["credential_hint"] == "ASIA...MPLE"
        assert aws.asked["instance"] == 1


def test_the_printed_instances_with_one_on_bedrock(tmp_path, bedrock):
    block = f"""
    export CODER_AI_GATEWAY_PROVIDER_0_TYPE=anthropic
    export CODER_AI_GATEWAY_PROVIDER_0_NAME=anthropic-direct
    export CODER_AI_GATEWAY_PROVIDER_0_KEY=sk-ant-direct-yyy
    # Anthropic via AWS Bedrock
    export CODER_AI_GATEWAY_PROVIDER_1_TYPE=anthropic
    export CODER_AI_GATEWAY_PROVIDER_1_NAME=anthropic-bedrock
    export CODER_AI_GATEWAY_PROVIDER_1_BEDROCK_REGION={REGION}
    export CODER_AI_GATEWAY_PROVIDER_1_BEDROCK_ACCESS_KEY={ACCESS_KEY}
    export CODER_AI_GATEWAY_PROVIDER_1_BEDROCK_ACCESS_KEY_SECRET={SECRET}
    """
    provider = listed(block, tmp_path)["anthropic-bedrock"]
    assert provider["base_url"] == f"https://bedrock-runtime.{REGION}.amazonaws.com"
    assert provider["keys"] == ["AKIA...MPLE"]
    block += f"export CODER_AI_GATEWAY_PROVIDER_1_BEDROCK_BASE_URL={bedrock.url}\ncoder server"
    with PrintedServer(block, tmp_path, ENABLED) as server:
        assert ask(server, "anthropic-bedrock").model == "global.anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_the_documented_names_of_a_numbered_provider(tmp_path):
    block = """
    export CODER_AI_GATEWAY_PROVIDER_0_TYPE=anthropic
    export CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_BASE_URL=https://aws-proxy.example.com
    export CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_REGION=us-west-2
    export CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_ACCESS_KEYS=AKIAIOSFODNN7EXAMPLE,AKIAIOSFODNN7EXAMPL2
    export CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_ACCESS_KEY_SECRETS=one,two
    export CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_MODEL=a
    export CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_SMALL_FAST_MODEL=b
    """
    provider = listed(block, tmp_path)["anthropic"]
    assert (provider["base_url"], provider["keys"]) == (
        "https://aws-proxy.example.com",
        ["AKIA...MPLE", "AKIA...MPL2"],
    )
