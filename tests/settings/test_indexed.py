import pytest

from aigateway.settings.bedrock_models import shipped_models
from aigateway.settings.bedrock_reading import Environment
from aigateway.settings.indexed import indexed_providers
from aigateway.settings.providers import RESERVED_NAMES, ProviderType

P = "CODER_AI_GATEWAY_PROVIDER_"
AWS = Environment(shipped_models(), None)


def read(variables, implicit=None):
    environ = {f"{P}{name}": value for name, value in variables.items()}
    return indexed_providers(environ | {"PATH": "/bin", "CODER_AI_GATEWAY_ENABLED": "true"}, implicit or {}, AWS)


def providers(variables):
    found = read(variables)
    assert found.problems == found.warnings == ()
    return found.providers


def problems(variables, implicit=None):
    return [str(problem) for problem in read(variables, implicit).problems]


def test_the_documented_example():
    corp, direct, azure, copilot = providers(
        {
            "0_TYPE": "anthropic",
            "0_NAME": "anthropic-corp",
            "0_KEY": "sk-ant-corp-xxx",
            "0_BASE_URL": "https://llm-proxy.internal.example.com/anthropic",
            "1_TYPE": "anthropic",
            "1_NAME": "anthropic-direct",
            "1_KEYS": " sk-ant-direct-yyy , sk-ant-direct-zzz ",
            "2_TYPE": "openai",
            "2_NAME": "azure-openai",
            "2_KEY": "azure-key-zzz",
            "2_BASE_URL": "https://my-deployment.openai.azure.com/",
            "3_TYPE": "copilot",
        }
    )
    assert (corp.type, corp.name, corp.base_url) == (
        ProviderType.ANTHROPIC,
        "anthropic-corp",
        "https://llm-proxy.internal.example.com/anthropic",
    )
    assert [key.reveal() for key in corp.keys] == ["sk-ant-corp-xxx"]
    assert corp.sources == {
        "type": f"{P}0_TYPE",
        "name": f"{P}0_NAME",
        "base_url": f"{P}0_BASE_URL",
        "keys": f"{P}0_KEY",
    }
    assert [key.reveal() for key in direct.keys] == ["sk-ant-direct-yyy", "sk-ant-direct-zzz"]
    assert direct.base_url == "https://api.anthropic.com/"
    assert direct.sources == {
        "type": f"{P}1_TYPE",
        "name": f"{P}1_NAME",
        "base_url": "default",
        "keys": f"{P}1_KEYS",
    }
    assert (azure.type, azure.base_url) == (ProviderType.OPENAI, "https://my-deployment.openai.azure.com/")
    assert (copilot.name, copilot.base_url, copilot.keys) == (
        "copilot",
        "https://api.individual.githubcopilot.com",
        (),
    )


def test_no_variables_no_providers():
    assert providers({}) == ()


def test_numbers_are_sorted_as_numbers_whatever_the_order_of_the_environment():
    variables = {}
    for index in (10, 2, 11, 0, 9, 1, 3, 8, 4, 7, 5, 6):
        variables |= {f"{index}_NAME": f"p{index}", f"{index}_TYPE": "openai"}
    assert [provider.name for provider in providers(variables)] == [f"p{index}" for index in range(12)]


def test_the_case_of_the_key_part_is_ignored():
    (provider,) = providers({"0_type": "openai", "0_Name": "mine", "0_kEy": "sk", "0_Base_Url": "https://x.example"})
    assert (provider.name, provider.base_url, provider.keys[0].reveal()) == ("mine", "https://x.example", "sk")
    assert provider.sources["name"] == f"{P}0_Name"


def test_the_same_key_part_twice_in_different_case():
    assert problems({"0_TYPE": "openai", "0_NAME": "a", "0_name": "b"}) == [
        f"{P}0_name: means the same as {P}0_NAME, which is set too; remove one"
    ]


def test_an_empty_variable_counts_as_not_set():
    (provider,) = providers({"0_TYPE": "openai", "0_KEY": "", "0_NAME": " ", "0_BASE_URL": "", "1_TYPE": ""})
    assert (provider.name, provider.keys) == ("openai", ())


def test_the_old_prefix_works_with_a_warning():
    found = indexed_providers({"CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai"}, {}, AWS)
    assert [provider.name for provider in found.providers] == ["openai"]
    assert found.problems == ()
    assert found.warnings == (
        f"CODER_AIBRIDGE_PROVIDER_0_TYPE has an old prefix, which still works; use {P}… instead.",
    )


def test_both_prefixes_at_once():
    found = indexed_providers({"CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai", f"{P}0_TYPE": "anthropic"}, {}, AWS)
    assert [str(problem) for problem in found.problems] == [
        f"CODER_AIBRIDGE_PROVIDER_0_TYPE: providers are numbered under {P} too; rename this one and its like to {P}…"
    ]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param(
            {"1_TYPE": "openai"},
            f"{P}0_TYPE: provider 0 is missing, but 1 is there; number providers 0, 1, 2 without gaps",
            id="first index not 0",
        ),
        pytest.param(
            {"0_TYPE": "openai", "1_TYPE": "anthropic", "3_TYPE": "copilot"},
            f"{P}2_TYPE: provider 2 is missing, but 3 is there; number providers 0, 1, 2 without gaps",
            id="a hole",
        ),
        pytest.param(
            {"X_TYPE": "openai"},
            f"{P}X_TYPE: 'X' is not a provider's number; number them 0, 1, 2 and so on, as in {P}0_TYPE",
            id="index not an integer",
        ),
        pytest.param(
            {"-1_TYPE": "openai"},
            f"{P}-1_TYPE: '-1' is not a provider's number; number them 0, 1, 2 and so on, as in {P}0_TYPE",
            id="negative index",
        ),
        pytest.param(
            {"00_TYPE": "openai"},
            f"{P}00_TYPE: '00' is not a provider's number; number them 0, 1, 2 and so on, as in {P}0_TYPE",
            id="index with a leading zero",
        ),
        pytest.param(
            {"0_NAME": "mine"},
            f"{P}0_TYPE: provider 0 has no type; set it to one of openai, anthropic, copilot",
            id="TYPE missing",
        ),
        pytest.param(
            {"0_TYPE": "gemini"},
            f'{P}0_TYPE="gemini": provider 0 cannot have this type; write one of openai, anthropic, copilot',
            id="TYPE not in the list",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_NAME": "My_Provider"},
            f'{P}0_NAME="My_Provider": not a provider name; '
            "write words of a-z and 0-9 joined by single hyphens, for example openai-eu",
            id="NAME not matching the pattern",
        ),
        pytest.param(
            {"0_TYPE": "openai", "1_TYPE": "openai"},
            f'{P}1_TYPE="openai": two providers are called openai, this one and that of {P}0_TYPE; '
            "give each its own NAME, which providers of the same type need",
            id="same defaulted name",
        ),
        pytest.param(
            {"0_TYPE": "openai", "1_TYPE": "anthropic", "1_NAME": "openai"},
            f'{P}1_NAME="openai": two providers are called openai, this one and that of {P}0_TYPE; '
            "give each its own NAME, which providers of the same type need",
            id="same explicit name",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_KEY": "a", "0_KEYS": "b,c"},
            f"{P}0_KEY: means the same as {P}0_KEYS, which is set too; remove one",
            id="KEY and KEYS both set",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_KEYS": "sk-a,,sk-b"},
            f"{P}0_KEYS: number 2 of the list is empty; remove the comma too much",
            id="empty element in a KEYS list",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_KEYS": "sk-a,sk-b,sk-a"},
            f"{P}0_KEYS: number 3 of the list repeats number 1; remove one",
            id="same key twice",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_KEY": ",".join(f"sk-{number}" for number in range(101))},
            f"{P}0_KEY: holds 101 keys; 100 are the most for one provider",
            id="too many keys",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_KEY": "sk-a\nX-Evil: 1"},
            f"{P}0_KEY: number 1 of the list has characters that a credential cannot have, perhaps a line break; "
            "copy it again",
            id="key that could forge a header",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_BEDROCK_REGION": "us-west-2"},
            f"{P}0_BEDROCK_REGION: is for anthropic providers, and provider 0 is openai; unset it",
            id="BEDROCK on another type",
        ),
        pytest.param(
            {"0_TYPE": "copilot", "0_KEYS": "sk"},
            f"{P}0_KEYS: a copilot provider takes no key, because people bring their own; unset it",
            id="KEYS on copilot",
        ),
        pytest.param(
            {"0_TYPE": "bedrock"},
            f"{P}0_BEDROCK_REGION: is needed for Amazon Bedrock; name a region, for example us-west-2, "
            f"or set {P}0_BEDROCK_BASE_URL",
            id="neither a region nor a base URL of Bedrock",
        ),
        pytest.param(
            {"0_TYPE": "anthropic", "0_STREAM_USAGE": "false"},
            f"{P}0_STREAM_USAGE: is for openai providers, and provider 0 is anthropic; unset it",
            id="STREAM_USAGE on another type",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_STREAM_USAGE": "sometimes"},
            f'{P}0_STREAM_USAGE="sometimes": neither true nor false; write true or false',
            id="STREAM_USAGE that is no switch",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_BASE_URL": "ftp://x"},
            f'{P}0_BASE_URL="ftp://x": not an absolute URL; write it with http:// or https:// and a host',
            id="base URL that is none",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_BASE_URL": "https://user:hunter2@x.example"},
            f"{P}0_BASE_URL: a URL must not carry credentials; "
            "remove the part before the @ and set the key by its option",
            id="base URL with a password",
        ),
        pytest.param(
            {"0_TYPE": "openai", "0_BASE_URL": "https://x.example/?api-version=1"},
            f'{P}0_BASE_URL="https://x.example/?api-version=1": must have no query and no fragment; '
            "remove what follows the ? or #",
            id="base URL with a query",
        ),
    ],
)
def test_says_what_is_wrong(variables, message):
    assert problems(variables) == [message]


def test_streams_are_asked_for_their_usage_unless_that_is_off():
    on, off = providers({"0_TYPE": "openai", "1_TYPE": "openai", "1_NAME": "b", "1_STREAM_USAGE": "off"})
    assert (on.stream_usage, off.stream_usage) == (True, False)


def on_bedrock(variables):
    (provider,) = providers({"0_TYPE": "anthropic"} | {f"0_{part}": value for part, value in variables.items()})
    return provider


def test_the_documented_bedrock_example():
    provider = on_bedrock(
        {
            "NAME": "anthropic-bedrock",
            "BEDROCK_REGION": "us-west-2",
            "BEDROCK_ACCESS_KEY": "AKIAIOSFODNN7EXAMPLE",
            "BEDROCK_ACCESS_KEY_SECRET": "wJalr",
        }
    )
    assert (provider.name, provider.type, provider.keys) == ("anthropic-bedrock", "anthropic", ())
    assert provider.base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert [(key.id.reveal(), key.secret.reveal()) for key in provider.bedrock.access_keys] == [
        ("AKIAIOSFODNN7EXAMPLE", "wJalr")
    ]
    assert (provider.sources["base_url"], provider.sources["keys"]) == (
        f"{P}0_BEDROCK_REGION",
        f"{P}0_BEDROCK_ACCESS_KEY",
    )


def test_several_pairs_a_role_and_models_of_ones_own():
    bedrock = on_bedrock(
        {
            "BEDROCK_BASE_URL": "https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
            "BEDROCK_ACCESS_KEYS": "a, b",
            "BEDROCK_ACCESS_KEY_SECRETS": "c, d",
            "BEDROCK_MODEL": "m",
            "BEDROCK_SMALL_FAST_MODEL": "s",
            "BEDROCK_ROLE_ARN": "arn:aws:iam::123456789012:role/bedrock",
            "BEDROCK_EXTERNAL_ID": "ours",
        }
    ).bedrock
    assert [(key.id.reveal(), key.secret.reveal()) for key in bedrock.access_keys] == [("a", "c"), ("b", "d")]
    assert (bedrock.region, bedrock.model, bedrock.small_fast_model) == ("eu-central-1", "m", "s")
    assert (bedrock.role_arn, bedrock.external_id) == ("arn:aws:iam::123456789012:role/bedrock", "ours")


def test_the_base_url_of_bedrock_wins_over_the_region_and_the_other_base_url():
    found = read(
        {
            "0_TYPE": "anthropic",
            "0_BASE_URL": "https://other.example",
            "0_BEDROCK_BASE_URL": "https://bedrock-runtime.us-east-2.amazonaws.com/x",
            "0_BEDROCK_REGION": "us-west-2",
        }
    )
    (provider,) = found.providers
    assert (provider.base_url, provider.bedrock.region) == (
        "https://bedrock-runtime.us-east-2.amazonaws.com/x",
        "us-west-2",
    )
    assert found.warnings == (
        f"{P}0_BASE_URL has no effect on a provider on Amazon Bedrock; use {P}0_BEDROCK_BASE_URL.",
    )


def test_a_region_that_nobody_names():
    found = read({"0_TYPE": "anthropic", "0_BEDROCK_BASE_URL": "https://aws-proxy.example"})
    assert found.providers[0].bedrock.region == "us-east-1"
    assert found.warnings == (
        (
            f"{P}0_BEDROCK_BASE_URL names no region, and {P}0_BEDROCK_REGION is not set: requests are signed for "
            "us-east-1."
        ),
    )
    environ = {f"{P}0_TYPE": "anthropic", f"{P}0_BEDROCK_BASE_URL": "https://aws-proxy.example"}
    (provider,) = indexed_providers(environ, {}, Environment(shipped_models(), "ap-south-1")).providers
    assert provider.bedrock.region == "ap-south-1"


MANTLE = "https://bedrock-mantle.us-east-1.api.aws/anthropic"


@pytest.mark.parametrize(
    "variables",
    [
        {"BEDROCK_REGION": "us-east-1", "BEDROCK_PROTOCOL": "mantle"},
        {"BEDROCK_BASE_URL": MANTLE},
        {"BEDROCK_BASE_URL": "https://bedrock-mantle.us-east-1.api.aws/"},
    ],
)
def test_the_interface_that_speaks_anthropics_api(variables):
    provider = on_bedrock(variables)
    assert (provider.base_url, provider.bedrock.protocol, provider.bedrock.region) == (MANTLE, "mantle", "us-east-1")


def test_models_have_no_effect_where_the_client_names_them():
    found = read({"0_TYPE": "anthropic", "0_BEDROCK_BASE_URL": MANTLE, "0_BEDROCK_MODEL": "m"})
    assert found.warnings == (
        f"{P}0_BEDROCK_MODEL has no effect: bedrock-mantle is asked for the model that the client names.",
    )


def test_the_type_of_a_later_version():
    (provider,) = providers({"0_TYPE": "bedrock", "0_BEDROCK_REGION": "us-gov-west-1"})
    assert (provider.type, provider.name, provider.bedrock.region) == ("anthropic", "bedrock", "us-gov-west-1")


@pytest.mark.parametrize(
    ("variables", "messages"),
    [
        pytest.param(
            {"KEY": "sk"},
            [f"{P}0_KEY: cannot be set together with {P}0_BEDROCK_REGION; remove one of them"],
            id="KEY together with BEDROCK",
        ),
        pytest.param(
            {"BEDROCK_ACCESS_KEYS": "a,b", "BEDROCK_ACCESS_KEY_SECRETS": "c"},
            [
                (
                    f"{P}0_BEDROCK_ACCESS_KEYS: provider 0 has 2 Bedrock access keys and 1 secrets; "
                    "give each access key its secret, in the same order"
                ),
            ],
            id="key count differs from secret count",
        ),
        pytest.param(
            {"BEDROCK_ACCESS_KEY_SECRET": "c"},
            [
                (
                    f"{P}0_BEDROCK_ACCESS_KEY_SECRET: provider 0 has 0 Bedrock access keys and 1 secrets; "
                    "give each access key its secret, in the same order"
                ),
            ],
            id="a secret without its key",
        ),
        pytest.param(
            {"BEDROCK_ACCESS_KEY": "a", "BEDROCK_ACCESS_KEYS": "a", "BEDROCK_ACCESS_KEY_SECRET": "b"},
            [f"{P}0_BEDROCK_ACCESS_KEY: means the same as {P}0_BEDROCK_ACCESS_KEYS, which is set too; remove one"],
            id="both names of the access keys",
        ),
        pytest.param(
            {"BEDROCK_ACCESS_KEY": "a", "BEDROCK_ACCESS_KEY_SECRET": "b", "BEDROCK_ACCESS_KEY_SECRETS": "b"},
            [
                (
                    f"{P}0_BEDROCK_ACCESS_KEY_SECRET: means the same as {P}0_BEDROCK_ACCESS_KEY_SECRETS, "
                    "which is set too; remove one"
                ),
            ],
            id="both names of the access key secrets",
        ),
        pytest.param(
            {
                "BEDROCK_ACCESS_KEYS": ",".join(f"k{number}" for number in range(101)),
                "BEDROCK_ACCESS_KEY_SECRETS": ",".join(f"s{number}" for number in range(101)),
            },
            [
                f"{P}0_BEDROCK_ACCESS_KEYS: holds 101 keys; 100 are the most for one provider",
                f"{P}0_BEDROCK_ACCESS_KEY_SECRETS: holds 101 keys; 100 are the most for one provider",
            ],
            id="too many access keys",
        ),
        pytest.param(
            {"BEDROCK_ACCESS_KEYS": "a,,b", "BEDROCK_ACCESS_KEY_SECRETS": "c,d,c"},
            [
                f"{P}0_BEDROCK_ACCESS_KEYS: number 2 of the list is empty; remove the comma too much",
                f"{P}0_BEDROCK_ACCESS_KEY_SECRETS: number 3 of the list repeats number 1; remove one",
            ],
            id="an empty element and a repeat",
        ),
        pytest.param(
            {"BEDROCK_REGION": "Oregon"},
            [f'{P}0_BEDROCK_REGION="Oregon": not the name of an AWS region; write one, for example us-west-2'],
            id="a region that is none",
        ),
        pytest.param(
            {"BEDROCK_BASE_URL": "https://user:hunter2@x.example"},
            [
                (
                    f"{P}0_BEDROCK_BASE_URL: a URL must not carry credentials; "
                    "remove the part before the @ and set the key by its option"
                ),
            ],
            id="a base URL with a password",
        ),
        pytest.param(
            {"BEDROCK_EXTERNAL_ID": "ours"},
            [
                (
                    f'{P}0_BEDROCK_EXTERNAL_ID="ours": has no effect without {P}0_BEDROCK_ROLE_ARN; '
                    "set that too, or unset this"
                ),
            ],
            id="an external id without a role",
        ),
    ],
)
def test_says_what_is_wrong_with_bedrock(variables, messages):
    variables = {"BEDROCK_REGION": "us-west-2"} | variables
    assert problems({"0_TYPE": "anthropic"} | {f"0_{part}": value for part, value in variables.items()}) == messages


def test_a_hundred_keys_are_fine():
    (provider,) = providers({"0_TYPE": "openai", "0_KEYS": ",".join(f"sk-{number}" for number in range(100))})
    assert len(provider.keys) == 100


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_word_of_the_management_routes_is_no_name(name):
    assert problems({"0_TYPE": "openai", "0_NAME": name}) == [
        (
            f'{P}0_NAME="{name}": is a word of the gateway\'s own routes; choose a name other than '
            "clients, interceptions, keys, models, providers, proxy, serve, sessions"
        )
    ]


@pytest.mark.parametrize("name", ["a", "openai", "a1-b2-c3", "0", "x" * 200])
def test_a_name_that_matches_the_pattern(name):
    (provider,) = providers({"0_TYPE": "openai", "0_NAME": name})
    assert provider.name == name


@pytest.mark.parametrize("name", ["-a", "a-", "a--b", "a_b", "a.b", "a/b", "A", "ä", "a b", "a\nb", "..", "%2f"])
def test_a_name_that_does_not_match_the_pattern(name):
    (line,) = problems({"0_TYPE": "openai", "0_NAME": name})
    assert ": not a provider name; " in line
    assert line.isprintable()


def test_a_name_that_an_implicit_provider_has():
    taken = {"openai": "CODER_AI_GATEWAY_OPENAI_KEY"}
    assert problems({"0_TYPE": "openai"}, taken) == [
        (
            f'{P}0_TYPE="openai": the provider openai is already configured by CODER_AI_GATEWAY_OPENAI_KEY; '
            "remove one of them"
        )
    ]


def test_an_unknown_key_part_is_a_warning_with_a_hint():
    found = read({"0_TYPE": "openai", "0_BASEURL": "https://x", "0_ZZZ": "1", "0": "1", "0_DUMP_DIR": "/dumps"})
    assert found.problems == ()
    assert found.warnings == (
        f"{P}0 is not a provider's variable and has no effect.",
        f"{P}0_BASEURL is not a provider's variable and has no effect; did you mean {P}0_BASE_URL?",
        f"{P}0_DUMP_DIR has no effect: API dumps are set for all providers at once, by CODER_AI_GATEWAY_DUMP_DIR.",
        f"{P}0_ZZZ is not a provider's variable and has no effect.",
    )


def test_every_entry_is_checked_whatever_is_wrong_with_others():
    assert problems({"0_TYPE": "nope", "1_TYPE": "copilot", "1_KEY": "k", "3_NAME": "x"}) == [
        f"{P}2_TYPE: provider 2 is missing, but 3 is there; number providers 0, 1, 2 without gaps",
        f'{P}0_TYPE="nope": provider 0 cannot have this type; write one of openai, anthropic, copilot',
        f"{P}1_KEY: a copilot provider takes no key, because people bring their own; unset it",
        f"{P}3_TYPE: provider 3 has no type; set it to one of openai, anthropic, copilot",
    ]


def test_no_secret_is_ever_in_a_message():
    lines = problems(
        {
            "0_TYPE": "anthropic",
            "0_KEY": "hunter2,hunter2,,hunter2 hunter2\n",
            "0_KEYS": "hunter2",
            "0_BEDROCK_ACCESS_KEYS": "hunter2,hunter2",
            "0_BEDROCK_ACCESS_KEY_SECRET": "hunter2",
        }
    )
    assert lines
    assert "hunter2" not in "".join(lines)
