"""Proves that the record is as it was written, or names the first row that is not (`store.chain`).

The database is read in small pieces, while others go on writing and purging: what they do meanwhile is not taken for
tampering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aigateway.store import verification as asked
from aigateway.store.chain import LEDGER, Head, ground, next_digest
from aigateway.store.engine import Store
from aigateway.store.verification import ChainState, Ledger, Link

_LINKS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Published:
    """The end of a chain as it was at some time, kept where nobody can change it."""

    chain_id: str
    position: int
    digest: str

    @classmethod
    def read(cls, text: str) -> Published:
        """From `chain:position:digest`.

        Raises:
            ValueError: it is no such text.

        """
        chain_id, position, digest = text.strip().lower().split(":")
        if not position.isdecimal() or len(digest) != len(ground("")):
            raise ValueError(text)
        return cls(chain_id, int(position), digest)

    def __str__(self) -> str:
        """As `read` takes it."""
        return f"{self.chain_id}:{self.position}:{self.digest}"


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is not as it was written."""

    what: str
    chain_id: str | None = None
    position: int | None = None
    interception_id: str | None = None
    row: str | None = None
    """Table and id, where it is not the interception."""


@dataclass(slots=True)
class Report:
    """What was found."""

    heads: list[Published] = field(default_factory=list)
    checked: int = 0
    """Interceptions that are as they were written."""
    purged: int = 0
    """Links whose interceptions retention has removed, as the ledger says."""
    unchained: int = 0
    """Interceptions from before there were chains."""
    unfinished: int = 0
    """Interceptions that have not ended, and are in no chain yet."""
    problem: Problem | None = None


class _Found(Exception):
    """The first problem ends it all."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


async def verify(store: Store, *, expected: Sequence[Published] = (), chained_since: datetime | None = None) -> Report:
    """Check all chains, and that no row is outside of them.

    Args:
        store: the database.
        expected: ends of chains that were published before.
        chained_since: interceptions that started before need not be in a chain; None for the begin of the first chain.

    Raises:
        StoreUnavailable: the database is away.

    """
    report = Report()
    try:
        await _Verification(store, report, expected).run(chained_since)
    except _Found as found:
        report.problem = found.problem
    return report


async def heads(store: Store) -> list[Published]:
    """Where each chain ends now.

    Raises:
        StoreUnavailable: the database is away.

    """
    return [_published(chain) for chain in await store.read(asked.states)]


class _Verification:
    """One run."""

    def __init__(self, store: Store, report: Report, expected: Sequence[Published]) -> None:
        self._store = store
        self._report = report
        self._expected = expected
        self._ledger = Ledger(frozenset(), {})

    async def run(self, chained_since: datetime | None) -> None:
        """Check everything; raises `_Found`."""
        states, self._ledger = await self._store.read(asked.survey)
        self._check_chains(states)
        for state in states:
            await self._walk(state)
            self._report.heads.append(_published(state))
        since = chained_since or min((state.begun_at for state in states), default=None)
        await self._check_unchained(since)
        await self._check_strays()
        self._report.unfinished = await self._store.read(asked.unfinished)

    def _check_chains(self, states: Sequence[ChainState]) -> None:
        known = {state.id for state in states}
        for ident in sorted(self._ledger.chains - known):
            raise _Found(Problem("the whole chain is missing", ident))
        for ident in sorted(known - self._ledger.chains - {LEDGER.id}):
            raise _Found(Problem("the ledger does not know this chain", ident))
        for published in self._expected:
            if published.chain_id not in known:
                raise _Found(Problem("the whole chain is missing", published.chain_id))

    async def _walk(self, state: ChainState) -> None:
        at = Head(0, ground(state.id))
        expected = {one.position: one.digest for one in self._expected if one.chain_id == state.id}
        while at.position < state.head.position:
            found = await self._store.read(asked.links, state.id, at.position, _LINKS_AT_ONCE)
            if not found:
                raise _Found(Problem("the newest links are missing", state.id, at.position + 1))
            for link in found:
                at = await self._step(state.id, at, link)
                if expected.pop(at.position, at.digest) != at.digest:
                    raise _Found(self._problem("is not what was published", state.id, link))
                if at.position == state.head.position and at.digest != state.head.digest:
                    raise _Found(self._problem("is not the end that the chain is said to have", state.id, link))
        if state.newest > state.head.position:
            raise _Found(Problem("links were added behind the end of the chain", state.id, state.head.position + 1))
        for position in sorted(expected):
            if position > state.head.position or not self._ledger.lets_go(state.id, position, position):
                raise _Found(Problem("the link that was published is missing", state.id, position))

    async def _step(self, chain_id: str, at: Head, link: Link) -> Head:
        """One link further."""
        if link.position > at.position + 1:
            if not (link.purged and await self._lets_go(chain_id, at.position + 1, link.position)):
                raise _Found(Problem("links are missing", chain_id, at.position + 1))
            self._report.purged += link.position - at.position
        elif link.purged:
            if not await self._lets_go(chain_id, link.position, link.position):
                raise _Found(self._problem("is marked as purged, and retention did not purge it", chain_id, link))
            self._report.purged += 1
        elif link.content is None:
            raise _Found(self._problem("was removed", chain_id, link))
        elif next_digest(at.digest, link.content) != link.digest:
            raise _Found(self._problem("was changed, or rows of it were changed, removed or added", chain_id, link))
        else:
            self._report.checked += link.interception_id is not None
        return Head(link.position, link.digest)

    async def _lets_go(self, chain_id: str, first: int, last: int) -> bool:
        if not self._ledger.lets_go(chain_id, first, last):
            self._ledger = await self._store.read(asked.ledger)  # It may just have been purged.
        return self._ledger.lets_go(chain_id, first, last)

    async def _check_unchained(self, since: datetime | None) -> None:
        after: str | None = None
        while True:
            piece = await self._store.read(asked.unchained, after)
            for ident, started_at in piece.strange:
                if since is not None and started_at >= since:
                    raise _Found(Problem("is in no chain: the gateway did not write it", interception_id=ident))
                self._report.unchained += 1
            if (after := piece.last) is None:
                return

    async def _check_strays(self) -> None:
        for table in asked.child_tables():
            after: str | None = None
            while True:
                piece = await self._store.read(asked.stray, table, after)
                for ident, _ in piece.strange:
                    raise _Found(Problem("belongs to no interception", row=f"{table.name} {ident}"))
                if (after := piece.last) is None:
                    break

    @staticmethod
    def _problem(what: str, chain_id: str, link: Link) -> Problem:
        return Problem(what, chain_id, link.position, link.interception_id)


def _published(state: ChainState) -> Published:
    return Published(state.id, *state.head)
