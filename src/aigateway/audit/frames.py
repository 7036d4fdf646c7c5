"""The form of a journal's files: frames one after the other, each with its length and a checksum.

    magic 3 bytes · kind 1 · checksum 4 · length of the payload 4 · sequence number 8 · payload

A file is made at its full length, so what lies behind the last frame is zeros. Whatever else is no frame is damage: the
rest of a write that a power failure tore, or a page that a disk lost. Reading goes on behind it, at the next frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple
from zlib import crc32

_MAGIC = b"\xf5J1"
"""Its first byte is in no UTF-8 text, so no payload holds it."""
_HEADER = struct.Struct("<3scIIQ")
_SUMMED = struct.Struct("<cIQ")


class Kind(bytes, Enum):
    """What a frame says."""

    ENTRY = b"E"
    """The rows of one `append`, as JSON; numbered in order."""
    SHIPPED = b"S"
    """All entries up to its number have been shipped."""
    OPEN = b"O"
    """The interceptions that are open here, as JSON: pairs of id and start. A file begins with it."""


class Frame(NamedTuple):
    """A frame, and where it ends."""

    kind: bytes
    seq: int
    payload: bytes
    end: int

    @property
    def size(self) -> int:
        """All of its bytes."""
        return _HEADER.size + len(self.payload)


class Damage(NamedTuple):
    """Bytes that are no frame."""

    at: int
    end: int


def frame(kind: Kind, seq: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    length = len(payload)
    checksum = crc32(payload, crc32(_SUMMED.pack(kind, length, seq)))
    return _HEADER.pack(_MAGIC, kind, checksum, length, seq) + payload


def frames(data: bytes, at: int = 0) -> Iterator[Frame | Damage]:
    """What stands in `data` from `at` on."""
    while at < len(data):
        found = _frame_at(data, at)
        if found is None:
            following = _next_frame(data, at + 1)
            end = len(data) if following is None else following
            if following is not None or data[at:].strip(b"\0"):
                yield Damage(at, end)
            at = end
        else:
            yield found
            at = found.end


def _frame_at(data: bytes, at: int) -> Frame | None:
    if at + _HEADER.size > len(data):
        return None
    magic, kind, checksum, length, seq = _HEADER.unpack_from(data, at)
    begin = at + _HEADER.size
    if magic != _MAGIC or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    if crc32(payload, crc32(_SUMMED.pack(kind, length, seq))) != checksum:
        return None
    return Frame(kind, seq, payload, begin + length)


def _next_frame(data: bytes, at: int) -> int | None:
    while (at := data.find(_MAGIC, at)) >= 0:
        if _frame_at(data, at) is not None:
            return at
        at += 1
    return None
