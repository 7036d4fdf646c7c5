import base64
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.settings.errors import ConfigurationError
from aigateway.settings.load import default_data_dir, load
from aigateway.settings.model import (
    Address,
    AuditFailure,
    CircuitBreakerSettings,
    GatewaySettings,
    HttpSettings,
    LoggingSettings,
    MetricsSettings,
    OnDisconnect,
    Settings,
    TlsSettings,
    TokenSettings,
    ToolLimits,
    TracingSettings,
)
from aigateway.settings.secret import Secret


def test_defaults(operator):
    assert operator.sets() == Settings(
        http=HttpSettings(address=Address("127.0.0.1", 3000), access_url=None, tls=None),
        gateway=GatewaySettings(
            enabled=False,
            allow_byok=True,
            max_body_size=64 * 2**20,
            max_concurrency=None,
            connect_timeout=timedelta(seconds=10),
            first_byte_timeout=timedelta(minutes=10),
            idle_timeout=timedelta(minutes=10),
            shutdown_timeout=timedelta(seconds=30),
            rate_limit=None,
            circuit_breaker=None,
            send_actor_headers=False,
            actor_header_id="X-AI-Bridge-Actor-ID",
            actor_header_username="X-AI-Bridge-Actor-Metadata-Username",
            actor_header_email=None,
            retention=timedelta(days=60),
            structured_logging=False,
            dump_dir=None,
            dump_max_file_size=64 * 2**20,
            dump_max_total_size=2**30,
            shutdown_delay=timedelta(),
            on_disconnect=OnDisconnect.CANCEL,
            audit_failure=AuditFailure.BLOCK,
            journal_max_size=10 * 2**30,
        ),
        tokens=TokenSettings(
            session_duration=timedelta(hours=24),
            default_lifetime=timedelta(hours=168),
            max_lifetime=timedelta(hours=876600),
            disable_session_refresh=False,
            api_keys_retention=timedelta(days=7),
        ),
        logging=LoggingSettings(human="/dev/stderr", json="", stackdriver="", filter=()),
        metrics=MetricsSettings(enabled=False, address=Address("127.0.0.1", 2112)),
        tracing=TracingSettings(enabled=False, honeycomb_api_key=None, capture_logs=False),
        oidc=None,
        disable_password_auth=False,
        data_dir=Path("/data/aigateway"),
        postgres_url=None,
        external_token_encryption_keys=(),
        workers=1,
        tools=ToolLimits(
            max_rounds=16,
            call_timeout=timedelta(seconds=60),
            max_result_size=2**20,
            catalogue_ttl=timedelta(minutes=5),
        ),
        tool_servers=(),
        dev=False,
        providers=(),
        unusable_providers=(),
    )


def test_every_option_can_be_set(operator):
    settings = operator.sets(
        flags={
            "--http-address": "[::1]:80",
            "--access-url": "https://ai.example.com/",
            "--ai-gateway-enabled": "true",
            "--ai-gateway-allow-byok": "no",
            "--ai-gateway-max-concurrency": "7",
            "--ai-gateway-max-body-size": "1MiB",
            "--ai-gateway-connect-timeout": "0",
            "--ai-gateway-first-byte-timeout": "1m",
            "--ai-gateway-idle-timeout": "2m",
            "--ai-gateway-shutdown-timeout": "0",
            "--ai-gateway-openai-key": "sk-openai",
            "--ai-gateway-openai-base-url": "https://openai.example.com/v1",
            "--ai-gateway-anthropic-key": "sk-anthropic",
            "--ai-gateway-anthropic-base-url": "https://anthropic.example.com",
            "--session-duration": "1h",
            "--disable-session-expiry-refresh": "1",
            "--default-token-lifetime": "2h",
            "--max-token-lifetime": "3h",
            "--log-human": "",
            "--log-json": "/dev/stdout",
            "--log-stackdriver": "/dev/stderr",
            "--log-filter": ["gateway", "audit"],
            "--ai-gateway-rate-limit": "20",
            "--ai-gateway-circuit-breaker-enabled": "true",
            "--ai-gateway-circuit-breaker-failure-threshold": "1",
            "--ai-gateway-circuit-breaker-interval": "2s",
            "--ai-gateway-circuit-breaker-timeout": "3s",
            "--ai-gateway-circuit-breaker-max-requests": "4",
            "--ai-gateway-send-actor-headers": "true",
            "--ai-gateway-actor-header-id": "X-Who",
            "--ai-gateway-actor-header-username": "",
            "--ai-gateway-actor-header-email": "X-Mail",
            "--ai-gateway-retention": "0",
            "--ai-gateway-structured-logging": "true",
            "--ai-gateway-dump-dir": "/dumps",
            "--ai-gateway-dump-max-file-size": "1KiB",
            "--ai-gateway-dump-max-total-size": "1MiB",
            "--ai-gateway-shutdown-delay": "5s",
            "--ai-gateway-on-disconnect": "drain",
            "--ai-gateway-audit-failure": "Allow",
            "--ai-gateway-journal-max-size": "1MiB",
            "--tls-enable": "true",
            "--tls-address": ":443",
            "--tls-cert-file": "/tls/cert.pem",
            "--tls-key-file": "/tls/key.pem",
            "--api-keys-retention": "30d",
            "--prometheus-enable": "true",
            "--prometheus-address": ":9090",
            "--trace": "true",
            "--trace-honeycomb-api-key": "hc-key",
            "--trace-logs": "true",
            "--data-dir": "/state",
            "--workers": "3",
            "--dev": "true",
        }
    )
    assert settings.http == HttpSettings(
        address=Address("::1", 80),
        access_url="https://ai.example.com",
        tls=TlsSettings(address=Address("", 443), cert_file=Path("/tls/cert.pem"), key_file=Path("/tls/key.pem")),
    )
    assert settings.gateway == GatewaySettings(
        enabled=True,
        allow_byok=False,
        max_body_size=2**20,
        max_concurrency=7,
        connect_timeout=None,
        first_byte_timeout=timedelta(minutes=1),
        idle_timeout=timedelta(minutes=2),
        shutdown_timeout=timedelta(),
        rate_limit=20,
        circuit_breaker=CircuitBreakerSettings(
            failure_threshold=1, interval=timedelta(seconds=2), timeout=timedelta(seconds=3), max_requests=4
        ),
        send_actor_headers=True,
        actor_header_id="X-Who",
        actor_header_username=None,
        actor_header_email="X-Mail",
        retention=None,
        structured_logging=True,
        dump_dir=Path("/dumps"),
        dump_max_file_size=2**10,
        dump_max_total_size=2**20,
        shutdown_delay=timedelta(seconds=5),
        on_disconnect=OnDisconnect.DRAIN,
        audit_failure=AuditFailure.ALLOW,
        journal_max_size=2**20,
    )
    assert settings.tokens == TokenSettings(
        session_duration=timedelta(hours=1),
        default_lifetime=timedelta(hours=2),
        max_lifetime=timedelta(hours=3),
        disable_session_refresh=True,
        api_keys_retention=timedelta(days=30),
    )
    assert settings.logging == LoggingSettings(
        human="",
        json="/dev/stdout",
        stackdriver="/dev/stderr",
        filter=(re.compile("gateway"), re.compile("audit")),
    )
    assert settings.metrics == MetricsSettings(enabled=True, address=Address("", 9090))
    assert settings.tracing == TracingSettings(enabled=True, honeycomb_api_key=Secret("hc-key"), capture_logs=True)
    assert (settings.data_dir, settings.workers, settings.dev) == (Path("/state"), 3, True)
    assert [(p.name, p.base_url, p.keys[0].reveal()) for p in settings.providers] == [
        ("openai", "https://openai.example.com/v1", "sk-openai"),
        ("anthropic", "https://anthropic.example.com", "sk-anthropic"),
    ]


def test_flag_over_variable_over_yaml_over_default(operator):
    flags = {"--ai-gateway-idle-timeout": "1m"}
    env = {"CODER_AI_GATEWAY_IDLE_TIMEOUT": "2m"}
    yaml = "ai_gateway: {idle_timeout: 3m}"
    seconds = [
        operator.sets(**sources).gateway.idle_timeout.total_seconds()
        for sources in ({"flags": flags, "env": env, "yaml": yaml}, {"env": env, "yaml": yaml}, {"yaml": yaml}, {})
    ]
    assert seconds == [60, 120, 180, 600]


def test_each_option_is_resolved_alone(operator):
    settings = operator.sets(
        flags={"--ai-gateway-connect-timeout": "1s"},
        env={"CODER_AI_GATEWAY_FIRST_BYTE_TIMEOUT": "2s"},
        yaml="ai_gateway:\n  idle_timeout: 3s\n",
    ).gateway
    timeouts = (settings.connect_timeout, settings.first_byte_timeout, settings.idle_timeout, settings.shutdown_timeout)
    assert timeouts == tuple(timedelta(seconds=seconds) for seconds in (1, 2, 3, 30))


def test_the_yaml_file_is_named_by_the_variable_too(operator, tmp_path):
    config = tmp_path / "other.yaml"
    config.write_text("ai_gateway: {enabled: true}")
    assert operator.sets(env={"CODER_CONFIG_PATH": str(config)}).gateway.enabled


@pytest.mark.parametrize(
    ("sources", "old", "new"),
    [
        ({"flags": {"--aibridge-enabled": "true"}}, "--aibridge-enabled", None),
        ({"env": {"CODER_AIBRIDGE_ENABLED": "true"}}, "CODER_AIBRIDGE_ENABLED", None),
        ({"yaml": "aibridge:\n  enabled: true"}, "aibridge.enabled (coder.yaml line 2)", None),
        (
            {"env": {"CODER_AIBRIDGE_ENABLED": "false", "CODER_AI_GATEWAY_ENABLED": "true"}},
            "CODER_AIBRIDGE_ENABLED",
            "CODER_AI_GATEWAY_ENABLED",
        ),
        (
            {"flags": {"--ai-gateway-enabled": "true", "--aibridge-enabled": "false"}},
            "--aibridge-enabled",
            "--ai-gateway-enabled",
        ),
        (
            {"flags": {"--aibridge-enabled": "false"}, "yaml": "ai_gateway: {enabled: true}"},
            "--aibridge-enabled",
            "ai_gateway.enabled (coder.yaml line 1)",
        ),
    ],
)
def test_old_names_work_and_never_win_over_new_ones(operator, sources, old, new):
    settings, warnings, _ = operator.loads(**sources)
    assert settings.gateway.enabled
    assert warnings == (
        f"Both {new} and its old name {old} are set; {new} is used. Remove the old one."
        if new
        else f"{old} is an old name, which still works; use --ai-gateway-enabled or CODER_AI_GATEWAY_ENABLED instead.",
    )


def test_an_empty_variable_counts_as_not_set(operator):
    assert operator.sets(env={"CODER_LOGGING_HUMAN": "", "CODER_HTTP_ADDRESS": ""}).logging.human == "/dev/stderr"


def test_all_problems_of_all_sources_are_told_at_once(operator):
    lines = operator.hears(
        flags={"--http-address": "nowhere", "--htp-address": "x", "--ai-gateway-openai-base-url": "u:p@host"},
        env={
            "CODER_AIBRIDGE_MAX_CONCURRENCY": "-1",
            "CODER_AI_GATEWAY_OPENAI_KEY": "sk-two\nlines",
            "CODER_AI_GATEWAY_PROVIDER_0_NAME": "x",
            "CODER_ACCESS_URL": "ai.example.com",
        },
        yaml=(
            "ai_gateway:\n"
            "  idle_timeout: -1s\n"
            "  max_body_size: [1, 2]\n"
            "  anthropic_key: sk-hidden\n"
            "  idletimeout: 1s\n"
            "networking: 7\n"
            "introspection: {logging: {filter: [[a]]}}\n"
            "defaultTokenLifetime: 0\n"
            '"a\\nb": 1\n'
        ),
    )
    assert lines == [
        "networking (coder.yaml line 6): must hold keys with values, indented below it",
        "--htp-address: is not an option of this version; did you mean --http-address?",
        (
            "ai_gateway.idletimeout (coder.yaml line 5): is not a setting of this version; "
            "did you mean ai_gateway.idle_timeout?"
        ),
        '"a\\nb (coder.yaml line 9)": is not a setting of this version; remove it',
        (
            '--http-address="nowhere": not an address to listen on; write host:port, '
            "for example 127.0.0.1:3000 or [::1]:3000"
        ),
        'CODER_ACCESS_URL="ai.example.com": not an absolute URL; write it with http:// or https:// and a host',
        'defaultTokenLifetime (coder.yaml line 8)="0": must be longer than 0; write for example 24h',
        "introspection.logging.filter (coder.yaml line 7): holds keys or nested lists; write a regex",
        'CODER_AIBRIDGE_MAX_CONCURRENCY="-1": not a whole number from 0 to 999999999; write one, 0 for no limit',
        "ai_gateway.max_body_size (coder.yaml line 3): holds a list; write one size",
        (
            'ai_gateway.idle_timeout (coder.yaml line 2)="-1s": a duration cannot be negative; '
            "write 0 or more, for example 60d"
        ),
        "--ai-gateway-openai-base-url: not an absolute URL; write it with http:// or https:// and a host",
        (
            "CODER_AI_GATEWAY_OPENAI_KEY: has characters that a credential cannot have, perhaps a line break; "
            "copy it again"
        ),
        (
            "ai_gateway.anthropic_key (coder.yaml line 4): a secret cannot be in a YAML file; "
            "remove it there and set the variable CODER_AI_GATEWAY_ANTHROPIC_KEY"
        ),
        "CODER_AI_GATEWAY_PROVIDER_0_TYPE: provider 0 has no type; set it to one of openai, anthropic, copilot",
    ]


def test_dev_enables_the_gateway_and_has_its_own_folder(operator):
    settings = operator.sets(flags={"--dev": "true"})
    assert settings.gateway.enabled
    assert settings.data_dir == Path("/data/aigateway-dev")


def test_dev_leaves_what_is_set(operator):
    settings = operator.sets(flags={"--dev": "true"}, env={"CODER_AI_GATEWAY_ENABLED": "false"})
    assert not settings.gateway.enabled


def test_state_is_kept_where_xdg_says_only_when_that_is_absolute(monkeypatch):
    monkeypatch.setenv("HOME", "/home/operator")
    assert default_data_dir({"XDG_DATA_HOME": "relative"}, dev=False) == Path("/home/operator/.local/share/aigateway")
    assert default_data_dir({}, dev=True) == Path("/home/operator/.local/share/aigateway-dev")


def test_a_machine_without_a_home_folder_is_told_to_set_the_folder(monkeypatch):
    def no_home(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(ConfigurationError, match=r"^--data-dir: has no default, because the home folder is not known"):
        load({}, {})


def test_a_shorter_longest_life_shortens_the_default_one(operator):
    tokens = operator.sets(env={"CODER_MAX_TOKEN_LIFETIME": "24h"}).tokens
    assert tokens.default_lifetime == timedelta(hours=24)


def test_a_default_life_above_the_longest_is_refused(operator):
    env = {"CODER_MAX_TOKEN_LIFETIME": "24h", "CODER_DEFAULT_TOKEN_LIFETIME": "48h"}
    assert operator.hears(env=env) == [
        (
            'CODER_DEFAULT_TOKEN_LIFETIME="2d": is longer than any token may live (CODER_MAX_TOKEN_LIFETIME); '
            "shorten it, or raise that"
        )
    ]


def test_a_provider_that_nobody_could_use_is_skipped_with_a_warning(operator):
    settings, warnings, _ = operator.loads(
        env={
            "CODER_AI_GATEWAY_ALLOW_BYOK": "false",
            "CODER_AI_GATEWAY_PROVIDER_0_TYPE": "openai",
            "CODER_AI_GATEWAY_PROVIDER_1_TYPE": "copilot",
            "CODER_AI_GATEWAY_PROVIDER_2_TYPE": "anthropic",
            "CODER_AI_GATEWAY_PROVIDER_2_KEY": "sk",
        }
    )
    assert [provider.name for provider in settings.providers] == ["copilot", "anthropic"]
    assert warnings == (
        (
            "The provider openai is skipped: it has no key, and people must not bring their own; "
            "set its key, or --ai-gateway-allow-byok."
        ),
    )
    assert [each.provider.name for each in settings.unusable_providers] == ["openai"]


def test_a_regex_with_a_comma_goes_in_quotes(operator):
    assert operator.sets(env={"CODER_LOG_FILTER": 'audit,"a{1,2}"'}).logging.filter == (
        re.compile("audit"),
        re.compile("a{1,2}"),
    )


def test_a_yaml_list_is_one_value_an_item(operator):
    yaml = "introspection:\n  logging:\n    filter: ['a{1,2}', audit]"
    assert [pattern.pattern for pattern in operator.sets(yaml=yaml).logging.filter] == ["a{1,2}", "audit"]


@given(st.dictionaries(st.sampled_from(["--http-address", "--ai-gateway-openai-base-url", "--log-filter"]), st.text()))
def test_any_text_is_taken_or_refused_on_one_line(flags):
    assert all(line.isprintable() for line in refusals({flag: [text] for flag, text in flags.items()}))


def refusals(flags):
    try:
        load(flags, {"XDG_DATA_HOME": "/data"})
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_pattern_that_is_none_is_refused(operator):
    assert operator.hears(flags={"--log-filter": ["fine", "("]}) == [
        (
            '--log-filter="(": not a regular expression (missing ), unterminated subpattern at position 0); '
            "write one, for example .* for every debug line"
        )
    ]


def test_a_secret_in_the_yaml_file_is_refused_even_when_a_variable_sets_it_too(operator):
    lines = operator.hears(yaml="aibridge: {openai_key: sk-x}", env={"CODER_AI_GATEWAY_OPENAI_KEY": "sk-y"})
    assert lines == [
        (
            "aibridge.openai_key (coder.yaml line 1): a secret cannot be in a YAML file; "
            "remove it there and set the variable CODER_AI_GATEWAY_OPENAI_KEY"
        )
    ]


@pytest.mark.parametrize(
    ("sources", "form"),
    [
        ({"env": {"CODER_AI_GATEWAY_INJECT_CODER_MCP_TOOLS": "true"}}, "CODER_AI_GATEWAY_INJECT_CODER_MCP_TOOLS"),
        ({"env": {"CODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS": "true"}}, "CODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS"),
        ({"flags": {"--audit-logs-retention": "30d"}}, "--audit-logs-retention"),
        ({"env": {"CODER_CONNECTION_LOGS_RETENTION": "0"}}, "CODER_CONNECTION_LOGS_RETENTION"),
        ({"yaml": "retention: {workspace_agent_logs: 7d}"}, "retention.workspace_agent_logs (coder.yaml line 1)"),
    ],
)
def test_what_only_the_documented_system_has_is_accepted_with_a_warning(operator, sources, form):
    assert operator.loads(**sources).warnings == (f"{form} has no effect in this product; remove it.",)


def test_a_list_of_one_is_that_one(operator):
    tls = operator.sets(yaml="networking: {tls: {enable: true, certFiles: [/c.pem], keyFiles: [/k.pem]}}").http.tls
    assert (tls.cert_file, tls.key_file) == (Path("/c.pem"), Path("/k.pem"))


@pytest.mark.parametrize("text", ["0", "0s", "0d"])
def test_records_may_be_kept_for_ever(operator, text):
    assert operator.sets(env={"CODER_AI_GATEWAY_RETENTION": text}).gateway.retention is None


def test_retention_cannot_be_negative(operator):
    assert operator.hears(yaml="ai_gateway:\n  retention: -1d\n") == [
        (
            'ai_gateway.retention (coder.yaml line 2)="-1d": a duration cannot be negative; '
            "write 0 or more, for example 60d"
        )
    ]


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_folder_means_no_dumps(operator, text):
    assert operator.sets(flags={"--ai-gateway-dump-dir": text}).gateway.dump_dir is None


def test_a_pattern_that_python_may_read_otherwise_one_day_is_taken(operator):
    (pattern,) = operator.sets(flags={"--log-filter": "[[]"}).logging.filter
    assert pattern.search("[")


@pytest.mark.parametrize("word", ["maybe", "", "block,allow"])
def test_a_word_that_is_none_of_the_choices_is_refused_with_the_choices(operator, word):
    with pytest.raises(ConfigurationError, match="write block or allow"):
        operator.sets(yaml=f'ai_gateway: {{audit_failure: "{word}"}}')


def test_the_url_of_a_database_is_a_secret(operator):
    url = "postgres://ann:hidden-password@db.example.com/aigateway?sslmode=require"
    settings = operator.sets(env={"CODER_PG_CONNECTION_URL": url})
    assert settings.postgres_url.reveal() == url
    assert "hidden" not in repr(settings)
    [problem] = operator.hears(env={"CODER_PG_CONNECTION_URL": "mysql://ann:hidden-password@db.example.com"})
    assert "postgresql://" in problem
    assert "hidden" not in problem


KEYS = tuple(base64.b64encode(bytes([number]) * 32).decode() for number in range(2))


def test_encryption_keys_are_a_list_of_which_the_first_encrypts(operator):
    settings = operator.sets(env={"CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS": ",".join(KEYS)})
    assert [key.reveal() for key in settings.external_token_encryption_keys] == list(KEYS)
    assert operator.sets().external_token_encryption_keys == ()


def test_a_wrong_encryption_key_is_refused_and_not_repeated(operator):
    [problem] = operator.hears(env={"CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS": f"{KEYS[0]},hidden-key"})
    assert problem == (
        "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS: not 32 bytes in base64; make one with: openssl rand -base64 32"
    )
