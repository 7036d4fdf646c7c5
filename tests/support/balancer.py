"""A small load balancer: it asks each backend's `/readyz` all the time, and gives requests to those that say yes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import aiohttp
from aiohttp import web

_ASK_SECONDS = 0.05
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Balancer:
    """`async with Balancer([url, …]) as balancer:` serves at `balancer.url`, by turns from the backends that are ready.

    It never tries a request twice: a backend that says that it is ready and does not serve is a failure (502).
    """

    def __init__(self, backends: Sequence[str]) -> None:
        self.url = ""
        self.ready: list[str] = []
        self.failures: list[str] = []
        self._backends = backends
        self._turn = 0

    async def __aenter__(self) -> Self:
        # A connection for each request, so that none is reused just when its server closes it.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        await self._ask()
        self._asking = asyncio.create_task(self._ask_forever())
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()

    async def _ask_forever(self) -> None:
        while True:
            await asyncio.sleep(_ASK_SECONDS)
            await self._ask()

    async def _ask(self) -> None:
        answers = await asyncio.gather(*(self._is_ready(backend) for backend in self._backends))
        self.ready = [backend for backend, ready in zip(self._backends, answers, strict=True) if ready]

    async def _is_ready(self, backend: str) -> bool:
        try:
            async with self._session.get(f"{backend}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _forward(self, request: web.Request) -> Any:
        if not self.ready:
            return self._fail("no backend is ready")
        self._turn += 1
        backend = self.ready[self._turn % len(self.ready)]
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = await request.read()
        try:
            async with self._session.request(
                request.method, backend + request.path_qs, data=body, headers=headers
            ) as answer:
                if answer.status >= 500:
                    self.failures.append(f"{backend} answered {answer.status}: {await answer.text()}")
                relayed = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=relayed)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response
        except aiohttp.ClientError as error:
            return self._fail(f"{backend}: {error!r}")

    def _fail(self, why: str) -> web.Response:
        self.failures.append(why)
        return web.Response(status=502, text=why)
