"""The search box, the chips below it and the choice of a time: all kept in the URL, and one and the same search."""

from __future__ import annotations

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
_LONGEST = 4096


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
        if span is None or "started_after" in self.values or "started_before" in self.values:
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

    def with_(self, key: str, value: str) -> str:
        """The URL of this search with another value for a key; of the search as it is for what no search can say."""
        return self._url({**self.values, key: value} if value and '"' not in value else self.values)

    def without(self, key: str) -> str:
        """The URL of this search without a key."""
        return self._url({name: value for name, value in self.values.items() if name != key})

    def with_range(self, name: str) -> str:
        """The URL of this search for another time."""
        return self._url(self.values, name)

    def _url(self, values: Mapping[str, str], range_: str = "") -> str:
        query = {"q": _text(values), "range": range_ or self.range}
        return f"{self.path}?" + urlencode({name: value for name, value in query.items() if value})


def read(
    params: Mapping[str, str], path: str, *, keys: AbstractSet[str], default: str | None, range_: str = "all"
) -> tuple[Filter, str]:
    """The search that a URL has, and what is wrong with it: an empty search, then.

    Args:
        params: `q` and `range`.
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
        return Filter(path, q, chosen, search.parse(q, keys=keys, default=default)), ""
    except search.BadSearch as error:
        return Filter(path, "", chosen, {}), str(error)


def _text(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}:{_quoted(value)}" for key, value in values.items())


def _quoted(value: str) -> str:
    plain = not any(character.isspace() or character == ":" for character in value)
    return value if plain else f'"{value}"'
