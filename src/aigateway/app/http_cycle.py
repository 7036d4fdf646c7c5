"""One request of the data plane and its answer, on a client's connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from aigateway.gateway.client import BodyTooLarge, Client, ClientGone
from aigateway.gateway.head import Head
from aigateway.telemetry.logging import get_logger

_log = get_logger("listener")

_MOST_UNASKED = 64 * 1024
"""Bytes of a body that are taken before anybody wants them."""
_LARGE = 32 * 1024
"""Bytes of a piece that is not copied to be framed."""
_WITHOUT_BODY = frozenset({204, 304})


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


_STATUS_LINES = {status: b"HTTP/1.1 %d %b" % (status, _phrase(status)) for status in range(200, 600)}

Serves = Callable[[Client], Any]
"""Serves one request: the data plane."""


class Connection(Protocol):
    """What a cycle needs of its connection."""

    transport: asyncio.Transport
    flow: FlowControl
    tasks: set[asyncio.Task[Any]]

    def on_response_complete(self) -> None:
        """The answer is written, and the next request may be served."""


class Cycle:
    """See `Client`. What uvicorn's protocol does to its own cycles it does to this one, so some names are uvicorn's."""

    __slots__ = (
        "_answer_head",
        "_chunked",
        "_chunks",
        "_connection",
        "_expects_100",
        "_left",
        "_pieces",
        "_size",
        "_started",
        "_tell_gone",
        "_waiter",
        "_wanted",
        "disconnected",
        "head",
        "keep_alive",
        "more_body",
        "response_complete",
        "task",
    )

    def __init__(
        self,
        connection: Connection,
        head: Head,
        *,
        chunks: bool,
        keep_alive: bool,
        expects_100: bool,
    ) -> None:
        """Take whether the client reads chunks, keeps the connection, and waits to be told to send its body."""
        self.head = head
        self.task: asyncio.Task[Any]
        self._connection = connection
        self._chunks = chunks
        self.keep_alive = keep_alive
        self._expects_100 = expects_100
        self.disconnected = False
        self.response_complete = False
        self.more_body = True
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = _MOST_UNASKED
        self._waiter: asyncio.Future[None] | None = None
        self._tell_gone: Callable[[], None] | None = None
        self._answer_head: bytes | None = None
        self._started = False
        self._chunked = False
        self._left: int | None = None
        """Bytes of the body that the head announced and that were not written yet."""

    # What the connection does.

    @property
    def message_event(self) -> Cycle:
        """Uvicorn has an `asyncio.Event` here."""
        return self

    def set(self) -> None:
        """The request is whole, or the client is gone."""
        if self.disconnected and self._tell_gone is not None:
            tell, self._tell_gone = self._tell_gone, None
            tell()
        self._wake()

    def took(self, piece: bytes) -> None:
        """Some of the request's body came."""
        self._size += len(piece)
        if self._size > self._wanted:
            self._connection.flow.pause_reading()
        self._pieces.append(piece)
        if self._size > self._wanted:
            self._wake()

    def over(self, task: asyncio.Task[Any]) -> None:
        """The task that served it is done. An answer that was not ended ends with the connection."""
        self._connection.tasks.discard(task)
        del self.task
        if not self.response_complete and not self.disconnected:
            self._connection.transport.close()

    # What the gateway does.

    def body_at_hand(self, most: int) -> bytes | None:
        """See `Client`."""
        if self.more_body or self._size > most or self.disconnected:
            return None
        if self._size > _MOST_UNASKED:
            self._connection.flow.resume_reading()
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def body(self, most: int) -> bytes:
        """See `Client`."""
        if self._expects_100 and self.more_body and not self._connection.transport.is_closing():
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wanted = most
        if self._size <= most:
            self._connection.flow.resume_reading()
        while True:
            if self.disconnected:
                raise ClientGone
            if self._size > most:
                raise BodyTooLarge
            if not self.more_body:
                break
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def when_gone(self, tell: Callable[[], None] | None) -> None:
        """See `Client`."""
        if tell is not None and self.disconnected:
            tell()
        else:
            self._tell_gone = tell

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """See `Client`."""
        if self._started:
            raise RuntimeError("an answer has begun, and cannot begin anew")
        self._started = True
        lines = [_STATUS_LINES[status], *[b": ".join(header) for header in headers]]
        if self.head.method == "HEAD" or status in _WITHOUT_BODY:
            self._left = 0
        else:
            self._left = _length(headers)
            if self._left is None and self._chunks:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            lines.append(b"connection: close")
        head = b"%b\r\n\r\n" % b"\r\n".join(lines)
        ends = len(lines) + 1
        if head.count(b"\n") != ends or head.count(b"\r") != ends:
            raise RuntimeError("a header of an answer holds a line break")
        self._answer_head = head

    def write(self, piece: bytes) -> bool:
        """See `Client`."""
        if self.disconnected:
            return True
        size = len(piece)
        if self._chunked and 0 < size <= _LARGE:
            # Nearly every piece of a stream.
            head, self._answer_head = self._answer_head, None
            self._connection.transport.write(b"%b%x\r\n%b\r\n" % (head or b"", size, piece))
        elif piece and self._owes(size):
            self._put((b"%x\r\n" % size, piece, b"\r\n") if self._chunked else (piece,))
        return not self._connection.flow.write_paused

    def flush(self) -> None:
        """See `Client`."""
        if self._answer_head is not None and not self.disconnected:
            self._put(())

    def end(self, piece: bytes = b"") -> None:
        """See `Client`."""
        if self.disconnected:
            return
        if piece and self._owes(len(piece)):
            self._put((b"%x\r\n" % len(piece), piece, b"\r\n0\r\n\r\n") if self._chunked else (piece,))
        elif self._chunked:
            self._put((b"0\r\n\r\n",))
        elif self._answer_head is not None:
            self._put(())
        if self._left:
            raise RuntimeError("an answer is shorter than its head says")
        self.response_complete = True
        self._tell_gone = None
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()

    async def drained(self) -> None:
        """See `Client`."""
        if self._connection.flow.write_paused and not self.disconnected:
            await self._connection.flow.drain()

    def _owes(self, size: int) -> bool:
        """Whether so many bytes may follow."""
        if self._left is None:
            return True
        if self.head.method == "HEAD":
            return False
        if size > self._left:
            raise RuntimeError("an answer is longer than its head says")
        self._left -= size
        return True

    def _put(self, parts: tuple[bytes, ...]) -> None:
        """Write, the head first where it waits; large pieces are not copied."""
        transport = self._connection.transport
        if self._answer_head is not None:
            parts = (self._answer_head, *parts)
            self._answer_head = None
        if len(parts) == 1:
            transport.write(parts[0])
        elif sum(map(len, parts)) > _LARGE:
            transport.writelines(parts)
        else:
            transport.write(b"".join(parts))

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _length(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None
