"""Editing a JSON object without re-encoding it: members are cut out, replaced and added; every other byte stays.

Numbers, the order of keys, white space and escapes survive, because nothing that is kept is ever decoded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, KeysView, Mapping
from dataclasses import dataclass

import msgspec

_SPACE = re.compile(rb"[ \t\r\n]*")
_KEY = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)


class Unspliceable(Exception):
    """The text is no JSON object, or names a key twice, so that nobody can say which one counts."""


@dataclass(frozen=True, slots=True)
class _Member:
    start: int
    """Of its key."""
    end: int
    """Behind its value."""


class JsonObject:
    """The members of one JSON object, and the text that they are in."""

    def __init__(self, text: bytes) -> None:
        """Find the members.

        Raises:
            Unspliceable: see there.

        """
        try:
            raw = _RAW.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unspliceable(f"the body is not a JSON object ({error})") from None
        self._text = text
        self._values = {key: bytes(value) for key, value in raw.items()}
        self._members: dict[str, _Member] = {}
        at = _skip(text, 0) + 1
        self._open = at
        for _ in self._values:
            at = self._find(at)
        if _after_space(text, at) != b"}":
            raise Unspliceable("a key is there twice")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> KeysView[str]:
        """The keys, in the order of the text."""
        return self._members.keys()

    def raw(self, key: str) -> bytes | None:
        """The text of a value; None when there is no such member."""
        return self._values.get(key)

    def value(self, key: str) -> object:
        """A value, decoded; None when there is no such member."""
        raw = self._values.get(key)
        return None if raw is None else msgspec.json.decode(raw)

    def splice(self, *, remove: Collection[str] = (), put: Mapping[str, bytes] | None = None) -> bytes:
        """The text without some members, and with some put in place of those of the same key, or at the end.

        Args:
            remove: keys; those that are not there are not missed.
            put: JSON text by key.

        """
        put = {} if put is None else put
        pieces = [self._text[: self._open]]
        behind = self._open
        first = True
        for key, member in self._members.items():
            if key not in remove:
                # What stands between two members goes with the second of them.
                between = self._text[behind : member.start]
                pieces.append(between.lstrip(b", \t\r\n") if first and behind > self._open else between)
                pieces.append(self._with_value(key, member, put.get(key)))
                first = False
            behind = member.end
        for key, value in put.items():
            if key not in self._members:
                pieces += [b"" if first else b",", msgspec.json.encode(key), b":", value]
                first = False
        pieces.append(self._text[behind:])
        return b"".join(pieces)

    def _with_value(self, key: str, member: _Member, value: bytes | None) -> bytes:
        if value is None:
            return self._text[member.start : member.end]
        return self._text[member.start : member.end - len(self._values[key])] + value

    def _find(self, at: int) -> int:
        """Find the member that begins at or behind `at`, and return the place where the next one would."""
        text = self._text
        if self._members:
            at = _skip(text, at) + 1  # behind the comma
        start = _skip(text, at)
        quoted = _KEY.match(text, start)
        key = _STRING.decode(quoted.group()) if quoted else ""
        if quoted is None or key in self._members or key not in self._values:
            raise Unspliceable("a key is there twice")
        colon = _skip(text, quoted.end())
        begin = _skip(text, colon + 1)
        end = begin + len(self._values[key])
        # The decoder kept the last value of a key: where this is another one, the key comes again.
        if text[begin:end] != self._values[key] or _after_space(text, end) not in (b",", b"}"):
            raise Unspliceable("a key is there twice")
        self._members[key] = _Member(start, end)
        return end


def _skip(text: bytes, at: int) -> int:
    """The place behind the white space."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _after_space(text: bytes, at: int) -> bytes:
    begin = _skip(text, at)
    return text[begin : begin + 1]
