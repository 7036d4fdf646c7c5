"""One connection to a provider: one request after another, each answered before the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from aigateway.gateway.http1.answer import Answer
from aigateway.gateway.http1.head import Malformed, ends_with_connection, is_interim
from aigateway.gateway.transport import Disconnected, Truncated, words

_STALE_SECONDS = 0.5
"""A connection that was used before and ends within this time had been closed by the provider in between."""
_MOST_BETWEEN = 64 * 1024
"""Bytes that may come without any of them being an answer's: heads, the sizes of chunks, trailers."""
_COPIED = 32 * 1024
"""Bytes of a body that is copied behind its head."""
_SENT_AT_ONCE = 256 * 1024
"""Bytes of a body; TLS would hold all of it twice."""


class Connection(asyncio.Protocol):
    """Belongs to a pool: `on_idle` is told when the next request may be sent, `on_lost` when none ever will."""

    __slots__ = (
        "_answer",
        "_asked_at",
        "_between",
        "_body_wanted",
        "_headers",
        "_heard",
        "_keep",
        "_loop",
        "_on_idle",
        "_on_lost",
        "_ours",
        "_parser",
        "_pieces",
        "_read_paused",
        "_unsent",
        "_until_close",
        "_waiter",
        "_whole",
        "_wire",
        "_write_paused",
        "idle_since",
        "on_body",
        "used",
    )

    def __init__(self, on_idle: Callable[[Connection], None], on_lost: Callable[[Connection], None]) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._wire: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        """What the parser found of bodies in what is read now."""
        self.on_body = self._pieces.append
        """What the parser calls, without a step of ours in between."""
        self._ours = 0
        """How many of them belong to the answer, once it is whole."""
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self.used = False
        """Whether a request was answered on it before."""
        self.idle_since = 0.0
        self._asked_at = 0.0
        self._waiter: asyncio.Future[Answer] | None = None
        """Who waits for the head of an answer."""
        self._answer: Answer | None = None
        """The answer whose head is here and whose end is not."""
        self._body_wanted = True
        self._headers: list[tuple[bytes, bytes]] = []
        self._heard = False
        self._between = 0
        self._until_close = False
        self._whole = False
        self._keep = False
        self._unsent: memoryview | None = None
        self._write_paused = False
        self._read_paused = False

    async def ask(self, head: bytes, body: bytes, *, body_wanted: bool) -> Answer:
        """Send a request, and wait for the head of the answer; whoever stops waiting closes the connection.

        Raises:
            Disconnected: the connection ended, or what came is no answer.

        """
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        self._body_wanted = body_wanted
        self._headers = []
        self._heard = self._whole = False
        self._between = 0
        self._asked_at = self._loop.time()
        self._send(head, body)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self.abort()
            elif waiter.exception() is None:
                # It came at the same moment, and the connection may be somebody else's by now.
                waiter.result().close()
            raise

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._wire is not None:
            self._wire.abort()
        self._unsent = None

    @property
    def closing(self) -> bool:
        """Whether it is of no use any more."""
        return self._wire is None or self._wire.is_closing()

    def pause(self) -> None:
        """Take nothing more from the provider for now."""
        if not self._read_paused and not self.closing and self._wire is not None:
            self._read_paused = True
            self._wire.pause_reading()

    def resume(self) -> None:
        """Take more."""
        if self._read_paused:
            self._read_paused = False
            if not self.closing and self._wire is not None:
                self._wire.resume_reading()

    def _send(self, head: bytes, body: bytes) -> None:
        wire = self._wire
        if wire is None or wire.is_closing():
            self._fail(None)
        elif len(body) <= _COPIED:
            wire.write(head + body if body else head)
        elif len(body) <= _SENT_AT_ONCE:
            wire.writelines((head, body))
        else:
            wire.write(head)
            self._unsent = memoryview(body)
            self._send_more()

    def _send_more(self) -> None:
        """A large body goes piece by piece, as the wire takes it."""
        while self._unsent is not None and not self._write_paused and self._wire is not None:
            piece, rest = self._unsent[:_SENT_AT_ONCE], self._unsent[_SENT_AT_ONCE:]
            self._unsent = rest or None
            self._wire.write(piece)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._wire = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._write_paused = False
        self._send_more()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._waiter is None and self._answer is None:
            # Nobody asked: the next one who does must not take this for an answer.
            self.abort()
            return
        self._heard = True
        reason: Exception | None = None
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            reason = error
        answer, pieces = self._answer, self._pieces
        if self._whole and len(pieces) > self._ours:
            self._keep = False
            del pieces[self._ours :]
        if pieces and answer is not None:
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._between = 0
            answer.came(piece)
        else:
            self._between += len(data)
            if self._between > _MOST_BETWEEN and not self._whole:
                reason = Malformed(f"over {_MOST_BETWEEN} bytes of it are no answer")
        if self._whole:
            self._finish(kept=reason is None and self._keep)
        elif reason is not None:
            self._fail(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        answer = self._answer
        if answer is not None and self._until_close and exc is None:
            self._answer = None
            answer.end()
        else:
            self._fail(exc)
        self._wire = None
        self._on_lost(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Behind the end of an answer, another one begins that nobody asked for."""
        if self._whole:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers, which come behind the head, are left out."""
        if self._answer is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here."""
        if self._whole:
            return
        status = self._parser.get_status_code()
        if not 200 <= status < 600 and is_interim(status):
            return
        headers = self._headers
        self._until_close = ends_with_connection(status, headers)
        self._keep = not self._until_close and self._parser.should_keep_alive()
        answer = self._answer = Answer(status, headers, self)
        if not self._body_wanted:
            self._whole = True
            self._ours = 0
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def on_message_complete(self) -> None:
        """The end of the answer, or of a word in between."""
        if self._answer is None:
            self._headers = []
        elif not self._whole:
            self._whole = True
            self._ours = len(self._pieces)

    # How an answer ends.

    def _finish(self, *, kept: bool) -> None:
        answer, self._answer = self._answer, None
        wire = self._wire
        if wire is None or wire.is_closing():
            pass
        elif kept and self._unsent is None and not self._write_paused and not wire.get_write_buffer_size():
            if not self._body_wanted:
                # It still waits for the body that the head announced.
                self._parser = HttpResponseParser(self)
            if self._read_paused:
                self.resume()
            self.used = True
            self.idle_since = self._loop.time()
            self._on_idle(self)
        else:
            self.abort()
        if answer is not None:
            answer.end()

    def _fail(self, reason: Exception | None) -> None:
        answer, self._answer = self._answer, None
        waiter, self._waiter = self._waiter, None
        told = _told(reason)
        if answer is not None:
            answer.fail(Truncated(f"the provider's connection ended in the middle of its answer: {told}"))
        elif waiter is not None and not waiter.done():
            stale = self.used and not self._heard and self._loop.time() - self._asked_at < _STALE_SECONDS
            waiter.set_exception(
                Disconnected(f"the provider ended the connection without an answer: {told}", stale=stale)
            )
        self.abort()


def _told(reason: Exception | None) -> str:
    """Words for what ended a connection; nothing of what the provider sent is in them."""
    if isinstance(reason, HttpParserError):
        # What we raise inside the parser comes out of it as the context of an error of its own.
        reason = reason.__context__ if isinstance(reason.__context__, Malformed) else Malformed(str(reason))
    if isinstance(reason, HttpParserUpgrade):
        return "it speaks another protocol"
    if isinstance(reason, Malformed):
        return f"it is no proper HTTP/1.1 ({reason})"
    return "closed" if reason is None else words(reason)
