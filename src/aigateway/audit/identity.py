"""Ids for rows: UUIDs of version 7 (RFC 9562), which begin with the time.

Rows that come one after the other so lie side by side in every index. With random ids each row touches pages of its
own, which costs twice as much to store. Whoever sees an id learns when the row was made, and that is in the row.

Behind the time stand 50 bits that are random for a process and 24 that it counts (RFC 9562, 6.2 and 6.4).
"""

from __future__ import annotations

import os
import secrets
import time
from itertools import count

_NANOSECONDS = 1_000_000
_DIGITS = tuple(f"{number:03x}" for number in range(0x1000))
"""Three of them at once, since every request has three ids: looking a text up costs a third of making it."""
_LOW = 0xFFF
_COUNTED = 0xFFFFFF


class _Ids:
    """The ids of one process."""

    __slots__ = ("_counted", "_era", "_head", "_random")

    def __init__(self) -> None:
        self._era = -1
        """The time but for its last three digits, which are four seconds."""
        self._head = ""
        self._random = ""
        self._counted = count()

    def new(self) -> str:
        """A UUID that no other row has."""
        milliseconds = time.time_ns() // _NANOSECONDS
        era = milliseconds >> 12
        if era != self._era:
            self._begin(era)
        place = next(self._counted) & _COUNTED
        return f"{self._head}{_DIGITS[milliseconds & _LOW]}{self._random}{_DIGITS[place >> 12]}{_DIGITS[place & _LOW]}"

    def forget(self) -> None:
        """Draw the random part anew for the next id."""
        self._era = -1

    def _begin(self, era: int) -> None:
        """Draw the random part anew: so the count, of sixteen million, comes round in none of these."""
        text = f"{era:09x}"
        self._head = f"{text[:8]}-{text[8:]}"
        drawn = secrets.token_hex(6)
        variant = 0x8 | secrets.randbelow(4)
        self._random = f"-7{drawn[:3]}-{variant:x}{drawn[3:6]}-{drawn[6:]}"
        self._era = era


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.forget)

new_id = _ids.new
"""A UUID that no other row has, whatever thread or process asks."""
