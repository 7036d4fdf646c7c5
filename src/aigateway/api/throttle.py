"""Slows down guessing: after some failed tries, each further one has to wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

FREE_TRIES = 5
LONGEST_WAIT = 60.0
"""Seconds."""
FORGET_AFTER = 900.0
"""Seconds without a try."""
MAX_KEYS = 10_000


@dataclass(slots=True)
class _Tries:
    count: int
    last: float


class Throttle:
    """Counts tries by key, in memory, and no more than `MAX_KEYS` keys."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._tries: OrderedDict[Hashable, _Tries] = OrderedDict()

    def attempt(self, key: Hashable) -> float:
        """Count a try, and return 0 when it may be made; else the seconds to wait, and nothing is counted.

        A try counts as failed from its start, so that many at once gain nothing.
        """
        now = self._monotonic()
        tries = self._tries.get(key)
        if tries is None or now - tries.last > FORGET_AFTER:
            tries = self._tries[key] = _Tries(0, now)
        wait = tries.last + _pause(tries.count) - now
        if wait > 0:
            return wait
        tries.count += 1
        tries.last = now
        self._tries.move_to_end(key)
        if len(self._tries) > MAX_KEYS:
            self._tries.popitem(last=False)
        return 0.0

    def succeeded(self, key: Hashable) -> None:
        """Forget a key's tries."""
        self._tries.pop(key, None)


def _pause(tries: int) -> float:
    """Seconds between the last try and the next: none for the first few, then doubling."""
    beyond = tries - FREE_TRIES
    return 0.0 if beyond < 0 else min(2.0 ** min(beyond, 10), LONGEST_WAIT)
