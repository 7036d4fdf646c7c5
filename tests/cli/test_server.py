import logging
import os
import stat
from datetime import timedelta

import pytest

from aigateway.cli import server
from aigateway.cli.main import main
from aigateway.settings.option import Group
from aigateway.settings.options import OPTIONS
from aigateway.telemetry.logging import configure, flush


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("CODER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    configure(human="/dev/stderr", json="")
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before


@pytest.fixture
def served(monkeypatch):
    """What would be served, in place of serving it."""
    loads = []

    def remember(loaded):
        loads.append(loaded)
        return 0

    monkeypatch.setattr(server, "_serve", remember)
    return loads


def test_hands_the_settings_over(cli, served):
    result = cli(main, "server", "--http-address=:8080", "--ai-gateway-idle-timeout", "1m", "-l", "a", "-l", "b")
    assert (result.exit_code, result.output) == (0, "")
    ((settings, warnings, _),) = served
    assert str(settings.http.address) == ":8080"
    assert settings.gateway.idle_timeout == timedelta(minutes=1)
    assert [pattern.pattern for pattern in settings.logging.filter] == ["a", "b"]
    assert warnings == ()


def test_the_exit_status_is_the_servers(cli, monkeypatch):
    monkeypatch.setattr(server, "_serve", lambda _: 3)
    assert cli(main, "server").exit_code == 3


@pytest.mark.parametrize(
    ("words", "enabled"),
    [
        ([], False),
        (["--ai-gateway-enabled"], True),
        (["--ai-gateway-enabled=true"], True),
        (["--ai-gateway-enabled=false"], False),
        (["--aibridge-enabled"], True),
        (["--ai-gateway-enabled", "--ai-gateway-enabled=false"], False),
        (["--dev"], True),
        (["--dev", "--ai-gateway-enabled=false"], False),
    ],
)
def test_a_switch_stands_alone_or_has_a_value(cli, served, words, enabled):
    assert cli(main, "server", *words).exit_code == 0
    assert served[0].settings.gateway.enabled is enabled


def test_the_environment_as_the_setup_page_prints_it(cli, served, monkeypatch):
    monkeypatch.setenv("CODER_AI_GATEWAY_ENABLED", "true")
    monkeypatch.setenv("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "openai")
    monkeypatch.setenv("CODER_AI_GATEWAY_PROVIDER_0_NAME", "chatgpt")
    monkeypatch.setenv("CODER_AI_GATEWAY_PROVIDER_0_BASE_URL", "https://chatgpt.com/backend-api/codex")
    assert cli(main, "server").exit_code == 0
    assert [provider.name for provider in served[0].settings.providers] == ["chatgpt"]


def test_all_problems_at_once_and_exit_status_1(cli, served, monkeypatch):
    monkeypatch.setenv("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "x")
    result = cli(main, "server", "--nope", "1", "--http-adress=:80", "-q", "--dev", "--ai-gateway-max-body-size", "0")
    assert (result.exit_code, served) == (1, [])
    assert result.output.splitlines() == [
        "aigateway: the server cannot start with this configuration:",
        "  --nope: is not an option of this version; remove it",
        "  --http-adress: is not an option of this version; did you mean --http-address?",
        "  -q: is not an option of this version; remove it",
        '  --ai-gateway-max-body-size="0": must be more than nothing; write for example 64MiB',
        (
            '  CODER_AI_GATEWAY_PROVIDER_0_TYPE="x": provider 0 cannot have this type; '
            "write one of openai, anthropic, copilot"
        ),
    ]


def test_a_misspelt_secret_is_not_repeated(cli, served):
    result = cli(main, "server", "--ai-gateway-openai-kye", "sk-hunter2", "--ai-gateway-anthropic-kye=sk-hunter2")
    assert result.exit_code == 1
    assert "hunter2" not in result.output


def test_the_log_is_open_before_the_server_starts(cli, served, tmp_path):
    path = tmp_path / "log.json"
    assert cli(main, "server", "--log-human=", "--log-json", str(path)).exit_code == 0
    logging.getLogger("library").warning("hello")
    flush()
    flush()
    assert '"msg":"hello"' in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("option", ["--log-human", "--log-json", "--log-stackdriver"])
def test_a_log_that_cannot_be_written_is_told(cli, served, tmp_path, option):
    path = tmp_path / "none" / "log"
    result = cli(main, "server", option, str(path))
    assert result.exit_code == 1
    assert result.output.splitlines()[1:] == [
        (
            f'  {option}="{path}": cannot be written: No such file or directory; '
            "name a file in a folder that is there, /dev/stderr or nothing"
        )
    ]


def test_the_help_is_grouped_and_whole(cli):
    result = cli(main, "server", "--help")
    assert result.exit_code == 0
    for heading in (*Group, "Commands"):
        assert f"\n{heading}:\n" in result.output
    for option in OPTIONS:
        shown = f" {option.names.flag} " in result.output or f" {option.names.flag}," in result.output
        assert shown == (not option.hidden and not option.ignored), option.names.flag
    assert "--aibridge" not in result.output
    assert "create-admin-user" in result.output


def test_an_account_is_made_without_starting_the_server(cli, served, tmp_path):
    folder = tmp_path / "state"
    ada = ("--username", "ada", "--email", "ada@example.com", "--password", "correct horse battery")
    result = cli(main, "server", "--data-dir", str(folder), "--dev", "create-admin-user", *ada)
    assert result.exit_code == 0, result.output
    assert folder.is_dir()
    assert served == []


def test_a_word_that_is_no_command_is_told(cli, served):
    result = cli(main, "server", "--ai-gateway-enabled", "now")
    assert result.exit_code == 2
    assert "No such command 'now'" in result.output


def test_settings_can_be_checked_without_a_server(cli, served, monkeypatch, tmp_path):
    log = tmp_path / "log"
    result = cli(main, "server", "--check-config", "--log-human", str(log))
    assert (result.exit_code, result.output) == (0, "The settings are good.\n")
    monkeypatch.setenv("CODER_AIBRIDGE_ENABLED", "true")
    result = cli(main, "server", "--check-config")
    assert result.exit_code == 0
    assert "CODER_AIBRIDGE_ENABLED is an old name" in result.stderr
    result = cli(main, "server", "--check-config", "--http-address=7", "--nope")
    assert result.exit_code == 1
    assert [line.split(":")[0].strip() for line in result.stderr.splitlines()[1:3]] == ["--nope", '--http-address="7"']
    assert served == []
    assert not log.exists()


def test_the_settings_in_effect_are_printed_as_a_file(cli, served, tmp_path):
    result = cli(main, "server", "--write-config", "--ai-gateway-retention=90d", "--ai-gateway-openai-key=sk-hidden")
    assert (result.exit_code, served) == (0, [])
    assert "  retention: 90d\n" in result.stdout
    assert "hidden" not in result.output
    path = tmp_path / "written.yaml"
    path.write_text(result.stdout)
    assert cli(main, "server", "-c", str(path)).exit_code == 0
    assert served[0].settings.gateway.retention == timedelta(days=90)
