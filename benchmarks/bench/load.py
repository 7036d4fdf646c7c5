"""Clients that ask: `python -m benchmarks.bench.load` reads an order from standard input and prints what they saw.

A closed loop (each connection asks again when it was answered), or a fixed rate, where a request's time counts from the
moment at which it was due: a gateway that stalls cannot hide it by being asked less.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import uvloop

from benchmarks.bench.answers import DIGITS, MARK
from benchmarks.bench.reckoning import Spread
from benchmarks.bench.timers import Timers

_SECONDS_BEYOND = 60.0


class Order(msgspec.Struct, kw_only=True, frozen=True):
    """What to ask, how often and how."""

    port: int
    path: str
    headers: dict[str, str]
    body: str
    connections: int
    requests: int
    rate: float = 0.0
    """Requests a second; 0 for a closed loop."""
    stagger: float = 0.0
    """Seconds over which the connections of a closed loop begin."""
    timed: bool = False
    """Whether the pieces say when they were sent, which those of a compressed answer do not."""
    pieces: int = 0
    """Pieces that an answer comes in when nobody holds them back; 0 for whatever it comes in."""


class Seen(msgspec.Struct, kw_only=True, frozen=True):
    """What the clients saw."""

    answered: int
    failed: int
    held_back: int
    """Answers of which more pieces than a busy machine explains came together that were sent apart."""
    pieces: Spread
    """That an answer came in."""
    seconds: float
    latency: Spread
    """Of whole answers, milliseconds."""
    first_byte: Spread
    delay: Spread
    """From the upstream's sending of a piece to its arrival, milliseconds."""
    sample: str = ""
    """The beginning of a failed answer."""


class Client(asyncio.Protocol):
    """One connection; tells when its request is over."""

    _transport: asyncio.Transport

    def __init__(self, told: Clients) -> None:
        self._told = told
        self._began = 0
        self._first = 0
        self._pieces = 0
        self._left = -1
        """Bytes to come of an answer of known length; -1 when it is chunked, or its head is not whole."""
        self._got = b""
        self._in_body = False
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, since: int) -> None:
        """Send a request, whose time counts from `since`."""
        self.busy, self._in_body = True, False
        self._began, self._first, self._pieces, self._left, self._got = since, 0, 0, -1, b""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        now = time.monotonic_ns()
        if not self._in_body:
            self._got += data
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._got[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                self._over(now, self._got)
                return
            self._in_body = True
            _, found, rest = head.partition(b"\r\ncontent-length:")
            self._left = int(rest.partition(b"\r\n")[0]) if found else -1
            data, self._got = self._got[end + 4 :], b""
            if not data:
                return
        if not self._first:
            self._first = now
        self._pieces += 1
        if self._left >= 0:
            self._left -= len(data)
            if self._left <= 0:
                self._over(now)
            return
        place = data.find(MARK) if self._told.timed else -1
        while place >= 0:
            self._told.delays.append(now - int(data[place + 1 : place + 1 + DIGITS]))
            place = data.find(MARK, place + DIGITS)
        # An end that is cut in two is put together; no chunk of ours ends like the last one.
        self._got = (self._got + data)[-5:] if len(data) < 5 else data[-5:]
        if self._got == b"0\r\n\r\n":
            self._over(now)

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self.busy:
            self._over(time.monotonic_ns(), b"the connection ended")
        self._told.lost(self)

    def _over(self, now: int, failure: bytes | None = None) -> None:
        self.busy = False
        self._told.over(self, self._began, self._first, now, self._pieces, failure)

    def hang_up(self) -> None:
        """Close the connection."""
        self._transport.abort()


class Clients:
    """All connections, and what they saw."""

    def __init__(self, order: Order) -> None:
        head = [f"POST {order.path} HTTP/1.1", "host: 127.0.0.1", "user-agent: bench/1", "accept: */*"]
        head += [f"{name}: {value}" for name, value in order.headers.items()]
        body = order.body.encode()
        head += ["content-type: application/json", f"content-length: {len(body)}"]
        self._request = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        self._order = order
        self.timed = order.timed
        self._asked = 0
        self._over = 0
        self._failed = 0
        self._held_back = 0
        self._sample = ""
        self._pieces: list[int] = []
        self._latency: list[int] = []
        self._first: list[int] = []
        self.delays: list[int] = []
        self._idle: list[Client] = []
        self._due: list[int] = []
        self._done = asyncio.Event()

    async def run(self) -> Seen:
        """Ask all that is ordered."""
        loop, order = asyncio.get_running_loop(), self._order
        clients = []
        for _ in range(order.connections):
            _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", order.port)
            clients.append(client)
        timers = Timers(loop)
        began = time.monotonic_ns()
        if order.rate:
            self._idle = clients
            self._tick(timers, began, round(1e9 / order.rate))
        else:
            step = round(order.stagger * 1e9 / len(clients))
            for number, client in enumerate(clients):
                timers.at(began + step * number, self._asker(client))
        async with asyncio.timeout(_SECONDS_BEYOND + order.requests * 2):
            await self._done.wait()
        seconds = (time.monotonic_ns() - began) / 1e9
        for client in clients:
            client.hang_up()
        timers.close()
        return Seen(
            answered=self._over - self._failed,
            failed=self._failed,
            held_back=self._held_back,
            pieces=Spread.of(self._pieces),
            seconds=seconds,
            latency=Spread.of([value / 1e6 for value in self._latency]),
            first_byte=Spread.of([value / 1e6 for value in self._first]),
            delay=Spread.of([value / 1e6 for value in self.delays]),
            sample=self._sample,
        )

    def over(self, client: Client, began: int, first: int, now: int, pieces: int, failure: bytes | None) -> None:
        """An answer is whole, or failed."""
        self._over += 1
        if failure is not None:
            self._failed += 1
            self._sample = self._sample or failure[:400].decode("latin-1")
        else:
            self._latency.append(now - began)
            self._first.append(first - began)
            self._pieces.append(pieces)
            self._held_back += pieces < self._order.pieces
        if self._over == self._order.requests:
            self._done.set()
        elif self._order.rate:
            if self._due:
                self._ask(client, self._due.pop(0))
            else:
                self._idle.append(client)
        else:
            self._asker(client)(now)

    def lost(self, client: Client) -> None:
        """A connection is gone: nobody asks on it any more."""
        if not self._done.is_set() and client in self._idle:
            self._idle.remove(client)

    def _asker(self, client: Client) -> Callable[[int], None]:
        def ask(since: int) -> None:
            if self._asked < self._order.requests:
                self._ask(client, since)

        return ask

    def _ask(self, client: Client, since: int) -> None:
        self._asked += 1
        client.ask(self._request, since)

    def _tick(self, timers: Timers, due: int, step: int) -> None:
        if self._asked + len(self._due) >= self._order.requests:
            return
        if self._idle:
            self._ask(self._idle.pop(), due)
        else:
            self._due.append(due)
        timers.at(due + step, lambda when: self._tick(timers, when, step))


def main() -> None:
    """Carry out the order."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    gc.disable()  # a pause here would look like one of the gateway's
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen: Any = runner.run(Clients(order).run())
    sys.stdout.buffer.write(msgspec.json.encode(seen))


if __name__ == "__main__":
    main()
