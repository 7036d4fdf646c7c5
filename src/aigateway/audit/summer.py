"""Sums up past hours and sessions (`store.activity_sums`, `store.session_sums`) before pages need them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from aigateway.audit.background import Background, Slices
from aigateway.store import activity_sums, session_sums
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.times import utc_now
from aigateway.telemetry.logging import get_logger

_LOOK_AGAIN_SECONDS = 60.0
_SLICE_SECONDS = 0.1
_MOST_HOURS = 256
_MOST_SESSIONS = 1000
_SHARE_FOR_SESSIONS = 0.1
"""Of the time. A session costs some 0.3 ms, which is much where each is of one request; without sums pages read it."""
_LOOK_BACK = timedelta(days=1)
"""How far a start sums up anew, since an older version may have written: longer than replacing all replicas takes."""

_log = get_logger("audit.summer")


class Summer(Background):
    """Runs for as long as the gateway does; replicas take turns."""

    name = "summer"

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._clock = clock
        self._hours = Slices(seconds=_SLICE_SECONDS, smallest=1, largest=_MOST_HOURS)
        self._sessions = Slices(seconds=_SLICE_SECONDS, smallest=1, largest=_MOST_SESSIONS, share=_SHARE_FOR_SESSIONS)

    async def catch_up(self) -> None:
        """Sum up all hours that are over, and all sessions that are quiet.

        Raises:
            StoreUnavailable: the database is away.
        """
        while True:
            # Hours first, always: where every request is a session of its own, there is no end of sessions.
            if await self._store.ask(activity_sums.missing, self._clock()):
                await self._hours.one(lambda size: self._store.write(activity_sums.advance, self._clock(), size))
            elif await self._store.ask(session_sums.is_behind, self._clock()):
                await self._sessions.one(lambda size: self._store.write(session_sums.advance, self._clock(), size))
            else:
                return

    async def _run(self) -> None:
        looked_back = False
        while True:
            try:
                if not looked_back:
                    for forget in (activity_sums.forget_since, session_sums.forget_since):
                        await self._store.write(forget, self._clock() - _LOOK_BACK)
                    looked_back = True
                await self.catch_up()
            except StoreUnavailable as error:
                _log.warning("sums cannot be made now", error=str(error), try_again_seconds=_LOOK_AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the pages read what they can, and it is tried again
                reason = f"{type(error).__name__}: {error}"
                _log.error("sums could not be made", error=reason, try_again_seconds=_LOOK_AGAIN_SECONDS)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
