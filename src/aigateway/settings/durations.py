"""Durations as operators write them: `60d`, `1d12h`, `10s`, `0` (control-plane spec 1.9)."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PART = r"(\d{1,18}(?:\.\d{1,18})?)(ns|us|µs|ms|s|m|h|d|w)"
_DURATION = re.compile(f"(?:{_PART})+", re.ASCII)
_PRINTED = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))


def parse_duration(text: str) -> timedelta:
    """Read a duration: numbers with the units ns, us, ms, s, m, h, d (24 h), w (7 d), or a bare 0.

    The result has whole microseconds; a shorter time becomes one microsecond, never zero, because zero means "off".

    Raises:
        ValueError: with what to do, when `text` is no duration, negative, or beyond what a `timedelta` holds.
    """
    written = text.strip().removeprefix("+").replace("\N{GREEK SMALL LETTER MU}", "µ")
    if written == "0":
        return timedelta()
    if written.startswith("-"):
        raise ValueError("a duration cannot be negative; write 0 or more, for example 60d")
    if not _DURATION.fullmatch(written):
        raise ValueError("not a duration; write numbers with the units ns us ms s m h d w, for example 60d or 1d12h")
    nanoseconds = sum(Fraction(number) * _NANOSECONDS[unit] for number, unit in re.findall(_PART, written, re.ASCII))
    microseconds = round(nanoseconds / 1_000)
    try:
        return timedelta(microseconds=max(microseconds, 1) if nanoseconds else 0)
    except OverflowError:
        raise ValueError("too long a duration; write less than 999999999d") from None


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same back: `1d12h`, `500ms`, `0s`."""
    rest = (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
    parts = []
    for unit, length in _PRINTED:
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
