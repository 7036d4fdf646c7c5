"""Running the simulator: in the current event loop, or in a thread of its own for synchronous callers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from aigateway.simulator.app import App
from aigateway.simulator.received import ReceivedRequest

_CLOSING_SECONDS = 2.0
_LARGEST_MESSAGE = 128 * 1024 * 1024


class Simulator:
    """`async with Simulator() as sim:` serves on `sim.url` until the block ends.

    `event_interval` is in seconds; 0 sends the events of a stream back to back. `keep` bounds `requests`.
    It installs no signal handlers and touches no logging, so that it can live inside another server's process.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, event_interval: float = 0.002, keep: int = 256
    ) -> None:
        self._app = App(event_interval=event_interval, keep=keep)
        self._address = (host, port)
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self.url = ""
        """`http://host:port`, without a trailing slash; empty before the start."""

    @property
    def requests(self) -> deque[ReceivedRequest]:
        """The last requests, oldest first."""
        return self._app.requests

    def plan(self, *scenarios: str) -> None:
        """Let the next requests have these scenarios, one each, whatever they ask for themselves."""
        self._app.planned.extend(scenarios)

    async def __aenter__(self) -> Self:
        """Listen; raises OSError when the address cannot be used."""
        config = uvicorn.Config(
            self._app,
            log_config=None,
            log_level=None,
            access_log=False,
            lifespan="off",
            ws=WebSocketsSansIOProtocol,
            ws_max_size=_LARGEST_MESSAGE,
            server_header=False,
        )
        config.load()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(config=config, server_state=self._state, app_state={}), *self._address
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening and break what is still under way."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_CLOSING_SECONDS)
        await self._server.wait_closed()


class SimulatorThread:
    """`with SimulatorThread() as sim:` is a `Simulator` in its own thread and event loop, for synchronous callers."""

    def __init__(self, **options: Any) -> None:
        self._simulator = Simulator(**options)
        self._started = threading.Event()
        self._stopped: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    @property
    def url(self) -> str:
        """As `Simulator.url`."""
        return self._simulator.url

    @property
    def requests(self) -> deque[ReceivedRequest]:
        """As `Simulator.requests`."""
        return self._simulator.requests

    def plan(self, *scenarios: str) -> None:
        """As `Simulator.plan`."""
        self._simulator.plan(*scenarios)

    def __enter__(self) -> Self:
        """Start the thread; raises what kept the simulator from starting."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop and wait for the thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        try:
            async with self._simulator:
                self._started.set()
                await self._stopped.wait()
        except OSError as failure:
            self._failure = failure
            self._started.set()


class _Protocol(HttpToolsProtocol):
    """Hands the transport to the application, which must be able to break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state["transport"] = transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
