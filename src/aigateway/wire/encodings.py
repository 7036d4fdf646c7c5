"""Content codings: gzip and deflate (RFC 9110 8.4.1), br (RFC 7932), zstd (RFC 8878), and chains; all bounded."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli  # type: ignore[import-untyped] # the package has no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUPPORTED_ENCODINGS: tuple[str, ...] = ("identity", "gzip", "deflate", "br", "zstd")
"""What `Decoder` reads, for narrowing an Accept-Encoding."""

_STEP = 1 << 18
"""Most bytes that one call of a codec may give, so that a bomb is noticed before it fills the memory."""
_LONGEST_CHAIN = 4
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""zlib's `wbits` for the three formats."""
_LARGEST_WINDOW = 27
"""log2 of the largest zstd window, 128 MiB: RFC 8878 asks for 8 MiB at least, `zstd --long` uses this."""


class Undecodable(ValueError):
    """The bytes are not in the content coding that is claimed; the message is a sentence."""


class DecodedTooLarge(Undecodable):
    """The bytes decode to more than the limit."""


class _Codec(Protocol):
    """One coding's incremental decoder."""

    @property
    def ended(self) -> bool:
        """Whether the coded data came to its end."""

    def decode(self, data: bytes, most: int) -> bytes:
        """Take more bytes; give all that they decode to, but stop soon after `most` bytes."""


class _Zlib:
    """Gzip with any number of members, or deflate in either of its forms. What follows the end is ignored."""

    def __init__(self, wbits: int) -> None:
        self.ended = False
        self._wbits = wbits
        self._inflate = zlib.decompressobj(wbits)

    def decode(self, data: bytes, most: int) -> bytes:
        out = bytearray()
        full = False
        while (data or full) and len(out) <= most:
            if self.ended and not self._restart(data):
                break
            piece = self._inflate.decompress(data, _STEP)
            out += piece
            full = len(piece) == _STEP and not self._inflate.eof
            self.ended = self._inflate.eof
            data = self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail
        return bytes(out)

    def _restart(self, data: bytes) -> bool:
        if self._wbits != _GZIP or not data.startswith(b"\x1f"):
            return False
        self.ended = False
        self._inflate = zlib.decompressobj(self._wbits)
        return True


class _Deflate:
    """`deflate` is the zlib format, but some servers send raw deflate; the first two bytes tell which it is."""

    def __init__(self) -> None:
        self._head = b""
        self._zlib: _Zlib | None = None

    @property
    def ended(self) -> bool:
        return self._zlib is not None and self._zlib.ended

    def decode(self, data: bytes, most: int) -> bytes:
        if self._zlib is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
            is_zlib = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
            self._zlib = _Zlib(_ZLIB if is_zlib else _RAW)
        return self._zlib.decode(data, most)


class _Brotli:
    def __init__(self) -> None:
        self.ended = False
        self._decompressor = brotli.Decompressor()

    def decode(self, data: bytes, most: int) -> bytes:
        out = bytearray()
        while not self.ended and len(out) <= most:
            out += self._decompressor.process(data, output_buffer_limit=_STEP)
            self.ended = self._decompressor.is_finished()
            data = b""
            if self._decompressor.can_accept_more_data():
                break
        return bytes(out)


class _Zstd:
    """One or more frames."""

    def __init__(self) -> None:
        self._frame = self._new_frame()

    @staticmethod
    def _new_frame() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW})

    @property
    def ended(self) -> bool:
        return self._frame.eof

    def decode(self, data: bytes, most: int) -> bytes:
        out = bytearray()
        while len(out) <= most:
            if self._frame.eof:
                if not data:
                    break
                self._frame = self._new_frame()
            out += self._frame.decompress(data, _STEP)
            data = self._frame.unused_data if self._frame.eof else b""
            if not data and (self._frame.eof or self._frame.needs_input):
                break
        return bytes(out)


_CODECS: dict[str, Callable[[], _Codec]] = {
    "gzip": lambda: _Zlib(_GZIP),
    "x-gzip": lambda: _Zlib(_GZIP),
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


class Decoder:
    """Decodes a body piece by piece, up to `limit` bytes in all. `encoding` is the Content-Encoding field's value."""

    __slots__ = ("_codecs", "_decoded", "_limit")

    def __init__(self, encoding: str, limit: int) -> None:
        """Raise `Undecodable` if a coding is unknown."""
        names = [
            name for name in (part.strip().lower() for part in encoding.split(",")) if name not in {"", "identity"}
        ]
        unknown = next((name for name in names if name not in _CODECS), None)
        if unknown is not None or len(names) > _LONGEST_CHAIN:
            supported = ", ".join(SUPPORTED_ENCODINGS)
            raise Undecodable(f"The content encoding {encoding[:80]!r} is not supported. Use one of: {supported}.")
        self._codecs: list[_Codec] = [_CODECS[name]() for name in reversed(names)]
        self._limit = limit
        self._decoded = 0

    @property
    def ended(self) -> bool:
        """Whether the encoded data came to its end; always so without an encoding."""
        return all(codec.ended for codec in self._codecs)

    def feed(self, data: bytes) -> bytes:
        """Give what the next bytes decode to; raise `Undecodable`, or `DecodedTooLarge` when it passes the limit."""
        for codec in self._codecs:
            try:
                data = codec.decode(data, self._limit - self._decoded)
            except (zlib.error, brotli.error, zstd.ZstdError) as error:
                raise Undecodable(f"The body is not in the content encoding that it claims ({error}).") from None
        self._decoded += len(data)
        if self._decoded > self._limit:
            raise DecodedTooLarge(f"The body is larger than {self._limit} bytes once decoded.")
        return data


def decode_body(body: bytes, encoding: str, limit: int) -> bytes:
    """Decode a whole body of at most `limit` decoded bytes; raise `Undecodable`, or `DecodedTooLarge`."""
    decoder = Decoder(encoding, limit)
    decoded = decoder.feed(body)
    if not decoder.ended:
        raise Undecodable("The body ends before its content encoding does. Send all of it.")
    return decoded
