"""A client's connection under uvicorn: uvicorn's protocol, with a short way for requests of the data plane."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aigateway.app.heads import Heads, Seen, seen
from aigateway.app.http_cycle import Cycle, Serves
from aigateway.app.http_flow import Flow
from aigateway.gateway.head import Head
from aigateway.gateway.route import is_data_plane

_LARGEST_HEAD = 64 * 1024
_MOST_WAITING = 8
"""Requests that a client may send before the first is answered; more are not read, nor is it noticed if it leaves."""
_NOBODY_WAITS: tuple[()] = ()
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 31\r\nconnection: close\r\n\r\nThe request's head is too large"
)


class HttpProtocol(HttpToolsProtocol):
    """One client's connection. Control plane, pages and WebSockets are uvicorn's affair as before."""

    __slots__ = (
        "_begun",
        "_between",
        "_data_plane",
        "_deaf",
        "_head_before",
        "_head_too_large",
        "_heads",
        "_idle_since",
        "_in_head",
        "_left",
        "_parsing",
        "_reading",
        "_running",
        "_seen",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._data_plane: Serves | None = getattr(self.app, "data_plane", None)
        self._heads: Heads | None = getattr(self.app, "heads", None)
        self._between = True
        """Whether nothing of the next request has come yet."""
        self._seen: Seen | None = None
        """What the next request begins with, while nobody knows what to make of it."""
        self._left = 0
        """Bytes of a body that are still to come and need no parser."""
        self._in_head = False
        self._head_before = 0
        """Bytes of the head that came before what is being read now."""
        self._reading = 0
        """Bytes that are being read now."""
        self._begun = False
        """Whether a request began in what is being read now, behind who knows what."""
        self._head_too_large = False
        self._idle_since = 0.0
        self._running: Any = None
        """The cycle that is being served; others may wait behind it."""
        self._deaf = False
        """Whether nothing that comes is a request any more."""
        self._parsing: Cycle | None = None
        """The cycle whose body is being read."""
        self.pipeline: Any = _NOBODY_WAITS

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.flow = Flow(transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        while data and not self._deaf:
            if self._left:
                data = self._more_of_a_body(data)
            elif self._between and self._heads is not None and (begins := seen(data)) is not None:
                text, _, digits, body_begins = begins
                head = self._heads.get(text)
                if head is None:
                    self._seen = begins
                    self._parse(data)
                    self._seen = None
                    return
                self._left = int(digits)
                self._begin(head, chunks=True, keep_alive=True, expects_100=False)
                data = self._more_of_a_body(data[body_begins:])
            else:
                self._parse(data)
                return

    def _more_of_a_body(self, data: bytes) -> bytes:
        """Of a request whose head was known, so that the parser has not seen it; returns what is behind it."""
        cycle: Any = self.cycle
        rest = b""
        if len(data) > self._left:
            data, rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        if not cycle.response_complete:
            if data:
                cycle.took(data)
            if not self._left:
                cycle.more_body = False
                cycle.set()
        return rest

    def _parse(self, data: bytes) -> None:
        self._reading = len(data)
        self._begun = False
        super().data_received(data)
        if self._in_head:
            self._head_before += self._head_size() if self._begun else len(data)
            self._head_too_large = self._head_too_large or self._head_before > _LARGEST_HEAD
        if self._head_too_large and not self.transport.is_closing():
            if not self._answering():
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(exc)
        running = self._running
        if running is not None and running is not self.cycle and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self._forget_idleness()

    def timeout_keep_alive_handler(self) -> None:
        """Close what was idle for too long, a head that does not come to its end included."""
        self.timeout_keep_alive_task = None
        if self._answering() or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Into the middle of an answer it is not written."""
        if self._answering():
            self.transport.close()
        else:
            super().send_400_response(msg)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between = False
        self._begun = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._head_before = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        if self._in_head:  # Trailers are no headers.
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Its head is here: whose it is is known."""
        self._in_head = False
        self._parsing = None
        begins, self._seen = self._seen, None
        if self._head_too_large:
            return
        if self._head_before + self._reading > _LARGEST_HEAD and self._head_size() > _LARGEST_HEAD:
            self._head_too_large = True
            return
        if self._data_plane is None or (self.parser.should_upgrade() and self._should_upgrade()):
            self._leave_to_uvicorn()
            return
        raw_path, query = self._target()
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        if not is_data_plane(path):
            self._leave_to_uvicorn()
            return
        head = Head(self.parser.get_method().decode("ascii"), raw_path, path, query, self.headers)
        chunks = self.parser.get_http_version() != "1.0"
        keep_alive = chunks and self.parser.should_keep_alive()
        if begins is not None and self._heads is not None and keep_alive:
            self._heads.keep(begins, head)
        self._parsing = self._begin(head, chunks=chunks, keep_alive=keep_alive, expects_100=self.expect_100_continue)

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        cycle = self._parsing
        if cycle is None:
            if not self._head_too_large:
                super().on_body(body)
        elif not cycle.response_complete:
            cycle.took(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        self._between = True
        if not self._head_too_large:
            super().on_message_complete()

    def _begin(self, head: Head, *, chunks: bool, keep_alive: bool, expects_100: bool) -> Cycle:
        """Serve a request of the data plane, or let it wait for those before it."""
        before: Any = self.cycle
        cycle = Cycle(self, head, chunks=chunks, keep_alive=keep_alive, expects_100=expects_100)
        self.cycle = cycle  # type: ignore[assignment]  # see there
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self._data_plane)
        else:
            self._room_to_wait()
            self.pipeline.appendleft((cycle, self._data_plane))
            if len(self.pipeline) >= _MOST_WAITING:
                self.flow.pause_reading()
        return cycle

    # What uvicorn's protocol calls.

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        if type(cycle) is not Cycle:
            super()._start_asgi_task(cycle, app)
            return
        task = cycle.task = self.loop.create_task(app(cycle))
        self.tasks.add(task)
        task.add_done_callback(cycle.over)

    def _unset_keepalive_if_required(self) -> None:
        """The timer of an idle connection is not made anew for each request: it looks when the last one ended."""

    def on_response_complete(self) -> None:
        """Serve the request that waits, or begin to be idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _unsupported_upgrade_warning(self) -> None:
        """The parser takes what follows for another protocol: a body, maybe, and never the next request."""
        self._deaf = True
        if self._answering():
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """From here on the connection is another protocol's."""
        self._forget_idleness()
        super().handle_websocket_upgrade()

    def _forget_idleness(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _answering(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _target(self) -> tuple[bytes, bytes]:
        url = self.url
        if url.startswith(b"/") and b"#" not in url:
            path, _, query = url.partition(b"?")
            return path, query
        parsed = httptools.parse_url(url)
        return parsed.path or b"", parsed.query or b""

    def _room_to_wait(self) -> None:
        """Make the queue of the requests behind this one: few connections ever have one, and it is large."""
        if not self.pipeline:
            self.pipeline = deque()

    def _leave_to_uvicorn(self) -> None:
        self._room_to_wait()
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expected
        self.scope["headers"] = headers
        super().on_headers_complete()
