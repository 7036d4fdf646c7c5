"""Whether the process lives (`/healthz`), and whether it can serve (`/readyz`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

import msgspec

from aigateway.accounts.authenticate import STALE_FOR
from aigateway.audit.journal import JournalUnavailable
from aigateway.providers.provider import Provider
from aigateway.store.engine import Store, StoreUnavailable

_PING_SECONDS = 2.0
"""Balancers do not wait long for an answer."""


class Check(msgspec.Struct, omit_defaults=True):
    """One thing that serving depends on."""

    ok: bool
    reason: str = ""


class Readiness(msgspec.Struct):
    """The whole answer of `/readyz`."""

    ready: bool
    checks: dict[str, Check]


class Writable(Protocol):
    """What records are put on: the journal, or another around it."""

    async def check_writable(self) -> None:
        """Raises `JournalUnavailable` while requests are refused because they cannot be put on record."""


class Health:
    """Looks at what serving depends on, at the time of the question."""

    def __init__(
        self,
        *,
        journal: Writable,
        store: Store,
        providers: Mapping[str, Provider],
        enabled: bool,
        allow_byok: bool,
    ) -> None:
        self._journal = journal
        self._store = store
        self._store_seen_at = time.monotonic()
        self._providers = providers
        self._enabled = enabled
        self._allow_byok = allow_byok
        self._leaving = False

    def leave(self) -> None:
        """The server is told to stop: it is not ready from here on, whatever it still serves."""
        self._leaving = True

    async def readiness(self) -> Readiness:
        """Every check, with the reason where one fails."""
        checks = {"journal": await self._check_journal(), "store": await self._check_store()}
        if self._enabled:
            checks["providers"] = self._check_providers()
        if self._leaving:
            checks["server"] = Check(ok=False, reason="stopping")
        bearable = {"store"} if self._bears_absence() else set()
        return Readiness(all(check.ok or name in bearable for name, check in checks.items()), checks)

    async def _check_journal(self) -> Check:
        try:
            await self._journal.check_writable()
        except JournalUnavailable as error:
            return Check(ok=False, reason=str(error))
        return Check(ok=True)

    async def _check_store(self) -> Check:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await self._store.ping()
        except (StoreUnavailable, TimeoutError):
            return Check(ok=False, reason="the database does not answer")
        self._store_seen_at = time.monotonic()
        return Check(ok=True)

    def _bears_absence(self) -> bool:
        """Whether people are served without the database: those who came within the last hour, and all are recorded.

        It is away for all replicas alike, so taking them out of the balancer would turn a slight fault into an outage.
        """
        return time.monotonic() - self._store_seen_at < STALE_FOR

    def _check_providers(self) -> Check:
        if not self._providers:
            return Check(ok=False, reason="no provider is configured; see CODER_AI_GATEWAY_PROVIDER_0_TYPE")
        if any(self._usable(provider) for provider in self._providers.values()):
            return Check(ok=True)
        return Check(
            ok=False,
            reason="no provider has a key, and --ai-gateway-allow-byok=false keeps people from bringing theirs",
        )

    def _usable(self, provider: Provider) -> bool:
        return bool(len(provider.pool)) or self._allow_byok or provider.takes_logins_alone
