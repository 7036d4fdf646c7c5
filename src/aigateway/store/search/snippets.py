"""What was found, with a little of the text around it.

Words are cut here as `words` cuts them, but where they stand in the text itself: an index knows their order only.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from aigateway.store.bulk import of_ids
from aigateway.store.search.index import TEXTS
from aigateway.store.search.words import ALONE, LONGEST, Phrase

_BEFORE = 60
"""Characters of the text that are shown before what was found."""
_LONGEST = 220
_BLANKS = re.compile(r"\s+")
_BEGINS = rf"(?:(?<![^\W_])|(?<={ALONE})|(?={ALONE}))"
_ENDS = rf"(?:(?![^\W_])|(?={ALONE})|(?<={ALONE}))"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text in which something was found."""

    interception_id: str
    where: str
    """`prompt`, `thought` or `tool`."""
    parts: tuple[tuple[str, bool], ...]
    """The text in pieces, and whether each is what was looked for."""


def snippets(connection: Connection, ids: Sequence[str], phrases: Sequence[Phrase]) -> dict[str, Snippet]:
    """What was found in each interception: in the prompt, else in a thought, else in a tool's name or input."""
    if not phrases:
        return {}
    patterns = [pattern(phrase) for phrase in phrases]
    found: dict[str, Snippet] = {}
    for where, (table, text) in TEXTS.items():
        left = [ident for ident in ids if ident not in found]
        columns = f"interception_id, substr({text}, 1, {LONGEST}), created_at, id"
        rows = of_ids(connection, table, columns, left, key="interception_id")
        for ident, content, *_ in sorted(rows, key=lambda row: (row[2], str(row[3]))):
            parts = () if str(ident) in found else snippet(content, patterns)
            if parts:
                found[str(ident)] = Snippet(str(ident), where, parts)
    return found


def snippet(text: str, patterns: Sequence[re.Pattern[str]]) -> tuple[tuple[str, bool], ...]:
    """The text around the first phrase that is in it, in pieces; nothing when none is."""
    shown, folded, places = _folded(text)
    first = next((match for one in patterns if (match := one.search(folded))), None)
    if first is None:
        return ()
    begin = max(0, places[first.start()] - _BEFORE)
    end = begin + _LONGEST
    within = (bisect_left(places, begin), bisect_left(places, end))
    others = [match for one in patterns for match in one.finditer(folded, *within)]
    marked = list(_apart(((places[one.start()], min(places[one.end()], end)) for one in (first, *others)), begin))
    edges = pairwise([begin, *(edge for span in marked for edge in span), min(end, len(shown))])
    pieces = [(_BLANKS.sub(" ", shown[start:stop]), bool(place % 2)) for place, (start, stop) in enumerate(edges)]
    parts = [("…", False)] * bool(begin) + pieces + [("…", False)] * (end < len(shown))
    return tuple(part for part in parts if part[0])


def pattern(phrase: Phrase) -> re.Pattern[str]:
    """What finds a phrase in a folded text: between its words there is nothing but what is in no word."""
    said = [re.escape(word) for word in phrase.words]
    whole = [f"{_BEGINS}{word}{_ENDS}" for word in said[:-1]]
    return re.compile(r"[\W_]*".join([*whole, f"{_BEGINS}{said[-1]}" + ("" if phrase.begins else _ENDS)]))


def _folded(text: str) -> tuple[str, str, Sequence[int]]:
    """The text as it is shown, as words are looked for in it, and where each character of this is in that."""
    shown = text if text.isascii() else unicodedata.normalize("NFKC", text)
    folded = shown.casefold()
    if len(folded) == len(shown):
        return shown, folded, range(len(shown) + 1)
    places = [place for place, character in enumerate(shown) for _ in character.casefold()]
    return shown, folded, [*places, len(shown)]


def _apart(spans: Iterable[tuple[int, int]], at: int) -> Iterator[tuple[int, int]]:
    """Those of the spans that begin behind `at` and the one before."""
    for start, stop in sorted(spans):
        if start >= at:
            yield start, stop
            at = stop
