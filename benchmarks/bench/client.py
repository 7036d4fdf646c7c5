"""One HTTP client alone: `python -m benchmarks.bench.client` reads an order from standard input, prints CPU µs.

That is the user and system time of all threads of this process, for each request.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvloop

from aigateway.gateway.http1.transport import HttpTransport
from aigateway.gateway.transport import Transport
from aigateway.providers.upstream import UpstreamRequest
from benchmarks.bench.answers import MARK, answer
from benchmarks.bench.cases import body
from benchmarks.bench.plan import Plan

_HEADERS = (
    ("authorization", "Bearer sk-central-0123456789"),
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("user-agent", "bench/1.0"),
)

Ask = Callable[[str, bytes], Awaitable[list[bytes]]]
"""Sends a body to a URL, and gives the pieces of the answer."""


class Order(msgspec.Struct, frozen=True):
    """What to ask, how often and by which client."""

    client: str
    url: str
    plan: Plan
    size: int
    """Bytes of a request."""
    requests: int
    at_once: int = 16


class WrongAnswer(Exception):
    """Such a client is not to be measured."""


def ours() -> Ask:
    """The gateway's own client, asked as the gateway asks it."""
    return _through(HttpTransport(connect_timeout=10))


def aiohttp() -> Ask:
    """The transport on aiohttp."""
    from aigateway.gateway.aiohttp_transport import AiohttpTransport  # noqa: PLC0415 - large, and others are not to hold it

    return _through(AiohttpTransport(connect_timeout=10))


def pyreqwest(*, http2: bool = False) -> Ask:
    """A client in Rust, if it is installed; told not to hold small pieces back, as a gateway must not."""
    # Not a dependency of this project: there may be nothing to import, and no types.
    builder: Any = importlib.import_module("pyreqwest.client").ClientBuilder()
    # It takes no certificate that signed itself. Connections are made before it counts, so that costs nobody anything.
    client = builder.danger_accept_invalid_certs(True).http2(http2).build()
    version = "HTTP/2.0" if http2 else "HTTP/1.1"

    async def ask(url: str, sent: bytes) -> list[bytes]:
        request = client.post(url).headers(_HEADERS).body_bytes(sent).streamed_read_buffer_limit(0)
        pieces = []
        async with request.build_streamed() as found:
            if (found.status, found.version) != (200, version):
                raise WrongAnswer(f"{found.version} {found.status} instead of {version} 200")
            while (piece := await found.body_reader.read_chunk()) is not None:
                pieces.append(piece)
        return pieces

    return ask


CLIENTS: dict[str, Callable[[], Ask]] = {
    "ours": ours,
    "aiohttp": aiohttp,
    "pyreqwest": pyreqwest,
    "pyreqwest, HTTP/2": lambda: pyreqwest(http2=True),
}


def _through(transport: Transport) -> Ask:
    headers = [(name.encode(), value.encode()) for name, value in _HEADERS]

    async def ask(url: str, sent: bytes) -> list[bytes]:
        found = await transport.send(UpstreamRequest("POST", url, headers, sent))
        if found.status != 200:
            raise WrongAnswer(f"status {found.status}")
        pieces = []
        while piece := await found.read():
            pieces.append(piece)
        return pieces

    return ask


def whole(got: bytes, plan: Plan) -> bool:
    """Whether this is all of the answer that was asked for."""
    if plan.events:
        return got.count(MARK) == plan.events and got.endswith(b"data: [DONE]\n\n")
    return got == answer("chat", plan).head.partition(b"\r\n\r\n")[2]


async def obey(order: Order) -> float:
    """Ask as told, and give the CPU µs of a request.

    Raises:
        ExceptionGroup: an answer was wrong or did not come.

    """
    ask = CLIENTS[order.client]()
    sent = body("chat", order.plan, order.size).encode()

    async def ask_often(times: int) -> None:
        for _ in range(times):
            got = b"".join(await ask(order.url, sent))
            if not whole(got, order.plan):
                raise WrongAnswer(f"{len(got)} bytes, beginning with {got[:200]!r}")

    async def ask_all(times: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(order.at_once):
                group.create_task(ask_often(times))

    await ask_all(2)  # connections are made and code is warm before it counts
    each = max(1, order.requests // order.at_once)
    before = time.process_time_ns()
    await ask_all(each)
    return (time.process_time_ns() - before) / 1000 / (each * order.at_once)


def main() -> None:
    """Do one order."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(obey(order)))


if __name__ == "__main__":
    main()
