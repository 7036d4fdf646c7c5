"""The set-up page of the documented system, statement by statement, against our program.

Every environment is set and every command is run as that page prints it, through the script `coder`; only folders,
ports and addresses of providers are replaced by local ones. The names of the tests follow the page's headings. What it
says about Amazon Bedrock is in `test_setup_page_bedrock.py`.
"""

from __future__ import annotations

import contextlib
import http.client
import json

import anthropic
import pytest
from openai import NotFoundError, OpenAI

from aigateway.simulator import SimulatorThread
from tests.support.shell import PrintedServer, run
from tests.support.waiting import wait_until

ENABLED = {"CODER_AI_GATEWAY_ENABLED": "true"}


@pytest.fixture
def simulator():
    with SimulatorThread(event_interval=0.001, keep=64) as running:
        yield running


def status(server, path, method="GET"):
    """What a stranger is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body=b"{}" if method == "POST" else None)
        return connection.getresponse().status


def listed(block, home, env=None):
    """The providers that a block sets, by name."""
    done = run(f"{block}\ncoder providers list -o json", home, ENABLED | (env or {}))
    assert done.returncode == 0, done.stderr
    return {provider["name"]: provider for provider in json.loads(done.stdout)}


def refused(block, home, env=None):
    """What the server says when it does not start."""
    done = run(f"{block}\ncoder server", home, ENABLED | (env or {}))
    assert done.returncode == 1
    return done.stderr


def written(block, home, env=None):
    """The settings in effect."""
    done = run(f"{block} --write-config", home, env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask_openai(server, name="openai", prompt="hello", **options):
    with OpenAI(base_url=f"{server.base}/{name}/v1", api_key=server.token, max_retries=0, **options) as client:
        return client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": prompt}])


def ask_anthropic(server, name="anthropic", prompt="hello"):
    with anthropic.Anthropic(
        base_url=f"{server.base}/{name}", api_key=server.token, max_retries=0, _strict_response_validation=True
    ) as client:
        return client.messages.create(
            model="claude-sonnet-4-6", max_tokens=64, messages=[{"role": "user", "content": prompt}]
        )


def ask_scenario(server, scenario):
    with anthropic.Anthropic(base_url=f"{server.base}/anthropic", api_key=server.token, max_retries=0) as client:
        client.messages.create(
            model="claude-sonnet-4-6",
            max_tokens=2048,
            thinking={"type": "enabled", "budget_tokens": 1024},
            tools=[{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}],
            messages=[{"role": "user", "content": "hello"}],
            extra_headers={"x-sim-scenario": scenario},
        )


class TestActivation:
    @pytest.mark.parametrize(
        "block",
        [
            pytest.param("export CODER_AI_GATEWAY_ENABLED=true\ncoder server", id="variable"),
            pytest.param("coder server --ai-gateway-enabled=true", id="flag"),
        ],
    )
    def test_enables_the_gateway_without_a_licence(self, block, tmp_path):
        with PrintedServer(block, tmp_path, {"CODER_AI_GATEWAY_OPENAI_KEY": "sk-x"}) as server:
            assert status(server, "/api/v2/aibridge/openai/v1/models") == 401

    def test_must_be_explicit(self, tmp_path):
        with PrintedServer("coder server", tmp_path, {"CODER_AI_GATEWAY_OPENAI_KEY": "sk-x"}) as server:
            assert status(server, "/api/v2/aibridge/openai/v1/models") == 404

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("export CODER_AIBRIDGE_ENABLED=true\ncoder server", "CODER_AI_GATEWAY_ENABLED"),
            ("coder server --aibridge-enabled=true", "--ai-gateway-enabled"),
        ],
        ids=["variable", "flag"],
    )
    def test_earlier_names_continue_to_work(self, old, new, tmp_path):
        with PrintedServer(old, tmp_path, {"CODER_AIBRIDGE_OPENAI_KEY": "sk-x"}) as server:
            assert status(server, "/api/v2/aibridge/openai/v1/models") == 401
            assert new in server.log


@pytest.mark.parametrize("how", ["variable", "flag"])
class TestProviders:
    """OpenAI and Anthropic, each by its key and its base URL."""

    def test_openai(self, how, tmp_path, simulator):
        block = {
            "variable": "export CODER_AI_GATEWAY_OPENAI_KEY=sk-org\n"
            f"export CODER_AI_GATEWAY_OPENAI_BASE_URL={simulator.url}/v1/\ncoder server",
            "flag": f"coder server --ai-gateway-openai-key sk-org --ai-gateway-openai-base-url {simulator.url}/v1/",
        }[how]
        with PrintedServer(block, tmp_path, ENABLED) as server:
            assert ask_openai(server).usage.total_tokens > 0
        assert simulator.requests[-1].header("authorization") == "Bearer sk-org"
        assert simulator.requests[-1].path == "/v1/chat/completions"

    def test_anthropic(self, how, tmp_path, simulator):
        block = {
            "variable": "export CODER_AI_GATEWAY_ANTHROPIC_KEY=sk-ant-org\n"
            f"export CODER_AI_GATEWAY_ANTHROPIC_BASE_URL={simulator.url}/\ncoder server",
            "flag": (
                f"coder server --ai-gateway-anthropic-key sk-ant-org --ai-gateway-anthropic-base-url {simulator.url}/"
            ),
        }[how]
        with PrintedServer(block, tmp_path, ENABLED) as server:
            assert ask_anthropic(server).usage.output_tokens > 0
        assert simulator.requests[-1].header("x-api-key") == "sk-ant-org"
        assert simulator.requests[-1].path == "/v1/messages"


@pytest.mark.parametrize(
    ("name", "url"), [("openai", "https://api.openai.com/v1/"), ("anthropic", "https://api.anthropic.com/")]
)
def test_default_base_urls(name, url, tmp_path):
    assert listed(f"export CODER_AI_GATEWAY_{name.upper()}_KEY=sk-x", tmp_path)[name]["base_url"] == url


COPILOT = """
# GitHub Copilot (Individual)
export CODER_AI_GATEWAY_PROVIDER_0_TYPE=copilot
export CODER_AI_GATEWAY_PROVIDER_0_NAME=copilot

# GitHub Copilot Business
export CODER_AI_GATEWAY_PROVIDER_1_TYPE=copilot
export CODER_AI_GATEWAY_PROVIDER_1_NAME=copilot-business
export CODER_AI_GATEWAY_PROVIDER_1_BASE_URL=https://api.business.githubcopilot.com

# GitHub Copilot Enterprise
export CODER_AI_GATEWAY_PROVIDER_2_TYPE=copilot
export CODER_AI_GATEWAY_PROVIDER_2_NAME=copilot-enterprise
export CODER_AI_GATEWAY_PROVIDER_2_BASE_URL=https://api.enterprise.githubcopilot.com
"""


class TestCopilot:
    def test_three_plans_side_by_side(self, tmp_path):
        found = listed(COPILOT, tmp_path)
        assert {name: provider["base_url"] for name, provider in found.items()} == {
            "copilot": "https://api.individual.githubcopilot.com",
            "copilot-business": "https://api.business.githubcopilot.com",
            "copilot-enterprise": "https://api.enterprise.githubcopilot.com",
        }
        assert {provider["status"] for provider in found.values()} == {"ready"}

    def test_a_static_key_is_refused(self, tmp_path):
        assert "CODER_AI_GATEWAY_PROVIDER_0_KEY: a copilot provider takes no key" in refused(
            COPILOT + "export CODER_AI_GATEWAY_PROVIDER_0_KEY=sk-x", tmp_path
        )

    def test_the_persons_own_token_goes_to_the_plan_whose_base_url_is_set(self, tmp_path, simulator):
        block = COPILOT.replace("https://api.business.githubcopilot.com", simulator.url)
        with PrintedServer(f"{block}\ncoder server", tmp_path, ENABLED) as server:
            headers = {"X-Coder-AI-Governance-Token": server.token}
            with OpenAI(
                base_url=f"{server.base}/copilot-business", api_key="gho_own", default_headers=headers, max_retries=0
            ) as client:
                client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "hello"}])
        assert simulator.requests[-1].header("authorization") == "Bearer gho_own"
        assert simulator.requests[-1].path == "/chat/completions"


CHATGPT = """
export CODER_AI_GATEWAY_PROVIDER_0_TYPE=openai
export CODER_AI_GATEWAY_PROVIDER_0_NAME=chatgpt
export CODER_AI_GATEWAY_PROVIDER_0_BASE_URL=https://chatgpt.com/backend-api/codex
"""


class TestChatgpt:
    def test_an_openai_instance_with_the_codex_base_url(self, tmp_path):
        chatgpt = listed(CHATGPT, tmp_path)["chatgpt"]
        assert (chatgpt["type"], chatgpt["base_url"]) == ("openai", "https://chatgpt.com/backend-api/codex")
        assert (chatgpt["keys"], chatgpt["status"]) == ([], "ready")

    def test_people_bring_their_own_sign_in(self, tmp_path, simulator):
        block = CHATGPT.replace("https://chatgpt.com", simulator.url)
        with PrintedServer(f"{block}\ncoder server", tmp_path, ENABLED) as server:
            headers = {"X-Coder-AI-Governance-Token": server.token}
            with (
                OpenAI(
                    base_url=f"{server.base}/chatgpt/v1",
                    api_key="own-access-token",
                    default_headers=headers,
                    max_retries=0,
                ) as client,
                pytest.raises(NotFoundError),  # the simulator has no such path, and saw the request
            ):
                client.responses.create(model="gpt-5.5", input="hello")
        assert simulator.requests[-1].path == "/backend-api/codex/responses"
        assert simulator.requests[-1].header("authorization") == "Bearer own-access-token"


INSTANCES = """
# Anthropic routed through a corporate proxy
export CODER_AI_GATEWAY_PROVIDER_0_TYPE=anthropic
export CODER_AI_GATEWAY_PROVIDER_0_NAME=anthropic-corp
export CODER_AI_GATEWAY_PROVIDER_0_KEY=sk-ant-corp-xxx
export CODER_AI_GATEWAY_PROVIDER_0_BASE_URL=https://llm-proxy.internal.example.com/anthropic

# Anthropic direct (for teams that need direct access)
export CODER_AI_GATEWAY_PROVIDER_1_TYPE=anthropic
export CODER_AI_GATEWAY_PROVIDER_1_NAME=anthropic-direct
export CODER_AI_GATEWAY_PROVIDER_1_KEY=sk-ant-direct-yyy

# Azure-hosted OpenAI deployment
export CODER_AI_GATEWAY_PROVIDER_2_TYPE=openai
export CODER_AI_GATEWAY_PROVIDER_2_NAME=azure-openai
export CODER_AI_GATEWAY_PROVIDER_2_KEY=azure-key-zzz
export CODER_AI_GATEWAY_PROVIDER_2_BASE_URL=https://my-deployment.openai.azure.com/
"""


class TestMultipleInstances:
    def test_each_has_its_own_route(self, tmp_path):
        with PrintedServer(f"{INSTANCES}\ncoder server", tmp_path, ENABLED) as server:
            for route in (
                "/api/v2/aibridge/anthropic-corp/v1/messages",
                "/api/v2/aibridge/anthropic-direct/v1/messages",
                "/api/v2/aibridge/azure-openai/v1/chat/completions",
            ):
                assert status(server, route, "POST") == 401
            assert {each["name"] for each in listed(INSTANCES, tmp_path).values()} == {
                "anthropic-corp",
                "anthropic-direct",
                "azure-openai",
            }

    def test_each_is_asked_with_its_own_key(self, tmp_path, simulator):
        block = f"""
            {INSTANCES.replace("https://llm-proxy.internal.example.com/anthropic", simulator.url)}
            export CODER_AI_GATEWAY_PROVIDER_1_BASE_URL={simulator.url}
            export CODER_AI_GATEWAY_PROVIDER_2_BASE_URL={simulator.url}/v1
            coder server"""
        with PrintedServer(block, tmp_path, ENABLED) as server:
            ask_anthropic(server, "anthropic-corp")
            ask_anthropic(server, "anthropic-direct")
            ask_openai(server, "azure-openai")
        keys = [request.header("x-api-key") or request.header("authorization") for request in simulator.requests]
        assert keys == ["sk-ant-corp-xxx", "sk-ant-direct-yyy", "Bearer azure-key-zzz"]


def numbered(**parts):
    return "\n".join(f"export CODER_AI_GATEWAY_PROVIDER_{name[1:]}={value}" for name, value in parts.items())


class TestSupportedKeys:
    @pytest.mark.parametrize("type_", ["openai", "anthropic", "copilot"])
    def test_name_defaults_to_type(self, type_, tmp_path):
        assert listed(numbered(_0_TYPE=type_), tmp_path)[type_]["type"] == type_

    def test_type_is_required(self, tmp_path):
        assert "CODER_AI_GATEWAY_PROVIDER_0_TYPE: provider 0 has no type" in refused(numbered(_0_NAME="x"), tmp_path)

    @pytest.mark.parametrize("key", ["KEY", "KEYS"])
    def test_key_and_its_alias(self, key, tmp_path):
        found = listed(numbered(_0_TYPE="openai", **{f"_0_{key}": "sk-0123456789-abcdefgh"}), tmp_path)
        assert found["openai"]["keys"] == ["sk-0...efgh"]

    def test_base_url(self, tmp_path):
        found = listed(numbered(_0_TYPE="openai", _0_BASE_URL="https://llm.example.com/v1"), tmp_path)
        assert found["openai"]["base_url"] == "https://llm.example.com/v1"

    def test_no_key_and_no_base_url_are_needed(self, tmp_path):
        assert listed(numbered(_0_TYPE="anthropic"), tmp_path)["anthropic"]["status"] == "ready"


class TestNote:
    @pytest.mark.parametrize("indices", [(1,), (0, 2)], ids=["first is not 0", "a hole"])
    def test_indices_are_contiguous_from_0(self, indices, tmp_path):
        block = "\n".join(numbered(**{f"_{index}_TYPE": "openai", f"_{index}_NAME": f"p{index}"}) for index in indices)
        missing = 0 if indices == (1,) else 1
        assert f"CODER_AI_GATEWAY_PROVIDER_{missing}_TYPE: provider {missing} is missing" in refused(block, tmp_path)

    def test_names_are_unique_and_two_that_default_are_not(self, tmp_path):
        told = refused(numbered(_0_TYPE="openai", _1_TYPE="openai"), tmp_path)
        assert "two providers are called openai" in told

    def test_single_provider_variables_continue_to_work_beside_indexed_ones(self, tmp_path):
        block = "export CODER_AI_GATEWAY_OPENAI_KEY=sk-x\nexport CODER_AI_GATEWAY_ANTHROPIC_KEY=sk-y\n"
        assert list(listed(block + CHATGPT, tmp_path)) == ["openai", "anthropic", "chatgpt"]

    def test_the_same_name_by_both_is_an_error_at_start(self, tmp_path):
        told = refused("export CODER_AI_GATEWAY_OPENAI_KEY=sk-x\n" + numbered(_0_TYPE="openai"), tmp_path)
        assert "the provider openai is already configured by CODER_AI_GATEWAY_OPENAI_KEY; remove one of them" in told


def dumping(how, folder, dumps):
    """The three printed ways to set the folder, with a folder of the test's."""
    if how == "yaml":
        (folder / "coder.yaml").write_text(f"ai_gateway:\n  api_dump_dir: {dumps}\n")
    return {
        "flag": f"coder server --ai-gateway-dump-dir={dumps}",
        "variable": f"export CODER_AI_GATEWAY_DUMP_DIR={dumps}\ncoder server",
        "yaml": f"coder server --config={folder}/coder.yaml",
    }[how]


class TestApiDumps:
    @pytest.mark.parametrize("how", ["flag", "variable", "yaml"])
    def test_pairs_are_written_below_the_providers_name_without_secret_headers(self, how, tmp_path, simulator):
        dumps = tmp_path / "ai-gateway-dumps"
        env = ENABLED | {
            "CODER_AI_GATEWAY_PROVIDER_0_TYPE": "anthropic",
            "CODER_AI_GATEWAY_PROVIDER_0_NAME": "anthropic-corp",
            "CODER_AI_GATEWAY_PROVIDER_0_KEY": "sk-ant-secret-0123456789",
            "CODER_AI_GATEWAY_PROVIDER_0_BASE_URL": simulator.url,
        }
        with PrintedServer(dumping(how, tmp_path, dumps), tmp_path, env) as server:
            ask_anthropic(server, "anthropic-corp", prompt="a prompt on the disk")
            token = server.token
        written_files = [path for path in (dumps / "anthropic-corp").rglob("*") if path.is_file()]
        assert sorted("".join(path.suffixes[-2:]) for path in written_files) == [".req.txt", ".resp.txt"]
        text = "".join(path.read_text() for path in written_files)
        assert "a prompt on the disk" in text
        assert "sk-ant-secret-0123456789" not in text
        assert token not in text

    def test_an_empty_value_disables_them(self, tmp_path):
        assert '\n  api_dump_dir: ""\n' in written("coder server --ai-gateway-dump-dir=", tmp_path)

    def test_the_field_of_each_provider_is_gone(self, tmp_path):
        block = numbered(_0_TYPE="openai", _0_DUMP_DIR="/dumps")
        done = run(f"{block}\ncoder server --check-config", tmp_path)
        assert done.returncode == 0
        assert "CODER_AI_GATEWAY_PROVIDER_0_DUMP_DIR has no effect" in done.stderr


class TestDataRetention:
    def test_60_days_by_default(self, tmp_path):
        assert "\n  retention: 60d\n" in written("coder server", tmp_path)

    @pytest.mark.parametrize("how", ["flag", "variable", "yaml"])
    def test_is_set(self, how, tmp_path):
        (tmp_path / "coder.yaml").write_text("ai_gateway:\n  retention: 90d\n")
        block = {
            "flag": "coder server --ai-gateway-retention=90d",
            "variable": "export CODER_AI_GATEWAY_RETENTION=90d\ncoder server",
            "yaml": f"coder server --config={tmp_path}/coder.yaml",
        }[how]
        assert "\n  retention: 90d\n" in written(block, tmp_path)

    def test_0_keeps_for_ever(self, tmp_path):
        assert "\n  retention: 0\n" in written("coder server --ai-gateway-retention=0", tmp_path)

    def test_records_are_deleted_when_their_time_has_come_and_kept_with_0(self, tmp_path, simulator):
        env = ENABLED | {
            "CODER_AI_GATEWAY_ANTHROPIC_KEY": "sk-x",
            "CODER_AI_GATEWAY_ANTHROPIC_BASE_URL": simulator.url,
        }
        with PrintedServer("coder server", tmp_path, env) as server:
            ask_anthropic(server, prompt="kept for a while")
            server.interception(prompt="kept for a while")
        with PrintedServer("coder server --ai-gateway-retention=0", tmp_path, env) as server:
            assert len(server.interceptions()) == 1
        with PrintedServer("coder server --ai-gateway-retention=1ms", tmp_path, env) as server:
            wait_until(lambda: not server.interceptions())


KEY_FIELDS = {
    "interception_start": "interception_id initiator_id provider model client started_at",
    "interception_end": "interception_id ended_at",
    "token_usage": "interception_id input_tokens output_tokens created_at",
    "prompt_usage": "interception_id prompt created_at",
    "tool_usage": "interception_id tool input server_url injected created_at",
    "model_thought": "interception_id content created_at",
}


class TestStructuredLogging:
    @pytest.mark.parametrize("how", ["flag", "variable", "yaml"])
    def test_every_record_is_a_line_of_the_same_log(self, how, tmp_path, simulator):
        (tmp_path / "coder.yaml").write_text("ai_gateway:\n  structured_logging: true\n")
        block = {
            "flag": "coder server --ai-gateway-structured-logging=true --log-json=/dev/stderr",
            "variable": "export CODER_AI_GATEWAY_STRUCTURED_LOGGING=true\ncoder server --log-json=/dev/stderr",
            "yaml": f"coder server --config={tmp_path}/coder.yaml --log-json=/dev/stderr",
        }[how]
        env = ENABLED | {
            "CODER_AI_GATEWAY_ANTHROPIC_KEY": "sk-x",
            "CODER_AI_GATEWAY_ANTHROPIC_BASE_URL": simulator.url,
            "CODER_LOGGING_HUMAN": "/dev/stderr",
        }
        with PrintedServer(block, tmp_path, env) as server:
            ask_scenario(server, "thinking")
            ask_scenario(server, "tools")
            wait_until(lambda: set(records(server.log)) == set(KEY_FIELDS))
            found = records(server.log)
            human = [line for line in server.log.splitlines() if not line.startswith("{")]
        for record_type, names in KEY_FIELDS.items():
            assert set(names.split()) <= set(found[record_type]), record_type
        assert any("[info]" in line and "interception log" in line for line in human)

    def test_off_by_default(self, tmp_path, simulator):
        env = ENABLED | {
            "CODER_AI_GATEWAY_ANTHROPIC_KEY": "sk-x",
            "CODER_AI_GATEWAY_ANTHROPIC_BASE_URL": simulator.url,
        }
        with PrintedServer("coder server", tmp_path, env) as server:
            ask_anthropic(server, prompt="not in the log")
            server.interception(prompt="not in the log")
        assert "interception log" not in server.log
        assert "not in the log" not in server.log

    def test_json_goes_to_a_file(self, tmp_path, simulator):
        log = tmp_path / "log.json"
        env = ENABLED | {
            "CODER_AI_GATEWAY_ANTHROPIC_KEY": "sk-x",
            "CODER_AI_GATEWAY_ANTHROPIC_BASE_URL": simulator.url,
        }
        block = f"coder server --ai-gateway-structured-logging=true --log-json={log} --log-human="
        with PrintedServer(block, tmp_path, env) as server:
            ask_anthropic(server)
            wait_until(lambda: "interception_end" in records(log.read_text()))


def records(log):
    """The fields of the interception log's lines, by record type."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    logged = [line["fields"] for line in lines if line["msg"] == "interception log"]
    return {fields["record_type"]: fields for fields in logged}
