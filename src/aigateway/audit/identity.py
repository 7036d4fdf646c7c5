"""Ids for rows: UUIDs of version 7 (RFC 9562), which begin with the time.

Rows that come one after the other so lie side by side in every index. With random ids each row touches pages of its
own, which costs twice as much to store. Whoever sees an id learns when the row was made, and that is in the row.
"""

from __future__ import annotations

import os
import random
import time

_NANOSECONDS = 1_000_000
_RANDOM = 0x0FFF_3FFF_FFFF_FFFF_FFFF
"""The random bits behind the time, which has the first 48."""
_FIXED = 0x7000_8000_0000_0000_0000
"""The version and the variant among them."""

_bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311 - ids are no secrets: they have to be different


def new_id() -> str:
    """A UUID that no other row has."""
    # One number and one text of it: every request has three of these.
    text = "%032x" % (time.time_ns() // _NANOSECONDS << 80 | _bits(80) & _RANDOM | _FIXED)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
