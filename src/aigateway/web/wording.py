"""Values as people read them: short, with the exact ones at hand."""

from __future__ import annotations

import json
import re
import zlib
from datetime import UTC, datetime
from typing import Any

_HUES = 8
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def exact(moment: datetime) -> str:
    """A time to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(at: datetime) -> str:
    """A time to the minute, in UTC."""
    return at.astimezone(UTC).strftime("%d %b %H:%M UTC").lstrip("0")


def initials(name: str) -> str:
    """One or two letters that stand for a person."""
    words = [word for word in re.split(r"[\s._-]+", name) if word and word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


def hue(name: str) -> int:
    """Which of eight colours stands for a name, always the same one."""
    return zlib.crc32(name.encode("utf-8", "replace")) % _HUES


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, or in how long."""
    seconds = (now - moment).total_seconds()
    text = _span(abs(seconds))
    if text is None:
        return "just now"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def _span(seconds: float) -> str | None:
    if seconds < 10:
        return None
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds)} s"


def duration(milliseconds: float | None) -> str:
    """How long something took; a dash when it is not known."""
    if milliseconds is None:
        return "\u2013"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def compact(number: int) -> str:
    """A count in at most four characters and a unit."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            value = number / unit
            return f"{value:.1f}{name}" if value < 100 else f"{value:.0f}{name}"
    return str(number)


def grouped(number: int) -> str:
    """A count with its thousands apart."""
    return f"{number:,}"


def pretty(text: str) -> str:
    """JSON with its lines broken; other text as it is."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict | list):
        return text
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        return text


def one_line(text: str, longest: int = 160) -> str:
    """The beginning of a text, without its line breaks."""
    line = " ".join(text[: longest * 4].split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
