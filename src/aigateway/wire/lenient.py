"""Reading JSON of a known shape that may not have it.

Clients and providers send what they like: a number for a name, half of an emoji, a list for an object. Nothing here
raises for that; a field of the wrong shape is left at its default, and its neighbours are still read.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V")
Raw = bytes | bytearray | msgspec.Raw
"""JSON text."""

LARGEST_COUNT = 2**63 - 1
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_COUNT)] | None
"""A count as providers tell it. What is another number is read as one that makes sense, what is none as 0."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON of any content may raise."""

ABSENT = msgspec.Raw()
"""The default of a field that is kept as JSON text: asking whether it is this one is the quickest."""
_MISSING = object()
_QUOTE = ord('"')
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class Reader(Generic[T]):
    """Reads objects of one struct, all of whose fields have defaults."""

    __slots__ = ("_decode_strictly", "_decoder", "_kind")

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._decode_strictly = self._decoder.decode

    def strict(self, raw: Raw) -> T:
        """Read an object that has the shape; raise one of `UNREADABLE` if it has not."""
        try:
            return self._decode_strictly(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return _decode(self._decoder, raw)

    def whole(self, raw: Raw) -> T:
        """Read what is readable of an object; raise one of `UNREADABLE`, `ValidationError` only if it is no object."""
        try:
            return self._decode_strictly(raw)
        except msgspec.DecodeError:
            # A field has another shape, or holds what is no text, unless there is no object at all.
            _decode(_decoder(dict[str, msgspec.Raw]), raw)
        return self.read(raw) or self._kind()

    def read(self, raw: Raw) -> T | None:
        """Read what is readable; None if it is not a JSON object."""
        if raw is ABSENT:
            return None
        try:
            return self._decode_strictly(raw)
        except UNREADABLE:
            found = _salvage(self._kind, raw)
            return found if isinstance(found, self._kind) else None


def string(raw: Raw) -> str | None:
    """Give the JSON string in `raw`, or None if there is none."""
    if raw is ABSENT:
        return None
    found = any_value(raw) if memoryview(raw).nbytes and memoryview(raw)[0] == _QUOTE else None
    return found if isinstance(found, str) else None


def any_value(raw: Raw) -> Any:
    """Give the JSON value in `raw`, or None if it cannot be read."""
    if raw is ABSENT or not memoryview(raw).nbytes:
        return None
    try:
        return _ANYTHING.decode(raw)
    except UNREADABLE:
        found = _try(_ANYTHING, raw)
        return None if found is _MISSING else found


def readable(kind: Any, raw: Raw) -> Any:
    """Give what is readable of a value of any type that can be decoded, or None if nothing is."""
    if raw is ABSENT:
        return None
    found = _salvage(kind, raw)
    return None if found is _MISSING else found


def _decode(decoder: msgspec.json.Decoder[V], raw: Raw) -> V:
    """Decode; half of a surrogate pair, which JavaScript sends when it cuts a text, becomes a replacement character."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _ESCAPE.sub(_whole_escape, bytes(raw))
        if mended == raw:
            raise
        return decoder.decode(mended)


_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""An escape sequence; half a surrogate pair in group 1."""


def _whole_escape(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if found[1] else found[0]


def _try(decoder: msgspec.json.Decoder[Any], raw: Raw) -> Any:
    try:
        return _decode(decoder, raw)
    except UNREADABLE:
        return _MISSING


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.encode_name: (field.name, hints[field.name]) for field in msgspec.structs.fields(kind)}


def _salvage(kind: Any, raw: Any) -> Any:
    found = _try(_decoder(kind), raw)
    if found is not _MISSING:
        return found
    if kind == Count:
        return _count(any_value(raw))
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _first(_salvage(choice, raw) for choice in get_args(kind))
    if origin is list:
        items = _try(_decoder(list[msgspec.Raw]), raw)
        if items is _MISSING:
            return _MISSING
        salvaged = (_salvage(get_args(kind)[0], item) for item in items)
        return [item for item in salvaged if item is not _MISSING]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        members = _try(_decoder(dict[str, msgspec.Raw]), raw)
        if members is _MISSING:
            return _MISSING
        known = {name: _salvage(hint, members[key]) for key, (name, hint) in _fields(kind).items() if key in members}
        return kind(**{name: value for name, value in known.items() if value is not _MISSING})
    return _MISSING


def _count(told: Any) -> int:
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < float("inf"):
        return 0
    return min(int(told), LARGEST_COUNT)


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not _MISSING), _MISSING)
