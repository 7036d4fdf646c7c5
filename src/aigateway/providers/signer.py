"""Showing a credential by signing, where a provider takes no key in a header."""

from __future__ import annotations

from typing import Protocol

from aigateway.providers.upstream import UpstreamRequest


class Unsigned(Exception):
    """There is nothing to sign with. The sentence says why and what to do, and holds no secret."""


class Signer(Protocol):
    """One credential that signs."""

    @property
    def hint(self) -> str:
        """Which one it is, masked, for the record; empty while it is not known yet."""

    async def prepare(self) -> None:
        """Find the credential, so that no request has to wait for it. Raises `Unsigned`; a later try may succeed."""

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The same request with a signature over what is really sent; once per attempt. Raises `Unsigned`."""
