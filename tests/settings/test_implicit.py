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


@pytest.mark.parametrize("prefix", ["CODER_AI_GATEWAY", "CODER_AIBRIDGE"])
@pytest.mark.parametrize("part", ["REGION", "BASE_URL", "ACCESS_KEY", "ACCESS_KEY_SECRET"])
def test_bedrock_is_refused_not_ignored(operator, prefix, part):
    variable = f"{prefix}_BEDROCK_{part}"
    assert operator.hears(env={variable: "x"}) == [
        (
            f"{variable}: Amazon Bedrock is not supported yet by this version; "
            "unset it, or set KEY for Anthropic's own API"
        )
    ]
