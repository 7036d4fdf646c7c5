"""From a token to an Actor, on every request: cached, but never longer than a second after a token was revoked."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aigateway.accounts import tokens
from aigateway.accounts.actor import Actor
from aigateway.store import api_keys
from aigateway.store.api_keys import TOKEN, Holder, Use
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.times import utc_now
from aigateway.telemetry.logging import get_logger

_log = get_logger("accounts")

FRESH_FOR = 1.0
"""Seconds for which an entry is used without knowing whether it still holds."""
RENEW_AFTER = 0.75
"""Seconds after which the store is asked beside a request, so that the next one need not wait."""
HEARD_FOR = 30.0
"""Seconds after which the store is asked in the same way although it has told of no change."""
STALE_FOR = 3600.0
"""Seconds for which an entry is used while the store is away."""
TOUCH_EVERY = 60.0
"""Seconds between two notes of when a key was last used."""
LOOKUP_LIMIT = 3.0
"""Seconds after which a store that does not answer counts as away."""
PATIENCE = 0.5
"""The same, for a token that was in use a moment ago."""
MAX_ENTRIES = 20_000


@dataclass(slots=True)
class _Entry:
    """A key as the store last described it."""

    holder: Holder
    actor: Actor
    expires_at: datetime
    asked_at: float
    touched_at: float = float("-inf")


class Authenticator:
    """Tells whose token it is. One per process; belongs to one event loop.

    Args:
        store: where keys and users are.
        sliding_sessions: whether use puts off the end of a sign-in session.
        clock: the time of day, for expiry.
        monotonic: seconds that never go back, for the age of entries.
    """

    def __init__(
        self,
        store: Store,
        *,
        sliding_sessions: bool = True,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._sliding_sessions = sliding_sessions
        self._clock = clock
        self._monotonic = monotonic
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[_Entry | None]] = {}
        self._store_is_away = False
        self._ask_again_at = float("-inf")
        self._heard_since = float("inf")
        self._heard_until = float("-inf")
        self.last_asked_at = float("-inf")
        """When somebody was last to be authenticated, on the monotonic clock."""
        self._uses: dict[str, Use] = {}
        self._noting: asyncio.Task[None] | None = None

    def known(self, key_id: str, shown: bytes) -> Actor | None:
        """The same as `authenticate`, where nobody has to be waited for; None too where somebody has.

        It takes what `tokens.shown` makes of a token.
        """
        now = self.last_asked_at = self._monotonic()
        entry = self._sure(key_id, now)
        return None if entry is None else self._checked(entry, shown, now)

    async def authenticate(self, token: str) -> Actor | None:
        """The actor whose valid token this is; None for anything else.

        Raises:
            StoreUnavailable: the store is away, and this token was not in use within the last hour.
        """
        parts = tokens.shown(token)
        if parts is None:
            return None
        key_id, shown = parts
        now = self.last_asked_at = self._monotonic()
        entry = self._sure(key_id, now) or await self._entry(key_id, now)
        return None if entry is None else self._checked(entry, shown, now)

    def _checked(self, entry: _Entry, shown: bytes, now: float) -> Actor | None:
        """The actor of an entry, if this is the hash of its secret and it still holds."""
        if not tokens.is_same(shown, entry.holder.hashed_secret) or entry.expires_at <= self._clock():
            return None
        if now - entry.touched_at >= TOUCH_EVERY:
            self._touch(entry, now)
        return entry.actor

    def forget(self, key_id: str) -> None:
        """Ask the store before this key is accepted again."""
        self._entries.pop(key_id, None)
        self._lookups.pop(key_id, None)

    def forget_user(self, user_id: str) -> None:
        """Ask the store before any key of this user is accepted again."""
        for key_id in [key_id for key_id, entry in self._entries.items() if entry.holder.user_id == user_id]:
            del self._entries[key_id]
        self._lookups.clear()

    def heard(self, *, since: float, until: float) -> None:
        """What the store said at `since` or later still held at `until`, but for what `forget` was told of meanwhile.

        Both are times of the monotonic clock. Whoever hears of each change that anybody makes may say so, and lets
        entries live longer by it.
        """
        self._heard_since, self._heard_until = since, until

    async def close(self) -> None:
        """Finish the notes that are being written."""
        if self._noting is not None:
            await self._noting

    def _sure(self, key_id: str, now: float) -> _Entry | None:
        """The entry of a key where nobody has to wait for the store; it may be asked beside the request."""
        entry = self._entries.get(key_id)
        if entry is None:
            return None
        unsure_for = now - self._known_until(entry)
        if unsure_for <= FRESH_FOR:
            if unsure_for > RENEW_AFTER or now - entry.asked_at > HEARD_FOR:
                self._lookup(key_id)  # Beside the request, which does not wait.
            return entry
        if self._store_is_away and unsure_for <= STALE_FOR:
            if now >= self._ask_again_at:
                self._lookup(key_id)  # The same: it notices when the store is back.
            return entry
        return None

    async def _entry(self, key_id: str, now: float) -> _Entry | None:
        """The entry of a key as the store has it now, or as it had it while it does not answer."""
        entry, lookup = self._entries.get(key_id), self._lookup(key_id)
        if entry is not None and now - self._known_until(entry) <= STALE_FOR:
            await asyncio.wait({lookup}, timeout=PATIENCE)
            if not lookup.done():
                self._note_absence()
            if not lookup.done() or isinstance(lookup.exception(), StoreUnavailable):
                return entry
        return await asyncio.shield(lookup)

    def _known_until(self, entry: _Entry) -> float:
        """The last moment at which an entry is known to have been right."""
        if entry.asked_at < self._heard_since:
            return entry.asked_at
        return max(entry.asked_at, self._heard_until)

    def _note_absence(self) -> None:
        self._store_is_away = True
        self._ask_again_at = self._monotonic() + FRESH_FOR

    def _lookup(self, key_id: str) -> asyncio.Task[_Entry | None]:
        """The one lookup of a key that is under way."""
        lookup = self._lookups.get(key_id)
        if lookup is None:
            lookup = asyncio.create_task(self._ask(key_id))
            self._lookups[key_id] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(key_id, done))
        return lookup

    def _looked_up(self, key_id: str, lookup: asyncio.Task[_Entry | None]) -> None:
        current = self._lookups.get(key_id) is lookup
        if current:
            del self._lookups[key_id]
        if lookup.cancelled():
            return
        error = lookup.exception()
        self._store_is_away = False
        if isinstance(error, StoreUnavailable):
            self._note_absence()
        if error is not None or not current:
            return  # Not current: forgotten while it was under way, so what it found may be out of date.
        entry = lookup.result()
        if entry is None:
            self._entries.pop(key_id, None)
            return
        known = self._entries.get(key_id)
        entry.touched_at = known.touched_at if known else entry.touched_at
        self._entries[key_id] = entry
        self._entries.move_to_end(key_id)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    async def _ask(self, key_id: str) -> _Entry | None:
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(LOOKUP_LIMIT):
                holder = await self._store.ask(api_keys.holder, key_id)
        except TimeoutError as error:
            raise StoreUnavailable(f"The database did not answer within {LOOKUP_LIMIT:g} s.") from error
        if holder is None or not holder.may_enter:
            return None
        actor = Actor(holder.user_id, holder.username, holder.email or None, holder.key_id, frozenset(holder.roles))
        return _Entry(holder, actor, holder.expires_at, asked_at)

    def _touch(self, entry: _Entry, now: float) -> None:
        """Note the use of a key, in the background."""
        entry.touched_at = now
        at, holder = self._clock(), entry.holder
        until = None
        if self._sliding_sessions and holder.login_type != TOKEN:
            until = entry.expires_at = at + timedelta(seconds=holder.lifetime_seconds)
        self._uses[holder.key_id] = Use(holder.key_id, holder.user_id, at, until)
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note())

    async def _note(self) -> None:
        while self._uses:
            uses, self._uses = list(self._uses.values()), {}
            try:
                await self._store.write(api_keys.record_uses, uses)
            except StoreUnavailable as error:
                _log.debug("last use of tokens not noted", tokens=len(uses), reason=str(error))
