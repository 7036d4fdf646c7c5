"""How the bytes of an answer travel: compressed, with odd line ends, cut in odd places, with rubbish in between."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import brotli  # type: ignore[import-untyped,unused-ignore]

from aigateway.simulator.scenario import Scenario

_GARBAGE = (
    b"data: {this is no JSON\n\n",
    b"a line without a colon\n\n",
    b"event: nonsense\ndata: \x00\xff\xfe\x80\n\n",
    b"data: [1, 2\n\n",
)
_UNKNOWN = (
    b'event: sim.unknown\ndata: {"type":"sim.unknown","choices":[],"sequence_number":0,"news":"\xe2\x9c\x93"}\n\n'
)


class Encoder(Protocol):
    """A compressor that can be flushed after every piece."""

    def __call__(self, data: bytes, /) -> bytes:
        """Compress and flush, so that the reader sees all of `data`."""

    def end(self) -> bytes:
        """The last bytes of the coding."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._compressor = zlib.compressobj(wbits=wbits)

    def __call__(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._compressor.flush(zlib.Z_FINISH)


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor()

    def __call__(self, data: bytes) -> bytes:
        return cast("bytes", self._compressor.process(data) + self._compressor.flush())

    def end(self) -> bytes:
        return cast("bytes", self._compressor.finish())


class _Zstandard:
    def __init__(self) -> None:
        zstd = _zstd()
        self._flush = zstd.ZstdCompressor.FLUSH_BLOCK
        self._compressor = zstd.ZstdCompressor()

    def __call__(self, data: bytes) -> bytes:
        return cast("bytes", self._compressor.compress(data, self._flush))

    def end(self) -> bytes:
        return cast("bytes", self._compressor.flush())


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "br": _Brotli,
    "zstd": _Zstandard,
}


def encoder(name: str) -> Encoder:
    """A fresh encoder for a content coding."""
    return _ENCODERS[name]()


def decode(body: bytes, coding: str) -> bytes:
    """Undo a request's content coding; raises ValueError for one that is unknown or broken."""
    try:
        if coding in {"", "identity"}:
            return body
        if coding in {"gzip", "x-gzip", "deflate"}:
            return zlib.decompress(body, 47)
        if coding == "br":
            return cast("bytes", brotli.decompress(body))
        if coding == "zstd":
            return cast("bytes", _zstd().decompress(body))
    except (zlib.error, brotli.error, _zstd().ZstdError) as error:
        raise ValueError(f"The body is not valid {coding}.") from error
    raise ValueError(f"The content coding {coding!r} is unknown.")


def disturb(events: Iterator[bytes], scenario: Scenario) -> Iterator[bytes]:
    """Apply what the scenario wants done to a stream's bytes; an event stays one piece unless it says otherwise."""
    if "garbage" in scenario:
        events = _between(events, _GARBAGE)
    if "unknown-events" in scenario:
        events = _between(events, (_UNKNOWN,))
    if "keepalive" in scenario:
        events = _between(events, (b": keepalive\n\n", b":\n\n"))
    if "huge" in scenario:
        blob = b"x" * (scenario.number("huge", 30) * 1_000_000)
        events = _between(events, (_UNKNOWN.replace(b"news", blob),), times=1)
    if "crlf" in scenario:
        events = (event.replace(b"\n", b"\r\n") for event in events)
    if "bom" in scenario:
        events = _with_mark(events)
    if "split" in scenario:
        events = (piece for event in events for piece in _halves(event))
    if "one-piece" in scenario:
        events = iter([b"".join(events)])
    return events


def _zstd() -> Any:
    """The zstd module: the standard library's from Python 3.14 on, its backport before."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - new in 3.14
    except ImportError:
        from backports import zstd  # noqa: PLC0415 - only where the standard library has none
    return zstd


def _between(events: Iterator[bytes], extras: tuple[bytes, ...], times: int = 1000) -> Iterator[bytes]:
    for number, event in enumerate(events):
        yield event
        if number < times:
            yield extras[number % len(extras)]


def _with_mark(events: Iterator[bytes]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + next(events)
    yield from events


def _halves(event: bytes) -> Iterator[bytes]:
    """Cut behind the first byte of every character that takes several, or in the middle."""
    cuts = [at + 1 for at, byte in enumerate(event) if byte >= 0xC0] or [len(event) // 2]
    yield from (event[start:end] for start, end in zip([0, *cuts], [*cuts, len(event)], strict=True))
