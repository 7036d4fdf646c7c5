"""Takes texts into the index of full-text search, in the background, so that no record waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from aigateway.audit.background import Background, Slices
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.search import index
from aigateway.store.times import utc_now
from aigateway.telemetry.logging import get_logger

_LOOK_AGAIN_SECONDS = 0.5
"""Together with the shipper's own pace, what ends is found within a second while there is little to do."""
_TRY_AGAIN_SECONDS = 5.0
_SLICE_SECONDS = 0.05
_SMALLEST, _LARGEST = 5, 500
_LOOK_BACK = timedelta(days=1)
"""How far a start looks for what is not in the index: longer than replacing all replicas by a newer version takes."""

_log = get_logger("audit.indexer")


class Indexer(Background):
    """Runs for as long as the gateway does; replicas take turns."""

    name = "indexer"

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._clock = clock
        self._slices = Slices(seconds=_SLICE_SECONDS, smallest=_SMALLEST, largest=_LARGEST)

    async def catch_up(self) -> None:
        """Do all that there is to do now; what the database refuses is left out, and logged.

        Raises:
            StoreUnavailable: the database is away.
        """
        while await self._store.ask(index.is_behind) and await self._one_slice():
            pass

    async def _run(self) -> None:
        looked_back = False
        while True:
            try:
                if not looked_back:
                    await self._store.write(index.note_missing, self._clock() - _LOOK_BACK)
                    looked_back = True
                await self.catch_up()
                pause = _LOOK_AGAIN_SECONDS
            except StoreUnavailable as error:
                _log.warning("texts cannot be indexed now", error=str(error), try_again_seconds=_TRY_AGAIN_SECONDS)
                pause = _TRY_AGAIN_SECONDS
            await asyncio.sleep(pause)

    async def _one_slice(self) -> int:
        try:
            return await self._slices.one(lambda size: self._store.write(index.advance, size))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one bad text must not hold back all others
            return await self._without_what_is_refused(error)

    async def _without_what_is_refused(self, error: Exception) -> int:
        """Look for it by slices of one, and leave it out."""
        if self._slices.size > 1:
            self._slices.size = 1
            return 1
        skipped = await self._store.write(index.skip)
        reason = f"{type(error).__name__}: {error}"
        _log.error("the texts of an interception cannot be indexed", interception_id=skipped, error=reason)
        return 1 if skipped else 0
