"""An answer of a provider: what came and was not read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

_MOST_UNREAD = 64 * 1024
"""Bytes that wait to be read before the provider is made to wait."""


class Source(Protocol):
    """Where an answer comes from: its connection, for as long as the answer has not ended."""

    def pause(self) -> None:
        """Take nothing more from the provider for now."""

    def resume(self) -> None:
        """Take more."""

    def abort(self) -> None:
        """Close the connection at once."""


class Answer:
    """See `UpstreamAnswer`. Pieces are as they came: what was received at once is read at once."""

    __slots__ = ("_ended", "_failure", "_source", "_unread", "_unread_bytes", "_waiter", "headers", "status")

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], source: Source) -> None:
        self.status = status
        self.headers = headers
        self._source: Source | None = source
        """None once nothing more comes."""
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The next piece; see `UpstreamAnswer`."""
        while not self._unread:
            if self._ended:
                return b""
            if self._failure is not None:
                raise self._failure
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        pieces, self._unread = self._unread, []
        self._unread_bytes = 0
        if self._source is not None:
            self._source.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Close the connection unless the answer has come to its end."""
        if self._source is not None:
            self._source.abort()
            self._source = None
        self._unread.clear()

    def came(self, piece: bytes) -> None:
        """The connection brings a piece."""
        self._unread.append(piece)
        self._unread_bytes += len(piece)
        if self._unread_bytes > _MOST_UNREAD and self._source is not None:
            self._source.pause()
        self._wake()

    def end(self) -> None:
        """The connection has brought all of it."""
        self._ended = True
        self._source = None
        self._wake()

    def fail(self, failure: Exception) -> None:
        """The connection can bring no more of it."""
        self._failure = failure
        self._source = None
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
