"""`GET /metrics` on an address of its own (control-plane spec 8.3). It asks for no token, so it shows no secret."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from prometheus_client.exposition import choose_encoder

from aigateway.app.listener import Server
from aigateway.telemetry.metrics import Metrics

_TEXT = b"text/plain; charset=utf-8"


class Scrape:
    """The ASGI application that Prometheus asks."""

    def __init__(self, metrics: Metrics, refresh: Callable[[], Awaitable[None]]) -> None:
        """Take what brings the gauges up to date that nobody keeps up to date otherwise."""
        self._metrics = metrics
        self._refresh = refresh
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["path"] != "/metrics":
            await _answer(send, 404, _TEXT, b"The metrics are at /metrics.\n")
        elif scope["method"] != "GET":
            await _answer(send, 405, _TEXT, b"Use GET.\n", (b"allow", b"GET"))
        else:
            accept = next((value for name, value in scope["headers"] if name == b"accept"), b"").decode("latin-1")
            await _answer(send, 200, *await self._render(accept))

    async def _render(self, accept: str) -> tuple[bytes, bytes]:
        """Content type and body. One at a time, and beside the event loop: many series take a while to write."""
        encode, content_type = choose_encoder(accept)
        async with self._turn:
            await self._refresh()
            body = await asyncio.to_thread(encode, self._metrics.registry)
        return content_type.encode(), body


@asynccontextmanager
async def scraped(app: Scrape, listening: socket.socket) -> AsyncIterator[None]:
    """Serve on a socket, in the running loop, until the block is left."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="metrics")
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def _answer(send: Any, status: int, content_type: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = str(len(body)).encode()
    headers += ((b"content-type", content_type), (b"content-length", length))
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})
