"""The search box, the chips below it and the choice of a time: all kept in the URL, and one and the same search."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aigateway.api import search
from aigateway.store.times import rfc3339

RANGES: dict[str, tuple[str, timedelta | None]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "all": ("All time", None),
}
TIMES = ("started_after", "started_before")
_LONGEST = 4096
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")
"""What browsers send for a time that somebody picked; ours are in UTC."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of a search, and the search without it."""

    key: str
    value: str
    without: str
    """A URL."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A search as a page shows it."""

    path: str
    q: str
    range: str
    """One of `RANGES`."""
    values: Mapping[str, str]
    """What the search says, by key."""

    def meant(self, now: datetime) -> str:
        """The whole search, with the start of the time that was chosen unless it says one itself."""
        span = RANGES[self.range][1]
        if span is None or self.is_picked:
            return self.q
        return f'{self.q} started_after:"{rfc3339(now - span)}"'.strip()

    @property
    def chips(self) -> list[Chip]:
        """Each condition."""
        return [Chip(key, value, self.without(key)) for key, value in self.values.items()]

    @property
    def is_narrow(self) -> bool:
        """Whether there may be more without it."""
        return bool(self.values) or self.range != "all"

    @property
    def is_picked(self) -> bool:
        """Whether the search says a time itself, whatever the range."""
        return any(key in self.values for key in TIMES)

    def with_(self, key: str, value: str) -> str:
        """The URL of this search with another value for a key; of the search as it is for what no search can say."""
        return self._url({**self.values, key: value} if value and '"' not in value else self.values)

    def without(self, key: str) -> str:
        """The URL of this search without a key."""
        return self._url({name: value for name, value in self.values.items() if name != key})

    def with_range(self, name: str) -> str:
        """The URL of this search for another time."""
        return self._url({key: value for key, value in self.values.items() if key not in TIMES}, name)

    def between(self, start: datetime, end: datetime) -> str:
        """The URL of this search for exactly this time."""
        return self._url({**self.values, TIMES[0]: rfc3339(start), TIMES[1]: rfc3339(end)})

    def text_without(self, *keys: str) -> str:
        """The search without some keys, for a form whose fields say them."""
        return _text({key: value for key, value in self.values.items() if key not in keys})

    def _url(self, values: Mapping[str, str], range_: str = "") -> str:
        query = {"q": _text(values), "range": range_ or self.range}
        return f"{self.path}?" + urlencode({name: value for name, value in query.items() if value})


def read(
    params: Mapping[str, str], path: str, *, keys: AbstractSet[str], default: str | None, range_: str = "all"
) -> tuple[Filter, str]:
    """The search that a URL has, and what is wrong with it: an empty search, then.

    Args:
        params: `q` and `range`; fields of the keys' own names, which forms have, win over what `q` says.
        path: of the page.
        keys: those that the search may have.
        default: the key of words without one.
        range_: the time when the URL names none.
    """
    chosen = params.get("range", "")
    chosen = chosen if chosen in RANGES else range_
    q = params.get("q", "").strip()
    if len(q) > _LONGEST:
        return Filter(path, "", chosen, {}), f"A search has at most {_LONGEST} characters."
    try:
        values = search.parse(q, keys=keys, default=default)
    except search.BadSearch as error:
        return Filter(path, "", chosen, {}), str(error)
    picked = {key: _zoned(key, params[key].strip()) for key in sorted(keys & params.keys()) if params[key].strip()}
    if any('"' in value or "\x00" in value for value in picked.values()):
        return Filter(path, "", chosen, {}), "A search cannot contain a double quote."
    if picked:
        values |= picked
        q = _text(values)
    return Filter(path, q, chosen, values), ""


def _text(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}:{_quoted(value)}" for key, value in values.items())


def _zoned(key: str, value: str) -> str:
    return f"{value}Z" if key in TIMES and _LOCAL_TIME.fullmatch(value) else value


def _quoted(value: str) -> str:
    plain = not any(character.isspace() or character == ":" for character in value)
    return value if plain else f'"{value}"'
