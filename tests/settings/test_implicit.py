import pytest


def providers(operator, env):
    return operator.sets(env=env).providers


def test_a_key_registers_a_provider_with_the_default_address(operator):
    (provider,) = providers(operator, {"CODER_AI_GATEWAY_ANTHROPIC_KEY": " sk-ant\n"})
    assert (provider.type, provider.name, provider.base_url) == ("anthropic", "anthropic", "https://api.anthropic.com/")
    assert [key.reveal() for key in provider.keys] == ["sk-ant"]
    assert provider.sources == {
        "type": "CODER_AI_GATEWAY_ANTHROPIC_KEY",
        "name": "CODER_AI_GATEWAY_ANTHROPIC_KEY",
        "base_url": "default",
        "keys": "CODER_AI_GATEWAY_ANTHROPIC_KEY",
    }


def test_a_base_url_of_ones_own_registers_a_provider_without_a_key(operator):
    (provider,) = providers(operator, {"CODER_AI_GATEWAY_OPENAI_BASE_URL": "https://litellm.example.com"})
    assert (provider.name, provider.base_url, provider.keys) == ("openai", "https://litellm.example.com", ())
    assert provider.sources["keys"] == "default"


@pytest.mark.parametrize("url", ["https://api.openai.com/v1/", "https://api.openai.com/v1"])
def test_the_default_base_url_alone_registers_nothing(operator, url):
    assert providers(operator, {"CODER_AI_GATEWAY_OPENAI_BASE_URL": url}) == ()


def test_a_key_in_the_servers_own_environment_is_never_used(operator):
    assert providers(operator, {"OPENAI_API_KEY": "sk", "ANTHROPIC_API_KEY": "sk", "ANTHROPIC_AUTH_TOKEN": "t"}) == ()


def test_an_indexed_provider_may_have_the_name_of_an_implicit_one_that_is_not_configured(operator):
    (provider,) = providers(operator, {"CODER_AI_GATEWAY_PROVIDER_0_TYPE": "openai"})
    assert provider.name == "openai"


def test_an_indexed_provider_beside_an_implicit_one_of_the_same_name(operator):
    env = {"CODER_AIBRIDGE_OPENAI_KEY": "sk", "CODER_AI_GATEWAY_PROVIDER_0_TYPE": "openai"}
    assert operator.hears(env=env) == [
        (
            'CODER_AI_GATEWAY_PROVIDER_0_TYPE="openai": the provider openai is already configured by '
            "CODER_AIBRIDGE_OPENAI_KEY; remove one of them"
        )
    ]


BEDROCK = "CODER_AI_GATEWAY_BEDROCK_"


@pytest.mark.parametrize("prefix", ["CODER_AI_GATEWAY", "CODER_AIBRIDGE"])
def test_the_documented_bedrock_variables(operator, prefix):
    env = {
        f"{prefix}_BEDROCK_REGION": "us-west-2",
        f"{prefix}_BEDROCK_ACCESS_KEY": "AKIAIOSFODNN7EXAMPLE",
        f"{prefix}_BEDROCK_ACCESS_KEY_SECRET": "wJalr",
    }
    (provider,) = operator.loads(env=env).settings.providers
    assert (provider.type, provider.name, provider.keys) == ("anthropic", "anthropic", ())
    assert provider.base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert (provider.bedrock.protocol, provider.bedrock.region) == ("invoke", "us-west-2")
    ((key),) = provider.bedrock.access_keys
    assert (key.id.reveal(), key.secret.reveal()) == ("AKIAIOSFODNN7EXAMPLE", "wJalr")
    assert provider.bedrock.model == "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert provider.bedrock.small_fast_model == "global.anthropic.claude-haiku-4-5-20251001-v1:0"
    assert provider.sources == {
        "type": f"{prefix}_BEDROCK_REGION",
        "name": f"{prefix}_BEDROCK_REGION",
        "base_url": f"{prefix}_BEDROCK_REGION",
        "keys": f"{prefix}_BEDROCK_ACCESS_KEY",
    }


def test_bedrock_by_flags_and_yaml(operator):
    flags = {
        "--ai-gateway-bedrock-region": "eu-west-1",
        "--ai-gateway-bedrock-small-fastmodel": "eu.anthropic.claude-haiku-4-5",
        "--ai-gateway-bedrock-role-arn": "arn:aws:iam::123456789012:role/team/bedrock",
        "--ai-gateway-bedrock-external-id": "ours",
    }
    yaml = "ai_gateway: {bedrock_base_url: 'https://aws-proxy.example/bedrock/', bedrock_model: a.b, bedrock_region: x}"
    (provider,) = operator.sets(flags=flags, yaml=yaml).providers
    bedrock = provider.bedrock
    assert (provider.base_url, bedrock.region) == ("https://aws-proxy.example/bedrock/", "eu-west-1")
    assert (bedrock.model, bedrock.small_fast_model) == ("a.b", "eu.anthropic.claude-haiku-4-5")
    assert (bedrock.role_arn, bedrock.external_id) == ("arn:aws:iam::123456789012:role/team/bedrock", "ours")
    assert bedrock.access_keys == ()


def test_the_models_alone_put_nothing_on_bedrock(operator):
    assert providers(operator, {f"{BEDROCK}MODEL": "m", f"{BEDROCK}SMALL_FAST_MODEL": "s"}) == ()


def test_bedrock_needs_no_key_of_ones_own(operator):
    env = {f"{BEDROCK}REGION": "us-west-2", "CODER_AI_GATEWAY_ALLOW_BYOK": "false"}
    assert len(providers(operator, env)) == 1


WRONG = [
    (
        {"CODER_AI_GATEWAY_ANTHROPIC_KEY": "sk", f"{BEDROCK}REGION": "us-west-2"},
        f"CODER_AI_GATEWAY_ANTHROPIC_KEY: cannot be set together with {BEDROCK}REGION; remove one of them",
    ),
    (
        {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}ACCESS_KEY": "AKIA"},
        f"{BEDROCK}ACCESS_KEY: is half of a pair; set --ai-gateway-bedrock-access-key-secret too",
    ),
    (
        {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}ACCESS_KEY_SECRET": "wJa"},
        f"{BEDROCK}ACCESS_KEY_SECRET: is half of a pair; set --ai-gateway-bedrock-access-key too",
    ),
    (
        {f"{BEDROCK}ACCESS_KEY": "AKIA", f"{BEDROCK}ACCESS_KEY_SECRET": "wJa"},
        (
            "--ai-gateway-bedrock-region: is needed for Amazon Bedrock; name a region, for example us-west-2, "
            "or set --ai-gateway-bedrock-base-url"
        ),
    ),
    (
        {f"{BEDROCK}REGION": "Oregon"},
        f'{BEDROCK}REGION="Oregon": not the name of an AWS region; write one, for example us-west-2',
    ),
    (
        {f"{BEDROCK}BASE_URL": "bedrock"},
        f'{BEDROCK}BASE_URL="bedrock": not an absolute URL; write it with http:// or https:// and a host',
    ),
    (
        {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}MODEL": "claude sonnet"},
        (
            f'{BEDROCK}MODEL="claude sonnet": not the id or ARN of a model or an inference profile; write one, '
            "for example global.anthropic.claude-sonnet-4-5-20250929-v1:0"
        ),
    ),
    (
        {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}ROLE_ARN": "bedrock"},
        (
            f'{BEDROCK}ROLE_ARN="bedrock": not the ARN of a role; write one, '
            "for example arn:aws:iam::123456789012:role/bedrock"
        ),
    ),
    (
        {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}EXTERNAL_ID": "ours"},
        (
            f'{BEDROCK}EXTERNAL_ID="ours": has no effect without --ai-gateway-bedrock-role-arn; set that too, '
            "or unset this"
        ),
    ),
    (
        {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}PROTOCOL": "converse"},
        f'{BEDROCK}PROTOCOL="converse": no such protocol; write one of invoke, mantle',
    ),
]


@pytest.mark.parametrize(("env", "message"), WRONG)
def test_says_what_is_wrong_with_bedrock(operator, env, message):
    assert operator.hears(env=env) == [message]


def test_a_file_of_models_that_cannot_be_used(operator, tmp_path):
    path = tmp_path / "models.toml"
    env = {f"{BEDROCK}REGION": "us-west-2", f"{BEDROCK}MODELS_FILE": str(path)}
    (missing,) = operator.hears(env=env)
    assert missing == f'{BEDROCK}MODELS_FILE="{path}": cannot be read: No such file or directory; see docs/bedrock.md'
    path.write_text('[[family]]\nmatch = "x"\n')
    (wrong,) = operator.hears(env=env)
    assert "is not a table of model families: Expected `array`, got `str` - at `$.family[0].match`" in wrong
    path.write_text('[[family]]\nmatch = ["sonnet"]\nbetas = {new-2030-01-01 = true}\n')
    (provider,) = operator.sets(env=env).providers
    assert provider.bedrock.models.rules(provider.bedrock.model).betas["new-2030-01-01"] is True


def test_the_usage_of_openai_streams_is_asked_for_unless_that_is_off(operator):
    (on,) = providers(operator, {"CODER_AI_GATEWAY_OPENAI_KEY": "sk"})
    (off,) = providers(operator, {"CODER_AI_GATEWAY_OPENAI_KEY": "sk", "CODER_AI_GATEWAY_OPENAI_STREAM_USAGE": "false"})
    assert (on.stream_usage, off.stream_usage) == (True, False)
