"""How long a provider may be silent: limits that hardly ever run out, and all of one kind share a timer."""

from __future__ import annotations

import asyncio

from aigateway.gateway.exchange import Exchange, Reason

_LOOKS = 10
"""How often it is looked within the time, so that a limit runs out up to a tenth of it late."""


class Patience:
    """Limits of the same number of seconds; None for no limit at all."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._waiting: set[Exchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, exchange: Exchange) -> None:
        """Break the exchange off when its provider is silent for too long: whoever hears it sets `silent` to 0."""
        if self.seconds is None:
            return
        exchange.silent = 0
        self._waiting.add(exchange)
        if self._timer is None:
            self._look_later(self.seconds)

    def end(self, exchange: Exchange) -> None:
        """Nothing is waited for any more."""
        self._waiting.discard(exchange)

    def _look_later(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds / _LOOKS, self._look, seconds)

    def _look(self, seconds: float) -> None:
        self._timer = None
        for exchange in tuple(self._waiting):
            exchange.silent += 1
            if exchange.silent > _LOOKS:
                self._waiting.discard(exchange)
                exchange.interrupt(Reason.UPSTREAM_IDLE)
        if self._waiting:
            self._look_later(seconds)
