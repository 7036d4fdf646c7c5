"""The search language of `q` (control-plane spec 3.6)."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from aigateway.store.search.words import ALSO

_ELEMENT = re.compile(r'(?:"[^"]*"|[^\s"])+')
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")


class BadSearch(ValueError):  # an answer, not a failure
    """A search cannot be understood; the message says where. `field` is the key it is about, or `q`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


SEVERAL = "text"
"""The one key that may stand several times. Its values are joined: all of them are looked for."""
_HINT = 'To search for what was written, say text:word or text:"several words".'


def parse(text: str, *, keys: AbstractSet[str], default: str | None) -> dict[str, str]:
    """The values of a search by key.

    Args:
        text: elements `key:value`, separated by blanks; double quotes keep blanks and colons together.
        keys: the keys there are, in small letters. Each but `SEVERAL` may stand once.
        default: the key that words without one are given to, joined with a blank; None where there is none.

    Raises:
        BadSearch: an element is not of this form.
    """
    if "\x00" in text:
        raise BadSearch("q", "A search cannot contain a NUL character.")
    if text.count('"') % 2:
        raise BadSearch("q", "A double quote is not closed.")
    values: dict[str, str] = {}
    bare: list[str] = []
    for element in _ELEMENT.findall(text):
        pieces = _split(element)
        if len(pieces) == 1:
            bare += filter(None, pieces)
            continue
        if len(pieces) > 2:
            raise BadSearch("q", f"{element} has more than one colon. Put the value in double quotes.")
        key, value = pieces[0].lower(), pieces[1]
        if not key or not value:
            raise BadSearch("q", f"{element} needs a key before its colon and a value after it.")
        _put(values, key, value, keys)
    if bare:
        if default is None:
            raise BadSearch("q", f'"{bare[0]}" has no key. {_known(keys)}')
        _put(values, default, " ".join(bare), keys)
    return values


def time(key: str, text: str) -> datetime:
    """A point in time as RFC 3339, with its zone.

    Raises:
        BadSearch: it is not one.
    """
    if _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # Such as the 30th of February, or a time before the year 1 in UTC.
    raise BadSearch(key, f'"{text}" is not a time such as "2026-01-31T13:45:00Z", which needs its double quotes.')


def _put(values: dict[str, str], key: str, value: str, keys: AbstractSet[str]) -> None:
    if key not in keys:
        raise BadSearch("q", f'There is no key "{key}". {_known(keys)}')
    if key in values and key != SEVERAL:
        raise BadSearch(key, f'"{key}" stands more than once.')
    values[key] = f"{values[key]}{ALSO}{value}" if key in values else value


def _known(keys: AbstractSet[str]) -> str:
    said = f"The keys are: {', '.join(sorted(keys))}."
    return f"{said} {_HINT}" if SEVERAL in keys else said


def _split(element: str) -> list[str]:
    """The pieces between the colons outside of quotes, without the quotes."""
    pieces = [""]
    quoted = False
    for character in element:
        if character == '"':
            quoted = not quoted
        elif character == ":" and not quoted:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces
