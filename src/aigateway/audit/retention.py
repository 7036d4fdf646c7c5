"""Deletes records and expired keys when their time has come: at start, and every ten minutes (spec 4.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Concatenate, ParamSpec

from sqlalchemy import Connection

from aigateway.audit.background import Background
from aigateway.store import purge
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.times import utc_now
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger

EVERY_SECONDS = 600.0
_INTERCEPTIONS_AT_ONCE = 200
_KEYS_AT_ONCE = 500
_KEYS_A_PASS = 10_000
_PAGES_AT_ONCE = 20
_SHRINKING_SECONDS = 20.0
"""How long a pass may give pages back: each costs more the more of them are free, up to milliseconds."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing is older."""

_log = get_logger("audit.retention")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What one pass deleted, in rows."""

    aibridge_records: int
    """Interceptions and all that belongs to them."""
    api_keys: int


class Retention(Background):
    """Runs for as long as the gateway does.

    Args:
        store: what is purged.
        records: how long interceptions are kept from their start, with all that belongs to them; None for ever.
        expired_keys: how long keys are kept after they expired; None for ever.
        events: told what was deleted.
        clock: the time of day.
    """

    name = "retention"

    def __init__(
        self,
        store: Store,
        *,
        records: timedelta | None,
        expired_keys: timedelta | None,
        events: Events,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._records = records
        self._expired_keys = expired_keys
        self._events = events
        self._clock = clock

    def start(self) -> None:
        """Begin with a pass, in the background. Where all is kept for ever there is nothing to begin."""
        if self._records is not None or self._expired_keys is not None:
            super().start()

    async def purge(self) -> Purged:
        """One pass.

        Raises:
            StoreUnavailable: the database is away. What was deleted until then stays deleted.
        """
        purged = Purged(aibridge_records=await self._purge_records(), api_keys=await self._purge_keys())
        await self._shrink()
        return purged

    async def _purge_records(self) -> int:
        before, total = self._before(self._records), 0
        while before is not None and (deleted := await self._unhurried(purge.records, before, _INTERCEPTIONS_AT_ONCE)):
            self._events.purged("aibridge_records", deleted)
            total += deleted
        return total

    async def _purge_keys(self) -> int:
        before, total = self._before(self._expired_keys), 0
        while (
            before is not None
            and total < _KEYS_A_PASS
            and (deleted := await self._unhurried(purge.expired_api_keys, before, _KEYS_AT_ONCE))
        ):
            self._events.purged("api_keys", deleted)
            total += deleted
        return total

    async def _shrink(self) -> None:
        end = time.monotonic() + _SHRINKING_SECONDS
        while time.monotonic() < end and await self._unhurried(purge.release_pages, _PAGES_AT_ONCE):
            pass

    def _before(self, age: timedelta | None) -> datetime | None:
        """The moment before which all is too old; None when nothing is."""
        now = self._clock()
        return None if age is None or age >= now - _BEGINNING else now - age

    async def _unhurried(
        self, batch: Callable[Concatenate[Connection, _P], int], *args: _P.args, **kwargs: _P.kwargs
    ) -> int:
        """One batch, then a pause as long as it took: half of the time belongs to those who write records."""
        began = time.monotonic()
        done = await self._store.write(batch, *args, **kwargs)
        if done:
            await asyncio.sleep(time.monotonic() - began)
        return done

    async def _run(self) -> None:
        while True:
            await self._pass()
            await asyncio.sleep(EVERY_SECONDS)

    async def _pass(self) -> None:
        began = time.monotonic()
        try:
            purged = await self.purge()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next pass tries again
            self._events.purge_ended(success=False, seconds=time.monotonic() - began)
            reason = str(error) if isinstance(error, StoreUnavailable) else f"{type(error).__name__}: {error}"
            _log.warning("old records could not be purged; trying again later", error=reason, seconds=EVERY_SECONDS)
            return
        took = time.monotonic() - began
        self._events.purge_ended(success=True, seconds=took)
        tell = _log.info if purged.aibridge_records or purged.api_keys else _log.debug
        tell(
            "old records were purged",
            aibridge_records=purged.aibridge_records,
            api_keys=purged.api_keys,
            seconds=round(took, 3),
        )
