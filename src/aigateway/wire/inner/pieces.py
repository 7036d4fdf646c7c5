"""Small parts of JSON that are put together without being decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from aigateway.wire.splice import JsonObject, Unspliceable

RawMembers = dict[str, msgspec.Raw]
RAW_MEMBERS = msgspec.json.Decoder(RawMembers)
RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def array(elements: Iterable[bytes | msgspec.Raw]) -> bytes:
    """An array of JSON texts."""
    return b"[" + b",".join(bytes(element) for element in elements) + b"]"


def json_object(members: Mapping[str, bytes]) -> bytes:
    """An object of JSON texts."""
    return b"{" + b",".join(msgspec.json.encode(key) + b":" + value for key, value in members.items()) + b"}"


def with_elements(raw: bytes, elements: bytes, *, first: bool = False) -> bytes:
    """An array with more elements, given as they stand between brackets, behind those it has or before them."""
    inside = raw.strip()[1:-1]
    if not inside.strip():
        return b"[" + elements + b"]"
    return b"[" + elements + b"," + inside + b"]" if first else b"[" + inside + b"," + elements + b"]"


def is_array(raw: bytes) -> bool:
    """Whether a JSON text is an array."""
    return raw.lstrip()[:1] == b"["


def is_string(raw: bytes | msgspec.Raw) -> bool:
    """Whether a JSON text is a string."""
    return bytes(memoryview(raw)[:1]) == b'"'


def inside(raw: bytes | msgspec.Raw) -> bytes:
    """What stands between the quotes of a JSON string, escapes and all."""
    return bytes(raw)[1:-1]


def edited(text: bytes, put: Mapping[str, bytes], remove: Iterable[str] = ()) -> bytes:
    """A JSON object with other members; as it is where nobody can tell which member is meant."""
    try:
        return JsonObject(text).splice(put=put, remove=set(remove))
    except Unspliceable:
        return text


def added(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The sum of two objects of counts; what is no count is as the second has it."""
    total = dict(first)
    for key, value in second.items():
        before = total.get(key)
        if _is_count(value) and _is_count(before):
            total[key] = before + value
        elif isinstance(value, dict) and isinstance(before, dict):
            total[key] = added(before, value)
        elif value is not None or key not in total:
            total[key] = value
    return total


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
