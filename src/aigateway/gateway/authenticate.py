"""Step 3: who asks. Which header carries the gateway token, and whether the person brings a key of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from aigateway.accounts.actor import Actor
from aigateway.gateway.refusal import Refusal
from aigateway.providers.credentials import bearer_of
from aigateway.store.engine import StoreUnavailable

GOVERNANCE_HEADER = "x-coder-ai-governance-token"
"""Carries the gateway token of a request that brings the person's own provider credential (BYOK)."""


class Authenticates(Protocol):
    """Knows tokens."""

    async def authenticate(self, token: str) -> Actor | None:
        """The active account that a token belongs to; None for a token that is not (or no longer) good."""


class Admission(msgspec.Struct, frozen=True):
    """Somebody with a name."""

    actor: Actor
    byok: bool


async def authenticate(authenticator: Authenticates, headers: Mapping[str, str], *, allow_byok: bool) -> Admission:
    """Find the one who asks (data-plane spec 3.1, decisions 6 and 32).

    Raises:
        Refusal: 401 without a good token, 403 for BYOK where it is off, 503 when nobody can be looked up.

    """
    governance = headers.get(GOVERNANCE_HEADER, "").strip()
    byok = bool(governance)
    tokens = [governance] if byok else _tokens(headers)
    if not tokens:
        raise Refusal(
            401,
            "no gateway token. Send yours as 'Authorization: Bearer' or 'X-Api-Key', or, together with a provider key "
            "of your own, as 'X-Coder-AI-Governance-Token'. Make one with: aigateway tokens create",
        )
    if byok and not allow_byok:
        raise Refusal(
            403,
            "this gateway does not take provider keys of your own (--ai-gateway-allow-byok=false). "
            "Leave out X-Coder-AI-Governance-Token and send your gateway token as 'Authorization: Bearer'.",
        )
    try:
        for token in tokens:
            if (actor := await authenticator.authenticate(token)) is not None:
                return Admission(actor, byok)
    except StoreUnavailable:
        raise Refusal(503, "cannot check your token, since the database is away. Try again in a moment.") from None
    raise Refusal(
        401,
        "this gateway token is not good: unknown, expired or removed, or the account is not active. "
        "Make a new one with: aigateway tokens create",
    )


def _tokens(headers: Mapping[str, str]) -> list[str]:
    """The candidates, the bearer first: some clients send both headers with different values."""
    bearer, key = bearer_of(headers.get("authorization", "")), headers.get("x-api-key", "").strip()
    if not key or key == bearer:
        return [bearer] if bearer else []
    return [bearer, key] if bearer else [key]
