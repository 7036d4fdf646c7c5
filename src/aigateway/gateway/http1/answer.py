"""An answer of a provider: what came and was not read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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

    __slots__ = ("_ended", "_failure", "_source", "_take", "_unread", "_unread_bytes", "_waiter", "headers", "status")

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], source: Source) -> None:
        self.status = status
        self.headers = headers
        self._source: Source | None = source
        """None once nothing more comes."""
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[bool] | None = None
        """Who waits for more; False where `take` wants no more."""
        self._take: Callable[[bytes], bool] | None = None
        """Who takes what comes, instead of it being kept to be read."""

    async def read(self) -> bytes:
        """The next piece; see `UpstreamAnswer`."""
        while not self._unread:
            if self._ended:
                return b""
            if self._failure is not None:
                raise self._failure
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._taken()

    @property
    def whole(self) -> bool:
        """See `Flow`."""
        return self._ended

    def hand_over(self, take: Callable[[bytes], bool]) -> bool | None:
        """See `Flow`."""
        while self._unread:
            if not take(self._taken()):
                return False
        if self._ended:
            return True
        if self._failure is not None:
            raise self._failure
        return None

    async def forward(self, take: Callable[[bytes], bool]) -> bool:
        """See `Flow`."""
        while (handed := self.hand_over(take)) is None:
            self._take = take
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                if not await self._waiter:
                    return False
            finally:
                self._take = None
        return handed

    def close(self) -> None:
        """Close the connection unless the answer has come to its end."""
        if self._source is not None:
            self._source.abort()
            self._source = None
        self._unread.clear()

    def came(self, piece: bytes) -> None:
        """The connection brings a piece."""
        take = self._take
        if take is None:
            self._unread.append(piece)
            self._unread_bytes += len(piece)
            if self._unread_bytes > _MOST_UNREAD and self._source is not None:
                self._source.pause()
            self._wake()
            return
        try:
            if take(piece):
                return
        except Exception as error:  # noqa: BLE001 - it is for the one who waits
            waiter, self._waiter = self._waiter, None
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
        self._take = None
        self._wake(more=False)

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

    def _taken(self) -> bytes:
        pieces, self._unread = self._unread, []
        if self._unread_bytes > _MOST_UNREAD and self._source is not None:
            self._source.resume()
        self._unread_bytes = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _wake(self, *, more: bool = True) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(more)
