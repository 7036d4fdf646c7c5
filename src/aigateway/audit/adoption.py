"""Adoption: a living process ships what one that died on the same host has left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.journals import Claim, Journals
from aigateway.audit.shipper import Shipper
from aigateway.telemetry.logging import get_logger

_EVERY_SECONDS = 15.0
_SHIP_WITHIN_SECONDS = 60.0

_log = get_logger("audit.adoption")


class Adoption:
    """Looks for journals that nobody holds: at the start, and every now and then."""

    def __init__(self, journals: Journals, make_shipper: Callable[[Journal], Shipper]) -> None:
        self._journals = journals
        self._make_shipper = make_shipper
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, in the background."""
        self._task = asyncio.create_task(self._look_forever(), name="adoption")

    async def stop(self) -> None:
        """Stop looking; what is not shipped by then stays where it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> int:
        """Adopt every journal that nobody holds; says how many are done with."""
        done = 0
        for claim in self._journals.orphans():
            done += await self._adopt(claim)
        return done

    async def _adopt(self, claim: Claim) -> bool:
        journal = Journal(claim.path)
        try:
            await journal.open()
            shipper = self._make_shipper(journal)
            await shipper.adopt()
            left = await shipper.stop(within_seconds=_SHIP_WITHIN_SECONDS)
            keep = left > 0 or await journal.rejected() > 0
        except JournalUnavailable as error:
            _log.error("a journal that was left behind cannot be read", file=str(claim.path), error=str(error))
            keep = True
        finally:
            await journal.close()
        if keep:
            claim.release()
            return False
        claim.remove()
        _log.info("a journal that was left behind was shipped", file=str(claim.path))
        return True

    async def _look_forever(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a journal that cannot be adopted now can be adopted later
                _log.error("looking for journals that were left behind failed", error=str(error))
            await asyncio.sleep(_EVERY_SECONDS)
