"""How each provider is shown a credential, and which of the client's headers hold the person's own (spec 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from aigateway.providers.credential import Credential
from aigateway.providers.provider import Provider
from aigateway.providers.vendor import Vendor
from aigateway.settings.providers import ProviderType
from aigateway.settings.secret import mask

_AZURE_HEADER = "api-key"
_BEGINS_A_JWT = "eyJ"


class CredentialMissing(Exception):
    """The request must bring the person's own credential, and does not. The sentence says which."""


class CredentialUnwelcome(Exception):
    """The request brings a credential of the person's own where only the organisation's is taken."""


_NONE = Credential("centralized", "")


def bearer_of(authorization: str) -> str | None:
    """The token of a `Bearer` header, or None: exactly two fields, the first `Bearer` in any case (spec 3.1)."""
    fields = authorization.split()
    if len(fields) == 2 and fields[0].lower() == "bearer":
        return fields[1]
    return None


def choose(provider: Provider, headers: Mapping[str, str], *, byok: bool) -> Credential:
    """The person's own credential where the request is BYOK and brings one, else the first usable one of the pool.

    Where none is usable it is the pool's first. A provider without any key is called without one: local endpoints need
    none, and others say so themselves.

    Raises:
        CredentialMissing: some upstreams take nothing but the person's own login.
        CredentialUnwelcome: a provider whose requests are signed takes none of them.

    """
    own = _own(provider, headers) if byok else None
    if own is not None:
        if provider.signers:
            raise CredentialUnwelcome(
                f"the provider {provider.name} is called with the organisation's own identity and takes no key of "
                "yours. Send your gateway token as 'Authorization: Bearer', and leave out X-Coder-AI-Governance-Token."
            )
        return own
    if len(provider.pool):
        return pooled(provider, provider.pool.usable() or 0)
    if login := _LOGINS.get(provider.vendor or provider.type):
        raise CredentialMissing(
            f"{login}: send its token as 'Authorization: Bearer', "
            "and your gateway token as 'X-Coder-AI-Governance-Token'."
        )
    return _NONE


_LOGINS: Mapping[Vendor | ProviderType, str] = {
    ProviderType.COPILOT: "GitHub Copilot takes your own login",
    Vendor.CHATGPT: "ChatGPT takes your own login (for Codex: 'codex login')",
}
"""The upstreams that know people and not organisations."""


def pooled(provider: Provider, place: int) -> Credential:
    """The credential at a place of the provider's pool."""
    if provider.signers:
        signer = provider.signers[place]
        return Credential("centralized", signer.hint, signer=signer, place=place)
    known = provider.shown.get(place)
    if known is None:
        known = provider.shown[place] = _of_key(provider, place)
    return known


def _of_key(provider: Provider, place: int) -> Credential:
    key = provider.keys[place]
    if provider.type is ProviderType.ANTHROPIC:
        return Credential("centralized", key.hint, _api_key("x-api-key", key.reveal()), place=place)
    return Credential("centralized", key.hint, _bearer(provider, key.reveal()), place=place)


def _own(provider: Provider, headers: Mapping[str, str]) -> Credential | None:
    name = _api_key_header(provider)
    api_key = headers.get(name, "").strip() if name else ""
    if api_key:
        return Credential("byok", mask(api_key), _api_key(name, api_key))
    token = bearer_of(headers.get("authorization", ""))
    return Credential("byok", mask(token), _bearer(provider, token)) if token is not None else None


def _api_key_header(provider: Provider) -> str:
    """The header in which people's programs show a key of theirs besides `Authorization`; empty for none."""
    if provider.type is ProviderType.ANTHROPIC:
        return "x-api-key"
    return _AZURE_HEADER if provider.vendor is Vendor.AZURE else ""


def _api_key(name: str, key: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((name.encode(), key.encode("latin-1")),)


def _bearer(provider: Provider, token: str) -> tuple[tuple[bytes, bytes], ...]:
    """As `Authorization`; a key of Azure's in its own header too, which older parts of its API insist on."""
    bearer = ((b"authorization", b"Bearer " + token.encode("latin-1")),)
    if provider.vendor is Vendor.AZURE and not token.startswith(_BEGINS_A_JWT):
        return bearer + _api_key(_AZURE_HEADER, token)
    return bearer
