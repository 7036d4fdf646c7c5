"""The keys of one provider on this replica: which may be used now, and which must rest (control-plane spec 1.5).

Knows keys by their place in the provider's list, never by what they are. Each request begins at the first one that may
be used, so that the others are a reserve and not a rotation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

DEFAULT_REST = 60.0
"""Seconds for a key whose provider does not say for how long."""
LONGEST_REST = 3600.0
"""Seconds. Whatever a provider says: one try an hour costs little, and mends what was said by mistake."""


class Fault(StrEnum):
    """Why a key must rest."""

    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key, as an operator sees it."""

    fault: Fault | None
    """None while it may be used."""
    seconds: float
    """How long it rests from now on; 0 while it may be used."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Every key rests."""

    fault: Fault
    """`RATE_LIMITED` where waiting helps with any of them."""
    seconds: float
    """Until the first of them may be used again."""


class KeyPool:
    """How the keys of one provider do. Not for several threads."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the number of keys, and what tells the seconds."""
        self._clock = clock
        self._rests: list[tuple[Fault, float] | None] = [None] * size

    def __len__(self) -> int:
        return len(self._rests)

    def usable(self, but: Collection[int] = ()) -> int | None:
        """The place of the first key that may be used now, apart from some; None when there is none."""
        now = self._clock()
        for place, rest in enumerate(self._rests):
            if place not in but and (rest is None or rest[1] <= now):
                return place
        return None

    def rest(self, place: int, fault: Fault, seconds: float) -> bool:
        """Let a key rest, unless it rests longer already; return whether it was in use until now.

        A pool of one never rests: with nothing to turn to, the provider's own answer is the best there is.
        """
        if len(self._rests) == 1:
            return False
        now = self._clock()
        old = self._rests[place]
        was_in_use = old is None or old[1] <= now
        until = now + min(seconds, LONGEST_REST)
        if old is None or old[1] < until:
            self._rests[place] = (fault, until)
        return was_in_use

    def state(self, place: int) -> KeyState:
        """How one key does now."""
        rest, now = self._rests[place], self._clock()
        if rest is None or rest[1] <= now:
            return KeyState(None, 0.0)
        return KeyState(rest[0], rest[1] - now)

    def exhausted(self) -> Exhausted | None:
        """Set when no key may be used now."""
        states = [self.state(place) for place in range(len(self))]
        faults = {state.fault for state in states}
        if None in faults or not states:
            return None
        fault = Fault.RATE_LIMITED if Fault.RATE_LIMITED in faults else Fault.UNAUTHORIZED
        return Exhausted(fault, min(state.seconds for state in states))


def rest_of(headers: Mapping[str, str], now: datetime | None = None) -> float:
    """How many seconds an answer of status 429 asks to wait, by its headers (lower-case names).

    `retry-after-ms` wins (OpenAI and Azure send it, with fractions), then `Retry-After` in seconds or as a date (RFC
    9110 section 10.2.3). What is absent, past or no sense counts as `DEFAULT_REST`.
    """
    milliseconds = _positive(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("retry-after", "").strip()
    seconds = _positive(told)
    if seconds is None:
        seconds = _until(told, now or datetime.now(UTC))
    return DEFAULT_REST if seconds is None else seconds


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number > 0 and math.isfinite(number) else None


def _until(date: str, now: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return seconds if seconds > 0 else None
