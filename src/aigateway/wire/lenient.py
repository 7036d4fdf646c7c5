"""Reading JSON of a known shape that may not have it.

Clients and providers send what they like: a number for a name, half of an emoji, a list for an object. Nothing here
raises for that; a field of the wrong shape is left at its default, and its neighbours are still read.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable
from functools import cache
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON of any content may raise."""

_MISSING = object()


class Reader(Generic[T]):
    """Reads objects of one struct, all of whose fields have defaults."""

    __slots__ = ("_decoder", "_kind")

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def strict(self, raw: bytes | bytearray | memoryview | msgspec.Raw) -> T:
        """Read an object that has the shape; raise one of `UNREADABLE` if it has not."""
        return self._decoder.decode(raw)

    def read(self, raw: bytes | bytearray | memoryview | msgspec.Raw) -> T | None:
        """Read what is readable; None if it is not a JSON object."""
        try:
            return self._decoder.decode(raw)
        except UNREADABLE:
            found = _salvage(self._kind, raw)
            return found if isinstance(found, self._kind) else None


def string(raw: bytes | memoryview | msgspec.Raw) -> str | None:
    """Give the JSON string in `raw`, or None if there is none."""
    return any_value(raw) if bytes(memoryview(raw)[:1]) == b'"' else None


def any_value(raw: bytes | bytearray | memoryview | msgspec.Raw) -> Any:
    """Give the JSON value in `raw`, or None if it cannot be read. Lone surrogates become `?`."""
    if len(memoryview(raw)) == 0:
        return None
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        pass
    try:
        return _storable(json.loads(bytes(raw)))
    except (ValueError, RecursionError):
        return None


def storable(text: str) -> str:
    """Replace lone surrogates, which a JSON escape can make and no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    hints = get_type_hints(kind)
    return {field.encode_name: (field.name, hints[field.name]) for field in msgspec.structs.fields(kind)}


def _salvage(kind: Any, raw: Any) -> Any:
    try:
        return _decoder(kind).decode(raw)
    except UNREADABLE:
        pass
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _first(_salvage(choice, raw) for choice in get_args(kind))
    if origin is list:
        items = _parts(list[msgspec.Raw], raw)
        if items is _MISSING:
            return _MISSING
        found = (_salvage(get_args(kind)[0], item) for item in items)
        return [item for item in found if item is not _MISSING]
    if kind is str:
        text = any_value(raw)
        return text if isinstance(text, str) else _MISSING
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        members = _parts(dict[str, msgspec.Raw], raw)
        if members is _MISSING:
            return _MISSING
        known = {name: _salvage(hint, members[key]) for key, (name, hint) in _fields(kind).items() if key in members}
        return kind(**{name: value for name, value in known.items() if value is not _MISSING})
    return _MISSING


def _parts(kind: Any, raw: Any) -> Any:
    try:
        return _decoder(kind).decode(raw)
    except UNREADABLE:
        return _MISSING


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not _MISSING), _MISSING)
