"""The provider as it describes itself: fetched when first needed, kept for a while, fetched again when it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from aigateway.accounts.errors import ProviderFailed
from aigateway.accounts.oidc import calls
from aigateway.telemetry.logging import get_logger

_FRESH_FOR = 3600.0
"""Seconds."""
_SPARED_FOR = 2.0
"""Seconds for which a provider that failed is not asked again, so that those who wait need not wait in a row."""
_RSA, _CURVES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_ASYMMETRIC = _RSA + _CURVES
"""Algorithms whose signatures only the provider can make: with the others, whoever knows a public key could sign."""
_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})

_log = get_logger("accounts.oidc")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What matters here of OpenID Connect Discovery 1.0 section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: tuple[str, ...]
    """Those by which its ID tokens may be signed; never a symmetric one, never `none`."""
    auth_methods: frozenset[str]

    @classmethod
    def of(cls, document: Mapping[str, Any], issuer_url: str) -> Metadata:
        """Read and check it.

        Raises:
            ProviderFailed: it is not of this issuer, or lacks something.
        """
        issuer = document.get("issuer")
        # Section 4.3 wants them identical; a slash at the end is what operators get wrong, and nobody's attack.
        if not isinstance(issuer, str) or issuer.rstrip("/") != issuer_url.rstrip("/"):
            raise ProviderFailed("metadata: it names another issuer than --oidc-issuer-url")
        announced = _strings(document.get("id_token_signing_alg_values_supported")) or ("RS256",)
        algorithms = tuple(name for name in _ASYMMETRIC if name in announced)
        if not algorithms:
            raise ProviderFailed("metadata: it signs ID tokens by no asymmetric algorithm")
        return cls(
            issuer=issuer,
            authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
            token_endpoint=_endpoint(document, "token_endpoint", issuer),
            jwks_uri=_endpoint(document, "jwks_uri", issuer),
            userinfo_endpoint=_endpoint(document, "userinfo_endpoint", issuer)
            if document.get("userinfo_endpoint")
            else None,
            algorithms=algorithms,
            auth_methods=frozenset(
                _strings(document.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",)
            ),
        )


class Provider:
    """Knows one provider's metadata and keys. It is asked nothing before somebody wants to sign in."""

    def __init__(self, issuer_url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._issuer_url = issuer_url
        self._monotonic = monotonic
        self._metadata: Metadata | None = None
        self._asked_at = float("-inf")
        self._failure: ProviderFailed | None = None
        self._keys: list[Key] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """How the provider describes itself.

        Raises:
            ProviderFailed: it cannot be learnt now, and is not known from before.
        """
        async with self._one_at_a_time:
            age = self._monotonic() - self._asked_at
            if age > (_SPARED_FOR if self._failure else _FRESH_FOR):
                self._failure = await self._ask()
                self._asked_at = self._monotonic()
            if self._metadata is None:
                raise self._failure or ProviderFailed("metadata: none")
            return self._metadata

    async def _ask(self) -> ProviderFailed | None:
        """Learn the metadata; what went wrong otherwise, and then those of before stay."""
        try:
            url = f"{self._issuer_url.rstrip('/')}/.well-known/openid-configuration"
            self._metadata = Metadata.of(await calls.get(url, "metadata"), self._issuer_url)
        except ProviderFailed as error:
            _log.warning("OpenID provider's metadata cannot be learnt", reason=error.reason)
            return error
        return None

    async def keys(self, *, anew: bool = False) -> list[Key]:
        """The public keys by which it signs; those that cannot be used are left out.

        Args:
            anew: ask again: the provider may have changed them.

        Raises:
            ProviderFailed: they cannot be learnt now.
        """
        metadata = await self.metadata()
        async with self._one_at_a_time:
            if anew or self._keys is None:
                document = await calls.get(metadata.jwks_uri, "keys")
                listed = document.get("keys")
                self._keys = [key for key in map(_key, listed if isinstance(listed, list) else []) if key]
            return self._keys


def _key(described: object) -> Key | None:
    if not isinstance(described, dict) or described.get("use", "sig") != "sig":
        return None
    if described.get("kty") not in _KEY_TYPES:
        return None
    try:
        return JWKRegistry.import_key(described)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    parts = urlsplit(url) if isinstance(url, str) else None
    # Over plain HTTP only where the issuer itself is, as in trying things out.
    schemes = {"https"} if issuer.startswith("https://") else {"http", "https"}
    if parts is None or not isinstance(url, str) or parts.scheme not in schemes or not parts.hostname or parts.fragment:
        raise ProviderFailed(f"metadata: its {name} is no URL that can be used")
    return url


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
