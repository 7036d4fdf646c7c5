"""Who is in flight, so that a stopping gateway can break off what does not end by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aigateway.gateway.exchange import Exchange, Reason


class InFlight:
    """The exchanges of this replica."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()

    def __len__(self) -> int:
        return len(self._exchanges)

    @contextmanager
    def exchange(self) -> Iterator[Exchange]:
        """The exchange of the current task, for as long as it runs."""
        exchange = Exchange()
        self._exchanges.add(exchange)
        try:
            yield exchange
        finally:
            self._exchanges.discard(exchange)
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
