"""Publishes where the hash chain ends, in the log: whoever rewrites the database cannot rewrite what was sent away."""

from __future__ import annotations

import asyncio

from aigateway.audit.background import Background
from aigateway.store import chain as chains
from aigateway.store.chain import LEDGER, Chain, Head
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.telemetry.logging import get_logger

_EVERY_SECONDS = 600.0

_log = get_logger("audit.chain")


class Heads(Background):
    """Tells of the replica's own chain and of the ledger: every ten minutes, and at the stop, if there is news."""

    name = "chain heads"

    def __init__(self, store: Store, chain: Chain) -> None:
        self._store = store
        self._chains = (chain, LEDGER)
        self._told: dict[str, Head] = {}

    async def stop(self) -> None:
        """Tell once more."""
        await super().stop()
        await self.tell()

    async def tell(self) -> None:
        """Tell what is new."""
        for one in self._chains:
            try:
                head = await self._store.read(chains.head, one.id)
            except StoreUnavailable:
                return
            if head is not None and self._told.get(one.id) != head:
                self._told[one.id] = head
                _log.info(
                    "the hash chain of the record ends here",
                    chain=one.id,
                    name=one.name,
                    expect=f"{one.id}:{head.position}:{head.digest}",
                )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.tell()
