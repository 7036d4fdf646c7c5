"""For operators who would rather be served unrecorded than not at all (`--ai-gateway-audit-failure=allow`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from aigateway.audit.journal import Journal
from aigateway.store.records import AnyRecord, InterceptionEnd, InterceptionStart
from aigateway.telemetry.logging import get_logger

_PAUSE_SECONDS = 60.0
"""Between two warnings."""

_log = get_logger("audit.unrecorded")


class LenientJournal:
    """Around a journal: what it cannot keep is counted, and nobody is stopped by it.

    The beginning of a request that could not be kept is held in memory for as long as it runs, and goes to the journal
    once more with its end: a request is unrecorded only when that fails as well. An end whose beginning is on record is
    the journal's own affair: it is written later.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._held: dict[str, list[AnyRecord]] = {}
        self._warned = float("-inf")
        self._untold = 0
        self.unrecorded = 0
        """Requests since the start that were served and are not on record."""

    def append(self, records: Sequence[AnyRecord]) -> asyncio.Future[None]:
        """Keep the rows of one interception if that is possible; the future never raises."""
        rows = [*self._held.pop(records[0].interception_id, ()), *records]
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        committed = self._journal.append(rows)
        if committed.done():
            self._settle(rows, settled, committed)
        else:
            committed.add_done_callback(partial(self._settle, rows, settled))
        return settled

    async def check_writable(self) -> None:
        """Whatever the journal says, requests are served."""

    def _settle(self, rows: list[AnyRecord], settled: asyncio.Future[None], committed: asyncio.Future[None]) -> None:
        reason = committed.exception()
        interception_id = rows[0].interception_id
        if type(rows[-1]) is InterceptionEnd:
            # An end may have been on its way before its start was known to have failed.
            start_failed = self._held.pop(interception_id, None) is not None
            if start_failed or (reason is not None and type(rows[0]) is InterceptionStart):
                self._count(reason)
        elif reason is not None:
            self._held[interception_id] = rows
        if not settled.done():
            settled.set_result(None)

    def _count(self, reason: BaseException | None) -> None:
        self.unrecorded += 1
        self._untold += 1
        now = time.monotonic()
        if now - self._warned < _PAUSE_SECONDS:
            return
        self._warned = now
        _log.warning(
            "requests are served without a record (--ai-gateway-audit-failure=allow)",
            requests=self._untold,
            error=str(reason or "the start of a request could not be kept"),
        )
        self._untold = 0
