from pathlib import Path

import msgspec

from aigateway.settings import model
from aigateway.settings.options import OPTIONS
from aigateway.settings.reference import options_reference

SECTIONS = {
    "http": model.HttpSettings,
    "gateway": model.GatewaySettings,
    "tokens": model.TokenSettings,
    "oidc": model.OidcSettings,
    "logging": model.LoggingSettings,
    "metrics": model.MetricsSettings,
    "tracing": model.TracingSettings,
    "tools": model.ToolLimits,
}
SWITCHED = {
    "tls": ("http.tls", model.TlsSettings),
    "breaker": ("gateway.circuit_breaker", model.CircuitBreakerSettings),
}
BEDROCK = (
    "base_url region access_key access_key_secret model small_fast_model role_arn external_id protocol models_file"
)
LOADER_READS = {
    "config",
    "openai.base_url",
    "openai.key",
    "openai.stream_usage",
    "anthropic.base_url",
    "anthropic.key",
} | {f"bedrock.{part}" for part in BEDROCK.split()}


def test_every_field_of_the_settings_has_its_row_and_every_row_its_field():
    fields = {f"{name}.{field.name}" for name, section in SECTIONS.items() for field in msgspec.structs.fields(section)}
    fields |= {field.name for field in msgspec.structs.fields(model.Settings)} - {
        *SECTIONS,
        "providers",
        "unusable_providers",
        "tool_servers",
    }
    for name, (field, section) in SWITCHED.items():
        fields.remove(field)
        fields |= {f"{name}.enabled"} | {f"{name}.{each.name}" for each in msgspec.structs.fields(section)}
    assert {option.field for option in OPTIONS if not option.ignored} == fields | LOADER_READS


def test_no_name_is_used_twice():
    all_names = [names for option in OPTIONS for names in (option.names, option.old_names) if names]
    for source in ("flag", "env", "yaml", "short", "also"):
        names = [getattr(each, source) for each in all_names if getattr(each, source)]
        assert len(names) == len(set(names))


def test_every_option_has_a_help_text_and_a_default_that_can_be_read():
    for option in OPTIONS:
        assert option.help.endswith(".")
        if option.default is not None:
            option.kind.parse(option.default)


def test_secrets_have_a_variable_to_be_set_by():
    assert all(option.names.env for option in OPTIONS if option.kind.is_secret)


def test_the_documentation_lists_the_options_as_they_are():
    docs = Path(__file__).parents[2] / "docs" / "configuration.md"
    begin = "<!-- options: python -m aigateway.settings.reference -->"
    listed = docs.read_text(encoding="utf-8").partition(begin)[2].partition("<!-- /options -->")[0]
    assert listed.strip() == options_reference().strip(), "paste what `python -m aigateway.settings.reference` prints"
