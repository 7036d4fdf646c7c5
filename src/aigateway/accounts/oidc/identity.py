"""From the claims of a provider to a person, by the operator's rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aigateway.accounts import roles
from aigateway.accounts.errors import Invalid, SignInFailed
from aigateway.accounts.new_user import LONGEST_NAME, is_email
from aigateway.settings.model import OidcSettings

_OTHER_SIGNS = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom the provider vouches for."""

    issuer: str
    subject: str
    """Unique and never given to anybody else, unlike names and addresses."""
    email: str
    username: str
    """A wish, with signs that usernames can have; perhaps taken, perhaps empty."""
    name: str
    roles: tuple[str, ...] | None
    """As the provider's claim gives them; None when roles are given here."""


def identity_of(claims: Mapping[str, Any], settings: OidcSettings) -> Identity:
    """The person whom checked claims speak of.

    Raises:
        SignInFailed: they may not come in, or the claims cannot be understood.
    """
    email = _email(claims, settings)
    _check_groups(claims, settings)
    return Identity(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=email,
        username=_username(claims.get(settings.username_field), email),
        name=_name(claims.get(settings.name_field)),
        roles=_roles(claims, settings),
    )


def _email(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    email = claims.get(settings.email_field)
    if not isinstance(email, str) or not is_email(email := email.strip()):
        raise SignInFailed(
            f'The provider did not tell your e-mail address in the claim "{settings.email_field}". '
            "Ask an owner to look at --oidc-scopes and --oidc-email-field.",
            "claims: no e-mail address",
        )
    # Some providers send the word as a text. What is absent is not true: then people could name any address.
    if claims.get("email_verified") not in (True, "true") and not settings.ignore_email_verified:
        raise SignInFailed(
            "The provider does not say that it verified your e-mail address. Verify it there and sign in again. "
            "Where the provider never says so, an owner can set --oidc-ignore-email-verified.",
            "claims: e-mail address not verified",
        )
    if settings.email_domain and email.rpartition("@")[2].lower() not in settings.email_domain:
        raise SignInFailed(
            "People with an e-mail address of this domain are not let in here (--oidc-email-domain). Ask an owner.",
            "claims: e-mail domain not allowed",
        )
    return email


def _check_groups(claims: Mapping[str, Any], settings: OidcSettings) -> None:
    if not settings.allowed_groups or settings.group_field is None:
        return
    if not set(_values(claims, settings.group_field)) & set(settings.allowed_groups):
        raise SignInFailed(
            "You are in none of the groups that are let in here (--oidc-allowed-groups). Ask an owner.",
            "claims: in no allowed group",
        )


def _roles(claims: Mapping[str, Any], settings: OidcSettings) -> tuple[str, ...] | None:
    if settings.user_role_field is None:
        return None
    found = set(settings.user_role_default)
    for value in _values(claims, settings.user_role_field):
        if settings.user_role_mapping:
            found.update(settings.user_role_mapping.get(value, ()))
        elif value in set(roles.Role):
            found.add(value)
    try:
        return roles.checked(found)
    except Invalid as error:  # The settings allow known roles only.
        raise SignInFailed.by_provider("claims: unknown role") from error


def _values(claims: Mapping[str, Any], field: str) -> list[str]:
    """What a claim lists; nothing when it is not there, since providers leave out lists that are empty."""
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, dict) and field in elsewhere:
        raise SignInFailed(
            f'You are in so many groups that the provider does not list them in the claim "{field}". '
            "Ask an owner to let it send only the groups that matter here.",
            "claims: groups are elsewhere",
        )
    value = claims.get(field, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise SignInFailed(
            f'The claim "{field}" of the provider is no list of words. Ask an owner to look at its mapping there.',
            "claims: groups or roles are no list",
        )
    return listed


def _username(claimed: object, email: str) -> str:
    """The claim, or what is before the @ of the address, as a username may be written."""
    for text in (claimed, email):
        if isinstance(text, str) and (name := _written(text.partition("@")[0])):
            return name
    return ""


def _written(text: str) -> str:
    return _OTHER_SIGNS.sub("-", text).strip("-")[:24].strip("-")


def _name(claimed: object) -> str:
    return "".join(sign for sign in claimed if sign.isprintable())[:LONGEST_NAME] if isinstance(claimed, str) else ""
