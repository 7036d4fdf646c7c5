"""The connections to one provider."""

from __future__ import annotations

import asyncio

from aigateway.gateway.http1.connection import Connection
from aigateway.gateway.http1.dial import Dialler

_KEPT_SECONDS = 30.0
"""How long an idle connection is kept."""


class Pool:
    """Connections to one origin; the one that was used last is used first, so that those too many grow old."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Connection, None] = {}
        """In the order in which they fell idle."""
        self._all: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def connection(self) -> Connection:
        """One on which a request may be sent. Raises what `Dialler.dial` raises."""
        idle = self.idle()
        if idle is not None:
            return idle
        connection = await self._dialler.dial(self._make)
        self._all.add(connection)
        return connection

    def idle(self) -> Connection | None:
        """One on which a request may be sent at once, if there is any."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if not connection.closing:
                return connection
        return None

    def close(self) -> None:
        """Close all of them."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self._all):
            connection.abort()

    def _make(self) -> Connection:
        return Connection(self._fell_idle, self._lost)

    def _fell_idle(self, connection: Connection) -> None:
        self._idle[connection] = None
        if self._sweep is None:
            self._sweep = self._loop.call_later(_KEPT_SECONDS, self._close_old)

    def _lost(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        self._all.discard(connection)

    def _close_old(self) -> None:
        self._sweep = None
        now = self._loop.time()
        for connection in tuple(self._idle):
            left = connection.idle_since + _KEPT_SECONDS - now
            if left > 0:
                self._sweep = self._loop.call_later(left, self._close_old)
                return
            del self._idle[connection]
            connection.abort()
