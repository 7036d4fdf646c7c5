from pathlib import Path

import pytest

from aigateway import settings
from aigateway.settings.load import load
from aigateway.settings.options import OPTIONS
from aigateway.settings.written import written_config

SAMPLES = {
    "true|false": "true",
    "number": "7",
    "duration": "1d12h",
    "size": "3MiB",
    "host:port": "[::1]:81",
    "url": "https://ai.example.com/%7Eann/",
    "file": '/logs/ann\'s "log": é # 1.txt',
    "folder": "/state/null",
    "regex": r'a{1,2}"\d',
    "header": "X-Who",
    "text": "what it says",
    "words": "openid",
    "names": "Gateway, all of it",
    "domains": "example.com",
    "roles": "auditor",
    "json": '{"admins": "owner"}',
    "secret": "sk-hidden-0123456789",
    "keys": "c2staGlkZGVuLTAxMjM0NTY3ODktMDEyMzQ1Njc4OTA=",
    "database": "postgresql://ann:sk-hidden-0123456789@db.example.com/aigateway",
    "block|allow": "allow",
    "cancel|drain": "drain",
}
ON_BEDROCK = {
    "bedrock.region": "eu-central-1",
    "bedrock.model": "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc",
    "bedrock.small_fast_model": "eu.anthropic.claude-haiku-4-5",
    "bedrock.role_arn": "arn:aws:iam::123456789012:role/bedrock",
    "bedrock.external_id": "id-1",
    "bedrock.protocol": "invoke",
    "bedrock.models_file": str(Path(settings.__file__).parent / "bedrock_models.toml"),
}
"""Whose kinds say too little to make a sample of; a key for Anthropic itself is not set together with these."""
SECRETS = {
    option.names.env: SAMPLES[option.kind.metavar]
    for option in OPTIONS
    if option.kind.is_secret and option.field != "anthropic.key"
}


LEFT_OUT = {"config", "anthropic.key", "oidc.client_secret_file"}
"""What contradicts others."""


def written(loaded):
    return written_config(loaded.resolved, loaded.settings.providers)


def everything_set(source):
    """Every option set to something else than its default, by `flag` or by `env`."""
    values = {}
    for option in OPTIONS:
        name = getattr(option.names, source)
        if name and not option.ignored and option.field not in LEFT_OUT:
            text = ON_BEDROCK.get(option.field) or SAMPLES[option.kind.metavar]
            if option.field.startswith("gateway.actor_header"):
                text += option.field.rpartition("_")[2]
            values[name] = f'"{text.replace(chr(34), chr(34) * 2)}"' if option.kind.is_list else text
    return values


def test_the_defaults_are_read_back_as_they_were(operator):
    loaded = operator.loads()
    assert operator.sets(yaml=written(loaded)) == loaded.settings


@pytest.mark.parametrize("source", ["flag", "env"])
def test_whatever_is_set_is_read_back_as_it_was(operator, source):
    values = everything_set(source)
    loaded = operator.loads(**{"flags" if source == "flag" else source: values})
    text = written(loaded)
    assert SAMPLES["secret"] not in text
    again = operator.loads(flags={"--dev": "true"} if source == "flag" else {}, env=SECRETS, yaml=text)
    assert again.settings == loaded.settings
    in_file = {field for field, item in again.resolved.items() if "(coder.yaml line " in item.source}
    assert in_file == {
        option.field for option in OPTIONS if option.names.yaml and not option.kind.is_secret and not option.ignored
    }


def test_the_file_tells_where_a_value_is_from_and_what_is_set_elsewhere(operator):
    text = written(
        operator.loads(
            env={
                "CODER_AI_GATEWAY_RETENTION": "90d",
                "CODER_AI_GATEWAY_OPENAI_KEY": "sk-hidden",
                "CODER_AI_GATEWAY_PROVIDER_0_TYPE": "copilot",
            }
        )
    )
    assert (
        "  # How long records of requests are kept. 0 for ever. Set by CODER_AI_GATEWAY_RETENTION.\n"
        "  retention: 90d\n" in text
    )
    assert "# Not in this file: CODER_AI_GATEWAY_OPENAI_KEY\n" in text
    assert "# Not in this file: the provider copilot, set by CODER_AI_GATEWAY_PROVIDER_0_TYPE and its like\n" in text
    assert "hidden" not in text


def test_a_value_cannot_break_out_of_its_line(tmp_path):
    folder = "/state\nai_gateway: {enabled: true}\x1b[2J"
    loaded = load({"--data-dir": [folder]}, {"HOME": "/home/operator"})
    text = written_config(loaded.resolved, ())
    assert "\x1b" not in text
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    assert load({"--config": [str(path)]}, {"HOME": "/home/operator"}).settings == loaded.settings
