"""The time of day in the form in which the record keeps it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

_BILLION = 1_000_000_000
_MILLION = 1_000_000


def now() -> str:
    """RFC 3339 in UTC with microseconds and `Z`, fixed width, so that text order is time order."""
    nanoseconds = time.time_ns()
    return f"{_second(nanoseconds // _BILLION)}.{nanoseconds // 1000 % _MILLION:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """All but the fraction, which is the same for many rows."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
