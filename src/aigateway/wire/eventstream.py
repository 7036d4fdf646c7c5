"""AWS event stream: the binary framing of `application/vnd.amazon.eventstream`, decoded sans-io for any way of cutting.

A message is: total length (4 bytes, big-endian, of the whole message), length of the headers (4), CRC-32 of those eight
bytes (4), headers, payload, CRC-32 of everything before (4). Source: Smithy specification, "Amazon Event Stream".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HeaderValue = bool | int | bytes | str

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_SMALLEST = _PRELUDE.size + _CHECKSUM.size
_MAX_HEADERS = 128 * 1024
_MAX_PAYLOAD = 24 * 1024 * 1024
"""Both limits are the specification's."""


class MalformedEventStream(Exception):
    """These bytes are no event stream, or were damaged on the way. What came before was fine."""


@dataclass(frozen=True, slots=True)
class EventStreamMessage:
    """One message."""

    headers: dict[str, HeaderValue]
    """Timestamps in milliseconds since 1970, UUIDs as sixteen bytes."""
    payload: bytes

    def text(self, name: str) -> str:
        """A header that is a string; empty when it is missing or of another type."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class EventStreamDecoder:
    """Takes bytes cut anywhere, gives whole messages whose checksums hold. Memory is bounded by one message."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def mid_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[EventStreamMessage]:
        """Yield the messages that are whole now; to be read to the end.

        Raises:
            MalformedEventStream: behind the last message that is fine; nothing can be decoded after it.

        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _PRELUDE.size:
            total, headers, checksum = _PRELUDE.unpack_from(buffer)
            _check_prelude(bytes(buffer[:8]), total, headers, checksum)
            if len(buffer) < total:
                return
            message = bytes(buffer[:total])
            del buffer[:total]
            yield _message(message, headers)


def _check_prelude(lengths: bytes, total: int, headers: int, checksum: int) -> None:
    if zlib.crc32(lengths) != checksum:
        raise MalformedEventStream("the checksum of a message's head is wrong")
    if headers > _MAX_HEADERS or total > _SMALLEST + headers + _MAX_PAYLOAD or total < _SMALLEST + headers:
        raise MalformedEventStream("a message's lengths cannot be right")


def _message(data: bytes, headers: int) -> EventStreamMessage:
    (checksum,) = _CHECKSUM.unpack_from(data, len(data) - _CHECKSUM.size)
    if zlib.crc32(memoryview(data)[: -_CHECKSUM.size]) != checksum:
        raise MalformedEventStream("the checksum of a message is wrong")
    end = _PRELUDE.size + headers
    return EventStreamMessage(_headers(data[_PRELUDE.size : end]), data[end : -_CHECKSUM.size])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name = str(_exactly(data, at + 1, name_end), "utf-8")
            if name in headers:
                raise MalformedEventStream(f"the header {name[:64]!r} is there twice")
            headers[name], at = _VALUES[data[name_end]](data, name_end + 1)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise MalformedEventStream("a message's headers cannot be read") from error
    return headers


def _exactly(data: bytes, start: int, end: int) -> bytes:
    if end > len(data):
        raise IndexError(end)
    return data[start:end]


def _number(code: str) -> Callable[[bytes, int], tuple[int, int]]:
    form = struct.Struct(code)

    def read(data: bytes, at: int) -> tuple[int, int]:
        (value,) = form.unpack_from(data, at)
        return int(value), at + form.size

    return read


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(">H", data, at)
    end = at + 2 + length
    return _exactly(data, at + 2, end), end


def _text(data: bytes, at: int) -> tuple[str, int]:
    value, end = _bytes(data, at)
    return str(value, "utf-8"), end


_VALUES: tuple[Callable[[bytes, int], tuple[HeaderValue, int]], ...] = (
    lambda _, at: (True, at),
    lambda _, at: (False, at),
    _number(">b"),
    _number(">h"),
    _number(">i"),
    _number(">q"),
    _bytes,
    _text,
    _number(">q"),  # a timestamp
    lambda data, at: (_exactly(data, at, at + 16), at + 16),  # a UUID
)
"""How to read a header's value, by its type's number."""
