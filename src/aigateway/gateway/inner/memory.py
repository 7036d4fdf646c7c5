"""What the gateway has to remember between two requests of one turn: some of it, for a while, in this process.

A client that comes back later, or to another replica, is served as well: the model then does not see what it had asked
of the gateway's tools, and may ask again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aigateway.wire.inner.joining import MixedTurn

_SECONDS = 3600.0
"""Since it was last asked for."""
_MOST_BYTES = 64 * 1024 * 1024
_MOST_OF_A_PERSON = 50
_MOST = 10_000
_Key = tuple[str, str]
"""A person's id, and the id of the first call that the client has to answer, or of the response that it knows."""


@dataclass(slots=True)
class _Kept:
    what: MixedTurn | str
    until: float

    @property
    def size(self) -> int:
        return self.what.size if isinstance(self.what, MixedTurn) else len(self.what)


class Memory:
    """Mixed turns, and which response really came of the one that a client knows."""

    def __init__(self, *, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._of: dict[str, OrderedDict[str, None]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def remember_turn(self, user_id: str, turn: MixedTurn) -> None:
        """Keep what a client does not know of a turn that it goes on with."""
        self._keep(user_id, turn.client_calls[0], turn)

    def remember_response(self, user_id: str, known: str, really: str) -> None:
        """Keep which response a client means."""
        self._keep(user_id, known, really)

    def turns_in(self, user_id: str, body: bytes) -> list[MixedTurn]:
        """The turns of a person that a request may go on with."""
        found = [key for key in self._of.get(user_id, ()) if key.encode() in body]
        turns = (self._recall(user_id, key) for key in found)
        return [turn for turn in turns if isinstance(turn, MixedTurn)]

    def response_after(self, user_id: str, known: str) -> str | None:
        """The response that came of the one that the client knows."""
        really = self._recall(user_id, known)
        return really if isinstance(really, str) else None

    def _keep(self, user_id: str, key: str, what: MixedTurn | str) -> None:
        self._forget(user_id, key)
        kept = _Kept(what, self._clock() + self._seconds)
        own = self._of.setdefault(user_id, OrderedDict())
        self._kept[user_id, key] = kept
        own[key] = None
        self._bytes += kept.size
        while len(own) > _MOST_OF_A_PERSON:
            self._forget(user_id, next(iter(own)))
        while self._kept and (self._bytes > _MOST_BYTES or len(self._kept) > _MOST or self._oldest_is_over()):
            self._forget(*next(iter(self._kept)))

    def _oldest_is_over(self) -> bool:
        return next(iter(self._kept.values())).until < self._clock()

    def _recall(self, user_id: str, key: str) -> MixedTurn | str | None:
        kept = self._kept.get((user_id, key))
        if kept is None:
            return None
        now = self._clock()
        if kept.until < now:
            self._forget(user_id, key)
            return None
        kept.until = now + self._seconds
        self._kept.move_to_end((user_id, key))
        self._of[user_id].move_to_end(key)
        return kept.what

    def _forget(self, user_id: str, key: str) -> None:
        kept = self._kept.pop((user_id, key), None)
        if kept is None:
            return
        self._bytes -= kept.size
        own = self._of[user_id]
        del own[key]
        if not own:
            del self._of[user_id]
