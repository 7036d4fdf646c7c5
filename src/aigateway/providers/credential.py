"""What one request shows to the provider."""

from __future__ import annotations

import msgspec

from aigateway.providers.signer import Signer


class Credential(msgspec.Struct, frozen=True):
    """A key, a login or a signer, and what may be said of it."""

    kind: str
    """`centralized` or `byok`."""
    hint: str
    """Masked; empty when the provider is called without a credential."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    signer: Signer | None = None
    """Signs instead of headers."""
    place: int | None = None
    """Which of the provider's pool it is; None for one that is not of the pool, which no other stands in for."""
