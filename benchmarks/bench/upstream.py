"""A provider that answers what a request asks for, at once or at its pace: `python -m benchmarks.bench.upstream`.

Prints its ports when it listens: the plain one, and with a certificate the one of TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from typing import cast

import uvloop

from benchmarks.bench.answers import Answer, answer
from benchmarks.bench.plan import Plan
from benchmarks.bench.timers import Timers

_ENDS = {b"/chat/completions": "chat", b"/messages": "messages", b"/responses": "responses"}
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection: a request whose length is announced, its answer, the next one."""

    _transport: asyncio.Transport

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._got = bytearray()
        self._wanted = 0
        """Bytes of the request that is being read; 0 while its head is not whole."""
        self._head = 0
        self._answer: Answer | None = None
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._got += data
        if not self._wanted:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = end + 4
            self._wanted = self._head + _length(bytes(self._got[:end]))
        if len(self._got) >= self._wanted:
            self._respond()

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._answer = None

    def hang_up(self) -> None:
        """Close the connection."""
        self._transport.abort()

    def _respond(self) -> None:
        path = self._got[: self._got.find(b"\r\n")].split(b" ")[1].partition(b"?")[0]
        api = next((name for end, name in _ENDS.items() if path.endswith(end)), None)
        plan = Plan.read(self._got[self._head : self._head + 512])
        del self._got[: self._wanted]
        self._wanted = 0
        if api is None:
            self._transport.write(_NOT_FOUND)
            return
        found = answer(api, plan)
        self._transport.write(found.head)
        if not found.pieces:
            return
        self._answer, self._sent = found, 0
        interval = plan.interval_ms * 1_000_000
        if interval:
            self._next(time.monotonic_ns(), interval)
        else:
            for _ in found.pieces:
                self._piece()

    def _next(self, due: int, interval: int) -> None:
        if self._answer is None:
            return
        self._piece()
        if self._sent < len(self._answer.pieces):
            self._timers.at(due + interval, lambda when: self._next(when, interval))

    def _piece(self) -> None:
        assert self._answer is not None
        before, after = self._answer.pieces[self._sent]
        self._sent += 1
        self._transport.write(before if after is None else b"%b%020d%b" % (before, time.monotonic_ns(), after))


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def _serve(certificate: str | None, key: str | None) -> None:
    loop = asyncio.get_running_loop()
    timers = Timers(loop)
    servers = [await loop.create_server(lambda: Upstream(timers), "127.0.0.1", 0, backlog=4096)]
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        servers.append(await loop.create_server(lambda: Upstream(timers), "127.0.0.1", 0, backlog=4096, ssl=context))
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given.certificate, given.key))


if __name__ == "__main__":
    main()
