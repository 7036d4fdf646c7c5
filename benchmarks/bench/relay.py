"""The least that a proxy in Python can be: bytes in, the same bytes out. Stands in where there is no nginx.

    python -m benchmarks.bench.relay UPSTREAM_PORT

Knows just enough of HTTP/1.1 to tell where a request ends and an answer ends; prints its port when it listens.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import uvloop

_LAST_CHUNK = b"0\r\n\r\n"


class _Framing:
    """Tells when a message is whole."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._left = 0
        self._chunked = False
        self._tail = b""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True when the message is whole, after which the next one begins."""
        if self._head is not None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return False
            head, data, self._head = self._head[:end].lower(), self._head[end + 4 :], None
            _, found, rest = head.partition(b"\r\ncontent-length:")
            self._chunked = b"\r\ntransfer-encoding: chunked" in head
            self._left = int(rest.partition(b"\r\n")[0]) if found else 0
        if self._chunked:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            whole = self._tail == _LAST_CHUNK
        else:
            self._left -= len(data)
            whole = self._left <= 0
        if whole:
            self._head, self._tail = b"", b""
        return whole


class _Upstream(asyncio.Protocol):
    """A connection to the upstream, lent to one client at a time."""

    client: _Client | None = None
    transport: asyncio.Transport

    def __init__(self, free: list[_Upstream]) -> None:
        self._free = free
        self._framing = _Framing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.client is None:
            return
        self.client.transport.write(data)
        if self._framing.feed(data):
            self.client.upstream = None
            self.client = None
            self._free.append(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self in self._free:
            self._free.remove(self)
        if self.client is not None:
            self.client.transport.abort()


class _Client(asyncio.Protocol):
    """A client's connection."""

    upstream: _Upstream | None = None
    transport: asyncio.Transport

    def __init__(self, port: int, free: list[_Upstream]) -> None:
        self._port = port
        self._free = free
        self._waiting = bytearray()
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.upstream is None and self._free:
            self._lend(self._free.pop())
        if self.upstream is not None:
            self.upstream.transport.write(data)
            return
        self._waiting += data
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self.upstream is not None:
            self.upstream.client = None
            self.upstream.transport.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: _Upstream(self._free), "127.0.0.1", self._port)
        self._lend(upstream)
        upstream.transport.write(bytes(self._waiting))
        self._waiting.clear()
        self._connecting = None

    def _lend(self, upstream: _Upstream) -> None:
        self.upstream, upstream.client = upstream, self


@asynccontextmanager
async def serve(upstream: int) -> AsyncIterator[int]:
    """Relay to a port until the block is left; yields the port to ask."""
    free: list[_Upstream] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(upstream, free), "127.0.0.1", 0, backlog=4096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in free:
            connection.transport.abort()


async def _run(upstream: int) -> None:
    async with serve(upstream) as port:
        print(port, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(sys.argv[1])))


if __name__ == "__main__":
    main()
