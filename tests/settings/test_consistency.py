import pytest

ID = "CODER_AI_GATEWAY_ACTOR_HEADER_ID"
NAME = "CODER_AI_GATEWAY_ACTOR_HEADER_USERNAME"


def test_https_needs_a_certificate_and_its_key(operator):
    assert operator.hears(env={"CODER_TLS_ENABLE": "true"}) == [
        "--tls-cert-file: is needed, because CODER_TLS_ENABLE is on; name a PEM file",
        "--tls-key-file: is needed, because CODER_TLS_ENABLE is on; name a PEM file",
    ]
    assert operator.hears(flags={"--tls-enable": "true", "--tls-cert-file": "c.pem", "--tls-key-file": "\0"}) == [
        '--tls-key-file="\\u0000": not a path; write one, for example /var/lib/aigateway'
    ]


def test_https_that_is_off_needs_nothing(operator):
    assert operator.sets(env={"CODER_TLS_CERT_FILE": "cert.pem"}).http.tls is None


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({ID: "X-Who", NAME: "x-who"}, f'{NAME}="x-who": is the header of {ID} too; give each attribute its own'),
        (
            {ID: "X-AI-Bridge-Actor-Metadata-Username"},
            (
                f'{ID}="X-AI-Bridge-Actor-Metadata-Username": a header that has a meaning of its own; '
                "choose another name, for example X-AI-Bridge-Actor-ID"
            ),
        ),
    ],
)
def test_each_attribute_of_an_account_has_a_header_of_its_own(operator, env, message):
    assert operator.hears(env=env) == [message]


def test_what_cannot_be_read_is_not_held_against_others(operator):
    assert operator.hears(env={"CODER_MAX_TOKEN_LIFETIME": "0", "CODER_DEFAULT_TOKEN_LIFETIME": "1d"}) == [
        'CODER_MAX_TOKEN_LIFETIME="0": must be longer than 0; write for example 24h'
    ]
