"""What goes to a provider and what comes back, as whole HTTP messages. Pure: who sends them is the gateway's affair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec


class LastingHeaders(tuple[tuple[bytes, bytes], ...]):  # noqa: SLOT001 - a tuple can have no slots with names
    """Headers that are sent again and again: a transport keeps here what it makes of them."""

    kept: Any = None


class UpstreamRequest(msgspec.Struct, frozen=True):
    """What is to be sent, to the byte."""

    method: str
    url: str
    headers: Sequence[tuple[bytes, bytes]]
    """Lower-case names."""
    body: bytes


class UpstreamAnswer(Protocol):
    """An answer whose headers are here."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """As they came."""

    async def read(self) -> bytes:
        """The next piece as it came, `b""` at the end. Raises the transport's `Truncated`."""

    def close(self) -> None:
        """Give up what has not been read, at once; no harm after the end."""


def content_headers(message: UpstreamAnswer) -> tuple[bytes, bytes, bytes]:
    """The first values of `content-type`, `content-encoding` and `content-length`, or empty: in one look at all."""
    kind = encoding = length = b""
    for key, value in message.headers:
        match len(key):
            case 12:
                if not kind and key.lower() == b"content-type":
                    kind = value
            case 14:
                if not length and key.lower() == b"content-length":
                    length = value
            case 16:
                if not encoding and key.lower() == b"content-encoding":
                    encoding = value
    return kind, encoding, length


def header(message: UpstreamRequest | UpstreamAnswer, name: bytes) -> bytes:
    """The first value of a header by its lower-case name, or empty."""
    length = len(name)
    for key, value in message.headers:
        if len(key) == length and key.lower() == name:
            return value
    return b""
