"""Byte sizes as operators write them: `64MiB`, `10MB`, `67108864`."""

from __future__ import annotations

import re

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"(\d{1,18}) ?([a-z]*)", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """Read a number of bytes: a whole number alone, or with a unit from B, KB, MB, GB, TB, KiB, MiB, GiB, TiB.

    Raises:
        ValueError: with what to do, when `text` is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(
            "not a size; write bytes, or a whole number with KB, MB, GB, KiB, MiB or GiB, for example 64MiB"
        )
    return int(match[1]) * unit


def format_size(size: int) -> str:
    """Write a number of bytes in the largest binary unit that divides it; `parse_size` reads the same back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        count, rest = divmod(size, _UNITS[unit.lower()])
        if count and not rest:
            return f"{count}{unit}"
    return str(size)
