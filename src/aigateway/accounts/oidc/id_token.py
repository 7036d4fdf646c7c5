"""Whether an ID token is the provider's, for this server, for this sign-in, and for now (Core 1.0 section 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jwt import Token

from aigateway.accounts.errors import SignInFailed
from aigateway.accounts.oidc.provider import Metadata, Provider

_LEEWAY = 60
"""Seconds by which clocks may differ."""
_LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say."""

    client_id: str
    nonce: str
    access_token: str
    """That came with it; empty for none."""


async def claims_of(text: str, provider: Provider, expected: Expected, now: datetime) -> dict[str, Any]:
    """The claims of an ID token that passes every check.

    Raises:
        SignInFailed: it does not.
        ProviderFailed: the provider's keys cannot be learnt.
    """
    metadata = await provider.metadata()
    token = await _signed(text, provider, metadata)
    options = {
        "iss": {"essential": True, "value": metadata.issuer},
        "aud": {"essential": True, "value": expected.client_id},
        "sub": {"essential": True},
    }
    parameters = {
        "nonce": expected.nonce,
        "client_id": expected.client_id,
        "access_token": expected.access_token,
    }
    claims = CodeIDToken(token.claims, token.header, options, parameters)
    try:
        claims.validate(now=int(now.timestamp()), leeway=_LEEWAY)
    except (JoseError, TypeError, ValueError, AttributeError) as error:
        raise SignInFailed.by_provider(f"ID token: {_said(error)}") from error
    subject = token.claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise SignInFailed.by_provider("ID token: sub is no text of 1 to 255 characters")
    return dict(token.claims)


async def _signed(text: str, provider: Provider, metadata: Metadata) -> Token:
    """The token, once a key of the provider's has proved it."""
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError) as error:
        raise SignInFailed.by_provider("ID token: it is none") from error
    if header.get("alg") not in metadata.algorithms:
        raise SignInFailed.by_provider("ID token: it is signed by an algorithm that is not allowed")
    for anew in (False, True):
        for key in _candidates(await provider.keys(anew=anew), header.get("kid")):
            try:
                return jwt.decode(text, key, algorithms=metadata.algorithms)
            except (JoseError, ValueError, TypeError):
                continue  # Another key of the provider's, or one that it has only now.
    raise SignInFailed.by_provider("ID token: no key of the provider's has signed it")


def _candidates(keys: Iterable[Key], kid: object) -> list[Key]:
    return [key for key in keys if kid is None or key.kid == kid]


def _said(error: Exception) -> str:
    """Which check failed, without what the token says."""
    claim = getattr(error, "claim", None)
    return f"{type(error).__name__} {claim}" if claim else type(error).__name__
