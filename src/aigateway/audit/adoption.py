"""Adoption: a living process ships what one that died on the same host has left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aigateway.audit.background import Background
from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.journals import Claim, Journals
from aigateway.audit.shipper import Shipper
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger

_EVERY_SECONDS = 15.0
_SHIP_WITHIN_SECONDS = 60.0

_NOBODY_LISTENS = Events()

_log = get_logger("audit.adoption")


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of a journal that nobody held."""

    path: Path
    waiting: int = 0
    """Entries that the store has not taken yet."""
    rejected: int = 0
    """Entries that were set aside in it for a person to look at."""
    problem: str | None = None
    """Why it cannot be read or written."""

    @property
    def done(self) -> bool:
        """Whether it had nothing left to tell, and was removed."""
        return not (self.waiting or self.rejected or self.problem)


async def adopt(claim: Claim, make_shipper: Callable[[Journal], Shipper], *, within_seconds: float) -> Adopted:
    """End what had begun as interrupted, ship all of it if there is time, and let go of the journal."""
    journal = Journal(claim.path)
    try:
        await asyncio.to_thread(claim.convert)
        await journal.open()
        shipper = make_shipper(journal)
        await shipper.adopt()
        waiting = await shipper.stop(within_seconds=within_seconds)
        adopted = Adopted(claim.path, waiting, await journal.rejected())
    except JournalUnavailable as error:
        _log.error("a journal that was left behind cannot be read", file=str(claim.path), error=str(error))
        adopted = Adopted(claim.path, problem=str(error))
    finally:
        await journal.close()
    if adopted.done:
        claim.remove()
        _log.info("a journal that was left behind was shipped", file=str(claim.path))
    else:
        claim.release()
    return adopted


class Adoption(Background):
    """Looks for journals that nobody holds: at the start, and every now and then."""

    name = "adoption"

    def __init__(
        self, journals: Journals, make_shipper: Callable[[Journal], Shipper], events: Events = _NOBODY_LISTENS
    ) -> None:
        self._journals = journals
        self._make_shipper = make_shipper
        self._events = events

    async def look(self) -> int:
        """Adopt every journal that nobody holds; says how many are done with."""
        found = [
            await adopt(claim, self._make_shipper, within_seconds=_SHIP_WITHIN_SECONDS)
            for claim in self._journals.orphans()
        ]
        done = sum(adopted.done for adopted in found)
        self._events.journals_adopted(done, left=len(found) - done)
        return done

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a journal that cannot be adopted now can be adopted later
                _log.error("looking for journals that were left behind failed", error=str(error))
            await asyncio.sleep(_EVERY_SECONDS)
