"""Ids for rows: UUIDs of version 7 (RFC 9562), which begin with the time.

Rows that come one after the other so lie side by side in every index. With random ids each row touches pages of its
own, which costs twice as much to store. Whoever sees an id learns when the row was made, and that is in the row.
"""

from __future__ import annotations

import os
import random
import time

_NANOSECONDS = 1_000_000
_VERSION = 0x7000
_VARIANT = 0x8000_0000_0000_0000

_bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311 - ids are no secrets: they have to be different


def new_id() -> str:
    """A UUID that no other row has."""
    bits = _bits(74)
    milliseconds = f"{time.time_ns() // _NANOSECONDS:012x}"
    tail = f"{_VARIANT | bits >> 12:016x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-{_VERSION | bits & 0xFFF:04x}-{tail[:4]}-{tail[4:]}"
