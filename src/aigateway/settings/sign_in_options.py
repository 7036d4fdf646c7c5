"""The options of signing in: OpenID Connect and passwords, under the names of the documented system."""

from __future__ import annotations

from aigateway.settings import kinds, sign_in_kinds
from aigateway.settings.kinds import Kind
from aigateway.settings.option import Group, Names, Option


def _oidc(
    name: str, yaml: str, kind: Kind, default: str | None, text: str, *, field: str = "", ignored: bool = False
) -> Option:
    """A row whose names follow from one."""
    env = f"CODER_OIDC_{name.replace('-', '_').upper()}"
    return Option(
        field=f"ignored.oidc_{field}" if ignored else f"oidc.{field or name.replace('-', '_')}",
        names=Names(f"--oidc-{name}", env, None if kind.is_secret else f"oidc.{yaml}"),
        kind=kind,
        default=default,
        help=text,
        group=Group.SIGN_IN,
        ignored=ignored,
    )


SIGN_IN_OPTIONS: tuple[Option, ...] = (
    _oidc(
        "issuer-url",
        "issuerURL",
        kinds.URL_OR_NONE,
        None,
        "The OpenID Connect provider by which people sign in, as its metadata names it. It needs --access-url.",
    ),
    _oidc("client-id", "clientID", kinds.WORD_OR_NONE, None, "The name under which the provider knows this server."),
    _oidc(
        "client-secret",
        "",
        kinds.SECRET,
        None,
        "What proves to the provider that it is this server; a public client has none.",
    ),
    _oidc(
        "client-secret-file",
        "clientSecretFile",
        kinds.FILE_OR_NONE,
        None,
        "A file with that secret, read whenever it is needed.",
    ),
    _oidc("scopes", "scopes", sign_in_kinds.WORDS, "openid,profile,email", "What the provider is asked to tell."),
    _oidc(
        "auth-url-params",
        "authURLParams",
        sign_in_kinds.PARAMETERS,
        "{}",
        'More parameters for the provider\'s page, such as {"prompt": "select_account"}.',
    ),
    _oidc(
        "ignore-userinfo",
        "ignoreUserInfo",
        kinds.SWITCH,
        "false",
        "Take claims from the ID token alone, without asking the provider's userinfo endpoint.",
    ),
    _oidc(
        "email-domain",
        "emailDomain",
        sign_in_kinds.DOMAINS,
        None,
        "Let in only people whose e-mail address is of one of these domains.",
    ),
    _oidc(
        "ignore-email-verified",
        "ignoreEmailVerified",
        kinds.SWITCH,
        "false",
        "Trust e-mail addresses of which the provider does not say that it verified them.",
    ),
    _oidc(
        "allow-signups",
        "allowSignups",
        kinds.SWITCH,
        "true",
        "Make an account for whoever signs in for the first time.",
    ),
    _oidc(
        "signups-disabled-text",
        "signupsDisabledText",
        kinds.WORD_OR_NONE,
        None,
        "What people without an account are told when none is made for them.",
    ),
    _oidc("username-field", "usernameField", sign_in_kinds.NAME, "preferred_username", "The claim with the username."),
    _oidc("name-field", "nameField", sign_in_kinds.NAME, "name", "The claim with the full name."),
    _oidc("email-field", "emailField", sign_in_kinds.NAME, "email", "The claim with the e-mail address."),
    _oidc("group-field", "groupField", kinds.WORD_OR_NONE, None, "The claim with the person's groups."),
    _oidc(
        "allowed-groups",
        "groupAllowed",
        sign_in_kinds.NAMES,
        None,
        "Let in only people who are in one of these groups. It needs --oidc-group-field.",
    ),
    _oidc(
        "user-role-field",
        "userRoleField",
        kinds.WORD_OR_NONE,
        None,
        "The claim that decides a person's roles at each sign-in; it may be that of the groups.",
    ),
    _oidc(
        "user-role-mapping",
        "userRoleMapping",
        sign_in_kinds.ROLE_MAPPING,
        "{}",
        'Which roles a value of that claim gives, such as {"gateway-admins": ["owner"]}. Without it, values are roles.',
    ),
    _oidc(
        "user-role-default",
        "userRoleDefault",
        sign_in_kinds.ROLE_LIST,
        None,
        "Roles of everybody who signs in, when that claim is set.",
    ),
    _oidc("sign-in-text", "signInText", sign_in_kinds.NAME, "OpenID Connect", "What the button to sign in is called."),
    _oidc(
        "icon-url",
        "iconURL",
        kinds.FILE,
        None,
        "Accepted so that a configuration can be copied; pages load nothing from other servers.",
        field="icon_url",
        ignored=True,
    ),
    Option(
        field="disable_password_auth",
        names=Names("--disable-password-auth", "CODER_DISABLE_PASSWORD_AUTH", "networking.disablePasswordAuth"),
        kind=kinds.SWITCH,
        default="false",
        help="Refuse passwords, except those of owners, who could be locked out otherwise.",
        group=Group.SIGN_IN,
    ),
)
