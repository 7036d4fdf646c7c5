"""How each provider type is shown a credential, and which of the client's headers hold the person's own (spec 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aigateway.providers.provider import Provider
from aigateway.providers.signer import Signer
from aigateway.settings.providers import ProviderType
from aigateway.settings.secret import Secret, mask


class CredentialMissing(Exception):
    """The request must bring the person's own credential, and does not. The sentence says which."""


class CredentialUnwelcome(Exception):
    """The request brings a credential of the person's own where only the organisation's is taken."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What one request shows to the provider."""

    kind: str
    """`centralized` or `byok`."""
    hint: str
    """Masked; empty when the provider is called without a credential."""
    header: tuple[bytes, bytes] | None
    signer: Signer | None = None
    """Signs instead of a header."""


_NONE = Credential("centralized", "", None)


def bearer_of(authorization: str) -> str | None:
    """The token of a `Bearer` header, or None: exactly two fields, the first `Bearer` in any case (spec 3.1)."""
    fields = authorization.split()
    if len(fields) == 2 and fields[0].lower() == "bearer":
        return fields[1]
    return None


def choose(provider: Provider, headers: Mapping[str, str], *, byok: bool) -> Credential:
    """The person's own credential where the request is BYOK and brings one, else the provider's first key.

    A provider without any key is called without one: local endpoints need none, and others say so themselves.

    Raises:
        CredentialMissing: Copilot takes nothing but the person's own token.
        CredentialUnwelcome: a provider whose requests are signed takes none of them.

    """
    if provider.signers:
        return _signing(provider, headers, byok=byok)
    if byok or provider.type is ProviderType.COPILOT:
        own = _own(provider.type, headers)
        if own is not None:
            return own
    if provider.type is ProviderType.COPILOT:
        raise CredentialMissing(
            "GitHub Copilot takes your own login: send its token as 'Authorization: Bearer', "
            "and your gateway token as 'X-Coder-AI-Governance-Token'."
        )
    if not provider.keys:
        return _NONE
    return _centralized(provider.type, provider.keys[0])


def _signing(provider: Provider, headers: Mapping[str, str], *, byok: bool) -> Credential:
    if byok and _own(provider.type, headers) is not None:
        raise CredentialUnwelcome(
            f"the provider {provider.name} is called with the organisation's own identity and takes no key of yours. "
            "Send your gateway token as 'Authorization: Bearer', and leave out X-Coder-AI-Governance-Token."
        )
    signer = provider.signers[0]
    return Credential("centralized", signer.hint, None, signer)


def _own(provider_type: ProviderType, headers: Mapping[str, str]) -> Credential | None:
    api_key = headers.get("x-api-key", "").strip()
    if provider_type is ProviderType.ANTHROPIC and api_key:
        return Credential("byok", mask(api_key), (b"x-api-key", api_key.encode("latin-1")))
    token = bearer_of(headers.get("authorization", ""))
    if token is not None:
        return Credential("byok", mask(token), (b"authorization", b"Bearer " + token.encode("latin-1")))
    return None


def _centralized(provider_type: ProviderType, key: Secret) -> Credential:
    value = key.reveal().encode()
    header = (
        (b"x-api-key", value) if provider_type is ProviderType.ANTHROPIC else (b"authorization", b"Bearer " + value)
    )
    return Credential("centralized", key.hint, header)
