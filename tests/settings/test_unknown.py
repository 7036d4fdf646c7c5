import pytest

from aigateway.settings.unknown import unknown_flags, unknown_keys, unknown_variables
from aigateway.settings.yaml_file import YamlValue


@pytest.mark.parametrize(
    ("flag", "advice"),
    [
        ("--aigateway-enabled", "did you mean --ai-gateway-enabled?"),
        ("--ai-gateway-byok", "did you mean --ai-gateway-allow-byok?"),
        ("--log-hunam", "did you mean --log-human?"),
        ("--qqq", "remove it"),
    ],
)
def test_names_the_nearest_flag(flag, advice):
    assert [str(problem) for problem in unknown_flags([flag])] == [
        f"{flag}: is not an option of this version; {advice}"
    ]


def test_names_the_nearest_key():
    value = YamlValue(("1",), is_list=False, form="networking.http.httpAdress (x.yaml line 3)")
    assert [str(problem) for problem in unknown_keys({"networking.http.httpAdress": value})] == [
        (
            "networking.http.httpAdress (x.yaml line 3): is not a setting of this version; "
            "did you mean networking.http.httpAddress?"
        )
    ]


def test_warns_of_variables_with_our_prefix_only():
    environ = {
        "CODER_AI_GATEWAY_OPENAI_KYE": "sk-secret",
        "CODER_AIBRIDGE_ENABLE": "true",
        "CODER_AI_GATEWAY_ENABLED": "true",
        "CODER_AI_GATEWAY_PROVIDER_0_TYPO": "read elsewhere",
        "CODER_SESSION_TOKEN": "not ours to judge",
        "PATH": "/bin",
    }
    assert list(unknown_variables(environ)) == [
        (
            "CODER_AIBRIDGE_ENABLE is not a setting of this version and has no effect; "
            "did you mean CODER_AI_GATEWAY_ENABLED?"
        ),
        (
            "CODER_AI_GATEWAY_OPENAI_KYE is not a setting of this version and has no effect; "
            "did you mean CODER_AI_GATEWAY_OPENAI_KEY?"
        ),
    ]
