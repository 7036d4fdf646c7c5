"""The two requests of OAuth 2.0 that the gateway itself makes: a code for tokens, and new tokens for old.

RFC 6749 sections 4.1.3 and 6, RFC 7636 section 4.5.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeGuard

import msgspec

from aigateway.settings.tools import AccountSettings

_SECONDS = 10.0
_MOST = 64 * 1024
_FOR_EVER = frozenset(
    {"invalid_grant", "bad_refresh_token", "bad_verification_code", "access_denied", "unauthorized_client"}
)
"""Refusals that the next try would get as well: RFC 6749 section 5.2, and GitHub's own."""


class Grant(msgspec.Struct, frozen=True):
    """What a service gave for one person, as it is sealed into the database."""

    access_token: str
    refresh_token: str = ""

    def __repr__(self) -> str:
        return "Grant(…)"


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant, and how long it lasts."""

    grant: Grant
    expires_at: datetime | None


class GrantFailed(Exception):
    """A service gave nothing. The sentence says why, and holds no secret."""

    def __init__(self, sentence: str, *, for_good: bool = False) -> None:
        super().__init__(sentence)
        self.for_good = for_good
        """Whether the next try would fail as well."""


class Grants(Protocol):
    """Asks services for tokens."""

    async def redeem(self, account: AccountSettings, code: str, *, verifier: str, redirect_uri: str) -> Granted:
        """Tokens for the code of a consent. Raises GrantFailed."""

    async def refresh(self, account: AccountSettings, refresh_token: str) -> Granted:
        """New tokens. Raises GrantFailed."""


class HttpGrants:
    """Asks at the token endpoints that the operator named, and follows no redirect from there."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    async def redeem(self, account: AccountSettings, code: str, *, verifier: str, redirect_uri: str) -> Granted:
        """See `Grants`."""
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return await self._ask(account, asked)

    async def refresh(self, account: AccountSettings, refresh_token: str) -> Granted:
        """See `Grants`."""
        return await self._ask(account, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def _ask(self, account: AccountSettings, asked: dict[str, str]) -> Granted:
        import aiohttp  # noqa: PLC0415 - slow to import, seldom needed

        asked["client_id"] = account.client_id
        if account.client_secret is not None:
            asked["client_secret"] = account.client_secret.reveal()
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    account.token_url, data=asked, headers={"Accept": "application/json"}, allow_redirects=False
                ) as answer,
            ):
                return self._read(answer.status, await answer.content.read(_MOST), asked)
        except TimeoutError:
            raise GrantFailed(f"the service did not answer within {_SECONDS:g} s") from None
        except aiohttp.ClientError as error:
            raise GrantFailed(f"the service cannot be reached ({type(error).__name__})") from None

    def _read(self, status: int, body: bytes, asked: Mapping[str, str]) -> Granted:
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise GrantFailed(f"the service answered with HTTP status {status} and no JSON")
        if error := told.get("error"):
            # GitHub answers refusals with status 200.
            word = error if isinstance(error, str) and error.isascii() and error.isidentifier() else "an error"
            raise GrantFailed(f"the service refused it: {word}", for_good=word in _FOR_EVER)
        access, refresh = told.get("access_token"), told.get("refresh_token") or asked.get("refresh_token", "")
        if status != 200 or not _is_token(access) or not (refresh == "" or _is_token(refresh)):
            raise GrantFailed(f"the service answered with HTTP status {status} and no token")
        if str(told.get("token_type", "bearer")).lower() != "bearer":
            raise GrantFailed("the service gave a token of a kind that is not known here")
        return Granted(Grant(access, refresh), self._expiry(told.get("expires_in")))

    def _expiry(self, seconds: Any) -> datetime | None:
        try:
            lasts = float(seconds)
        except (TypeError, ValueError):
            return None
        return self._clock() + timedelta(seconds=min(lasts, 1e9)) if math.isfinite(lasts) and lasts > 0 else None


def _is_token(value: Any) -> TypeGuard[str]:
    """Something that a header can carry."""
    return isinstance(value, str) and 0 < len(value) <= 16_384 and value.isascii() and value.isprintable()
