"""When the sessions of a search began, in bars that lead to their part of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aigateway.api import search
from aigateway.web.filters import RANGES, Filter

_MOST_BARS = 60
_STEPS = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 20_160, 40_320, 131_040)
)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of the time; `x`, `width` and `height` are in parts of a hundred."""

    x: float
    width: float
    height: float
    start: datetime
    end: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a search is about, in steps."""

    since: datetime
    until: datetime
    step: timedelta

    @classmethod
    def of(cls, since: datetime, until: datetime) -> Span:
        """A time in as many round steps as are well to be seen."""
        length = max(until - since, _STEPS[0])
        step = next((step for step in _STEPS if length / step < _MOST_BARS), None)
        return cls(since, until, step or timedelta(days=(length // _MOST_BARS).days + 1))


def span(found: Filter, now: datetime) -> Span | None:
    """What a search says about the time; None when it says no start.

    Raises:
        BadSearch: what it says is no time.
    """
    times = {
        key: search.time(key, found.values[key]) for key in ("started_after", "started_before") if key in found.values
    }
    length = RANGES[found.range][1]
    until = times.get("started_before", now)
    if "started_after" in times:
        return Span.of(times["started_after"], until) if times["started_after"] < until else None
    return None if length is None or times else Span.of(now - length, now)


def bars(begun: Mapping[datetime, int], wanted: Span) -> list[Bar]:
    """The bars of a time, without gaps; none when nothing began in it."""
    step = int(wanted.step.total_seconds())
    first = int(wanted.since.timestamp()) // step
    last = int(wanted.until.timestamp()) // step
    counts = [0] * (last - first + 1)
    for start, count in begun.items():
        place = int(start.timestamp()) // step - first
        if 0 <= place < len(counts):
            counts[place] += count
    highest = max(counts)
    if not highest:
        return []
    width = 100 / len(counts)
    starts = [datetime.fromtimestamp((first + place) * step, UTC) for place in range(len(counts))]
    return [
        Bar(
            x=round(place * width, 3),
            width=round(width * 0.84, 3),
            height=max(round(count / highest * 100, 1), 4) if count else 0,
            start=start,
            end=start + wanted.step,
            count=count,
        )
        for place, (start, count) in enumerate(zip(starts, counts, strict=True))
    ]


def seen(begun: Callable[[timedelta], Mapping[datetime, int]], wanted: Span | None, now: datetime) -> list[Bar]:
    """The bars of a search.

    Args:
        begun: how many sessions began in each step of this length.
        wanted: the time; None for all that there is.
        now: the end of that.
    """
    if wanted is not None:
        return bars(begun(wanted.step), wanted)
    days = begun(DAY)
    if not days:
        return []
    # At least as wide as what was counted, since less cannot be told apart.
    whole = Span.of(min(days), max(now, *days))
    return bars(days, whole if whole.step >= DAY else Span(whole.since, whole.until, DAY))
