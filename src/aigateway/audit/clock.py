"""The time of day in the form in which the record keeps it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_MILLION = 1_000_000
_DIGITS = tuple(f"{number:03}" for number in range(1000))


class _Clock:
    """Keeps the text of the second, which is the same for many rows."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        """RFC 3339 in UTC with microseconds and `Z`, fixed width, so that text order is time order."""
        second, microseconds = divmod(time.time_ns() // 1000, _MILLION)
        if second != self._second:
            self._second = second
            self._text = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}."
        return f"{self._text}{_DIGITS[microseconds // 1000]}{_DIGITS[microseconds % 1000]}Z"


now = _Clock().now
"""RFC 3339 in UTC with microseconds and `Z`, fixed width, so that text order is time order."""
