import pytest

from aigateway.settings.secret import Secret

OIDC = {
    "CODER_ACCESS_URL": "https://gateway.example.com",
    "CODER_OIDC_ISSUER_URL": "https://id.example.com/realms/corp",
    "CODER_OIDC_CLIENT_ID": "gateway",
}


def test_without_an_issuer_there_is_no_sign_in_by_openid_connect(operator):
    assert operator.sets(env={"CODER_OIDC_CLIENT_ID": "gateway"}).oidc is None


def test_everything_has_its_documented_name(operator):
    oidc = operator.sets(
        env={
            **OIDC,
            "CODER_OIDC_CLIENT_SECRET": "sk-hidden",
            "CODER_OIDC_SCOPES": "openid,groups",
            "CODER_OIDC_EMAIL_DOMAIN": "Example.com,@example.org",
            "CODER_OIDC_ALLOW_SIGNUPS": "false",
            "CODER_OIDC_IGNORE_EMAIL_VERIFIED": "true",
            "CODER_OIDC_USERNAME_FIELD": "upn",
            "CODER_OIDC_GROUP_FIELD": "groups",
            "CODER_OIDC_ALLOWED_GROUPS": 'staff,"Gateway, all"',
            "CODER_OIDC_USER_ROLE_FIELD": "groups",
            "CODER_OIDC_USER_ROLE_MAPPING": '{"admins": ["owner", "auditor"], "audit": "auditor"}',
            "CODER_OIDC_USER_ROLE_DEFAULT": "member",
            "CODER_OIDC_AUTH_URL_PARAMS": '{"hd": "example.com"}',
            "CODER_OIDC_SIGN_IN_TEXT": "Corp",
        }
    ).oidc
    assert oidc.client_secret == Secret("sk-hidden")
    assert oidc.scopes == ("openid", "groups")
    assert oidc.email_domain == ("example.com", "example.org")
    assert (oidc.allow_signups, oidc.ignore_email_verified, oidc.username_field) == (False, True, "upn")
    assert (oidc.group_field, oidc.allowed_groups) == ("groups", ("staff", "Gateway, all"))
    assert oidc.user_role_mapping == {"admins": ("owner", "auditor"), "audit": ("auditor",)}
    assert (oidc.user_role_default, oidc.auth_url_params, oidc.sign_in_text) == (
        ("member",),
        {"hd": "example.com"},
        "Corp",
    )


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"CODER_OIDC_CLIENT_ID": ""}, "--oidc-client-id: is needed, because CODER_OIDC_ISSUER_URL is set"),
        ({"CODER_ACCESS_URL": ""}, "--access-url: is needed, because CODER_OIDC_ISSUER_URL is set"),
        ({"CODER_OIDC_SCOPES": "email"}, 'CODER_OIDC_SCOPES="email": lacks openid'),
        ({"CODER_OIDC_ALLOWED_GROUPS": "staff"}, "--oidc-group-field: is needed, because CODER_OIDC_ALLOWED_GROUPS"),
        (
            {"CODER_OIDC_CLIENT_SECRET": "a", "CODER_OIDC_CLIENT_SECRET_FILE": "/b"},
            'CODER_OIDC_CLIENT_SECRET_FILE="/b": contradicts CODER_OIDC_CLIENT_SECRET',
        ),
        ({"CODER_OIDC_USER_ROLE_MAPPING": '{"a": ["king"]}'}, "not a role; write owner, auditor, user-admin or member"),
        ({"CODER_OIDC_USER_ROLE_MAPPING": '{"a": 1}'}, 'gives "a" no list of roles'),
        ({"CODER_OIDC_USER_ROLE_MAPPING": "admins"}, "not an object in JSON"),
        ({"CODER_OIDC_AUTH_URL_PARAMS": '{"a": 1}'}, "has values that are no texts"),
        ({"CODER_OIDC_USER_ROLE_DEFAULT": "king"}, "not a role"),
        ({"CODER_OIDC_EMAIL_DOMAIN": "a b"}, "not a domain"),
        ({"CODER_OIDC_ISSUER_URL": "id.example.com"}, "not an absolute URL"),
        ({"CODER_OIDC_SIGN_IN_TEXT": " "}, "is empty"),
    ],
)
def test_what_cannot_work_is_told_before_the_server_starts(operator, env, message):
    [heard] = operator.hears(env=OIDC | env)
    assert message in heard


def test_the_secret_is_refused_in_a_file(operator):
    [heard] = operator.hears(env=OIDC, yaml="oidc:\n  clientSecret: sk-hidden\n")
    assert "hidden" not in heard


def test_an_icon_of_another_server_is_not_loaded(operator):
    [warning] = operator.loads(env=OIDC | {"CODER_OIDC_ICON_URL": "https://id.example.com/icon.svg"}).warnings
    assert "CODER_OIDC_ICON_URL has no effect" in warning
