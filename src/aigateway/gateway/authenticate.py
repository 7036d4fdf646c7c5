"""Step 3: who asks. Which header carries the gateway token, and whether the person brings a key of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from aigateway.accounts import tokens
from aigateway.accounts.actor import Actor
from aigateway.gateway.refusal import Refusal
from aigateway.providers.credentials import bearer_of
from aigateway.store.engine import StoreUnavailable

GOVERNANCE_HEADER = "x-coder-ai-governance-token"
"""Carries the gateway token of a request that brings the person's own provider credential (BYOK)."""


class Authenticates(Protocol):
    """Knows tokens."""

    def known(self, key_id: str, shown: bytes) -> Actor | None:
        """The same as `authenticate`, where nobody has to be asked for it; None too where somebody has.

        It takes what `tokens.shown` makes of a token.
        """

    async def authenticate(self, token: str) -> Actor | None:
        """The active account that a token belongs to; None for a token that is not (or no longer) good."""


class Shown(msgspec.Struct, frozen=True):
    """What the headers of a request show of gateway tokens."""

    tokens: tuple[str, ...]
    """In the order in which they are tried."""
    first: tuple[str, bytes] | None
    """What `tokens.shown` makes of the first."""
    byok: bool
    """Whether the request brings the person's own provider credential."""


def shown(headers: Mapping[str, str]) -> Shown:
    """Find the tokens among the headers, which have lower-case names (data-plane spec 3.1, decisions 6 and 32)."""
    governance = headers.get(GOVERNANCE_HEADER, "").strip()
    found = (governance,) if governance else _tokens(headers)
    return Shown(found, tokens.shown(found[0]) if found else None, bool(governance))


async def authenticate(authenticator: Authenticates, asking: Shown, *, allow_byok: bool) -> Actor:
    """Find the one who asks.

    Raises:
        Refusal: 401 without a good token, 403 for BYOK where it is off, 503 when nobody can be looked up.

    """
    if not asking.tokens:
        raise Refusal(
            401,
            "no gateway token. Send yours as 'Authorization: Bearer' or 'X-Api-Key', or, together with a provider key "
            "of your own, as 'X-Coder-AI-Governance-Token'. Make one with: aigateway tokens create",
        )
    if asking.byok and not allow_byok:
        raise Refusal(
            403,
            "this gateway does not take provider keys of your own (--ai-gateway-allow-byok=false). "
            "Leave out X-Coder-AI-Governance-Token and send your gateway token as 'Authorization: Bearer'.",
        )
    try:
        for token in asking.tokens:
            if (actor := await authenticator.authenticate(token)) is not None:
                return actor
    except StoreUnavailable:
        raise Refusal(503, "cannot check your token, since the database is away. Try again in a moment.") from None
    raise Refusal(
        401,
        "this gateway token is not good: unknown, expired or removed, or the account is not active. "
        "Make a new one with: aigateway tokens create",
    )


def _tokens(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The candidates, the bearer first: some clients send both headers with different values."""
    bearer, key = bearer_of(headers.get("authorization", "")), headers.get("x-api-key", "").strip()
    if not key or key == bearer:
        return (bearer,) if bearer else ()
    return (bearer, key) if bearer else (key,)
