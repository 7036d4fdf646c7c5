"""The shipper moves rows from the journal into the store: in order, in batches, and as often as it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from aigateway.audit import clock
from aigateway.audit.journal import Entry, Journal, JournalUnavailable
from aigateway.store.engine import StoreUnavailable
from aigateway.store.records import AnyRecord, InterceptionEnd
from aigateway.telemetry.logging import get_logger

_BATCH_ENTRIES = 500
_GATHER_SECONDS = 0.05
"""How long the first rows after a pause wait for company."""
_APART_SECONDS = 0.4
"""How far apart batches are that are not full: each has a price of its own, and rows are to be seen within a second."""
_BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10)

_log = get_logger("audit.shipper")

Apply = Callable[[Sequence[AnyRecord]], Awaitable[None]]
"""Writes rows into the store, idempotently; raises when the store is away."""
Tell = Callable[[Sequence[Entry]], Awaitable[None]]
"""Hears of entries, in order, once the store has taken or refused them; of some again when it or the journal raised."""


async def _tell_nobody(_entries: Sequence[Entry]) -> None:
    """Nobody wants to hear of what is shipped."""


class Shipper:
    """Runs for as long as the gateway does; `stop` ships what is left first."""

    def __init__(self, journal: Journal, apply: Apply, tell: Tell = _tell_nobody) -> None:
        self._journal = journal
        self._apply = apply
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self.failures = 0
        """Attempts that failed since the start."""
        self.rejected = 0
        """Entries set aside since the start."""

    async def adopt(self) -> int:
        """End what a process that died had begun, as *interrupted*; says how many interceptions that were."""
        now = clock.now()
        unfinished = await self._journal.unfinished()
        for interception_id, _ in unfinished:
            await self._journal.append(
                [
                    InterceptionEnd(
                        interception_id=interception_id,
                        ended_at=now,
                        error_type="interrupted",
                        error_message="The gateway's process ended before the answer did.",
                    )
                ]
            )
        if unfinished:
            _log.warning("interceptions of a process that died were ended as interrupted", count=len(unfinished))
        return len(unfinished)

    def start(self) -> None:
        """Begin to ship, in the background."""
        self._task = asyncio.create_task(self._ship_forever(), name="shipper")

    async def stop(self, *, within_seconds: float) -> int:
        """Ship what is left, within the time given; says how many entries are left for the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(within_seconds):
                while await self.ship_batch():
                    pass
        except Exception as error:  # noqa: BLE001 - whatever keeps the store away, the rows stay in the journal
            _log.warning("the journal could not be shipped at shutdown", error=_reason(error))
        return await self._journal.backlog()

    @property
    def failing(self) -> bool:
        """True while the store refuses the rows."""
        return self._failures > 0

    async def ship_batch(self) -> int:
        """Move the oldest entries; says how many. Raises `StoreUnavailable` and `JournalUnavailable`."""
        entries = await self._journal.entries(_BATCH_ENTRIES)
        if not entries:
            return 0
        try:
            await self._apply([record for entry in entries for record in entry.records])
        except (StoreUnavailable, JournalUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - one bad row must not hold back all others
            _log.error("the store refused a batch of records; trying one by one", error=_reason(error))
            await self._ship_one_by_one(entries)
        else:
            await self._tell(entries)
        await self._journal.discard(entries[-1].seq)
        return len(entries)

    async def _ship_one_by_one(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            try:
                await self._apply(entry.records)
            except (StoreUnavailable, JournalUnavailable):
                raise
            except Exception as error:  # noqa: BLE001 - kept in the journal's own table, with the reason
                await self._tell([entry])
                await self._set_aside(entry, _reason(error))
            else:
                await self._tell([entry])

    async def _set_aside(self, entry: Entry, reason: str) -> None:
        await self._journal.reject(entry.seq, reason)
        self.rejected += 1
        _log.error(
            "a record was set aside in the journal, since the store refuses it",
            seq=entry.seq,
            interception_id=entry.records[0].interception_id,
            error=reason,
        )

    async def _ship_forever(self) -> None:
        while True:
            self._journal.appended.clear()
            try:
                shipped = await self.ship_batch()
            except Exception as error:  # noqa: BLE001 - the rows wait in the journal, whatever is wrong with the store
                await self._back_off(error)
                continue
            if self._failures:
                _log.info("the store takes records again", failures=self._failures)
                self._failures = 0
            if shipped < _BATCH_ENTRIES:
                await self._gather()

    async def _gather(self) -> None:
        """Wait until there is something to ship, and for what may come with it."""
        ended = time.monotonic()
        if not await self._journal.backlog():
            await self._journal.appended.wait()
        await asyncio.sleep(max(_GATHER_SECONDS, ended + _APART_SECONDS - time.monotonic()))

    async def _back_off(self, error: Exception) -> None:
        delay = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
        if self._failures == 0:
            place = "journal" if isinstance(error, JournalUnavailable) else "store"
            _log.error("records wait in the journal", unavailable=place, error=_reason(error))
        self._failures += 1
        self.failures += 1
        await asyncio.sleep(delay)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
