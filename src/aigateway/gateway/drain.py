"""Reading on when the client is gone, to learn what the answer used (`--ai-gateway-on-disconnect=drain`)."""

from __future__ import annotations

import asyncio

from aigateway.gateway.exchange import Exchange

_SECONDS = 30.0
_MOST = 1000


class Drain:
    """Lets exchanges go on without their clients: each for a limited time, a limited number at once.

    What would be sent goes nowhere, since the server drops what is sent to a client that is gone. When the gateway is
    told to stop they are broken off at once.
    """

    def __init__(self, *, seconds: float = _SECONDS, most: int = _MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._going_on: set[Exchange] = set()

    def __call__(self, exchange: Exchange) -> None:
        """The client of an exchange is gone."""
        if len(self._going_on) >= self._most:
            exchange.give_up()
            return
        limit = asyncio.get_running_loop().call_later(self._seconds, exchange.give_up)

        def forget() -> None:
            limit.cancel()
            self._going_on.discard(exchange)

        self._going_on.add(exchange)
        exchange.deserted = True
        exchange.when_stopping = exchange.give_up
        exchange.when_over = forget
