"""Who is in flight, so that a stopping gateway can break off what does not end by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from aigateway.gateway.exchange import Exchange, Reason


class InFlight:
    """The exchanges of this replica."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()

    def __len__(self) -> int:
        return len(self._exchanges)

    def begin(self, task: asyncio.Task[Any]) -> Exchange:
        """An exchange of a task; whoever begins it ends it."""
        exchange = Exchange(task)
        self._exchanges.add(exchange)
        return exchange

    def end(self, exchange: Exchange) -> None:
        """It is over."""
        self._exchanges.discard(exchange)
        if exchange.client is not None:
            exchange.finish()
        if exchange.when_over is not None:
            exchange.when_over()

    def stop(self) -> None:
        """Let nothing begin in what does not end by itself; all that is in flight may finish."""
        for exchange in tuple(self._exchanges):
            if exchange.when_stopping is not None:
                exchange.when_stopping()

    def interrupt_all(self) -> None:
        """Break off what is still in flight; each client is told, each record ended."""
        for exchange in tuple(self._exchanges):
            exchange.interrupt(Reason.STOPPING)
