"""Message for message between client and provider, each as it came, until one of them leaves.

Back-pressure goes both ways: what one side does not take is not read from the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aigateway.audit.journal import JournalUnavailable
from aigateway.gateway.client_socket import ClientLeft, ClientSocket, sayable
from aigateway.gateway.exchange import Exchange, Interrupted, Reason
from aigateway.gateway.patience import Patience
from aigateway.gateway.refusal import Refusal
from aigateway.gateway.socket_transport import Farewell, UpstreamSocket
from aigateway.gateway.transport import Truncated
from aigateway.gateway.turns import Turns
from aigateway.wire.request import ClientMessage, MalformedBody, read_message
from aigateway.wire.socket import error_message

_GOING = Farewell(1001, "AI Gateway: stopping")

Admits = Callable[[ClientMessage], Awaitable[None]]
"""Lets a client's message in, or raises a `Refusal`."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """Why a socket ends, and what is said to both sides."""

    error_type: str
    message: str
    status: int
    client: Farewell | None
    """None when it has left."""
    provider: Farewell


_CLIENT_GONE = "The client went away before the answer was complete."
_INTERRUPTED = {
    Reason.UPSTREAM_IDLE: _Ending(
        Reason.UPSTREAM_IDLE,
        "The provider sent nothing more for too long (--ai-gateway-idle-timeout).",
        504,
        Farewell(1011, "AI Gateway: the provider sent nothing more for too long"),
        Farewell(1001),
    ),
    Reason.STOPPING: _Ending(
        Reason.STOPPING, "The gateway was stopped before the answer was complete.", 503, _GOING, Farewell(1001)
    ),
}


class SocketRelay:
    """One open socket."""

    def __init__(
        self,
        client: ClientSocket,
        provider: UpstreamSocket,
        turns: Turns,
        admits: Admits,
        exchange: Exchange,
        patience: Patience,
    ) -> None:
        """Take the patience with a provider that is silent during a turn."""
        self._client = client
        self._provider = provider
        self._turns = turns
        self._admits = admits
        self._exchange = exchange
        self._patience = patience
        self._watching = False
        self._leaving = False
        exchange.when_stopping = self._leave

    async def run(self) -> None:
        """Relay until one side leaves or the gateway must; the records of all turns are ended then."""
        up = asyncio.create_task(self._upward())
        down = asyncio.create_task(self._downward())
        try:
            with self._exchange.interruptible():
                ending = await _first(up, down)
        except Interrupted as interrupted:
            ending = _INTERRUPTED[interrupted.reason]
        finally:
            self._exchange.when_stopping = None
            self._rest()
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        await self._end(ending)

    def _leave(self) -> None:
        """The gateway is told to stop: leave now, or when the last answer is complete."""
        self._leaving = True
        if not self._turns.open:
            self._exchange.interrupt(Reason.STOPPING)

    async def _upward(self) -> _Ending:
        while True:
            message = await self._client.receive()
            if isinstance(message, Farewell):
                return _left(message)
            data = message.encode() if isinstance(message, str) else message
            if await self._admitted(data):
                if self._turns.open:
                    self._watch()
                await self._provider.send(message)

    async def _admitted(self, data: bytes) -> bool:
        """Put a message on record, or answer it with an error: then the provider does not see it."""
        lane = ""
        try:
            message = _read(data)
            lane = message.lane
            await self._admits(message)
        except Refusal as refusal:
            error = error_message(refusal.status, refusal.message, kind=refusal.error_type, lane=lane)
            await self._client.send(error)
            return False
        self._turns.asked(message, len(data))
        return True

    async def _downward(self) -> _Ending:
        while True:
            message = await self._provider.receive()
            if isinstance(message, Farewell):
                return _dropped("The provider closed the socket before the answer was complete.", message)
            self._exchange.silent = 0
            await self._turns.answered(message.encode() if isinstance(message, str) else message)
            await self._client.send(message)
            if not self._turns.open:
                self._rest()
                if self._leaving:
                    return _INTERRUPTED[Reason.STOPPING]

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._patience.begin(self._exchange)

    def _rest(self) -> None:
        """Between turns both sides may be silent."""
        self._watching = False
        self._patience.end(self._exchange)

    async def _end(self, ending: _Ending) -> None:
        """Put what is known on record, and tell both sides: a turn that is cut ends with an error, never cleanly."""
        lanes = self._turns.cut(ending.error_type, ending.message)
        await asyncio.gather(self._tell(ending, lanes), self._provider.close(sayable(ending.provider)))

    async def _tell(self, ending: _Ending, lanes: list[str]) -> None:
        if ending.client is None:
            return
        with contextlib.suppress(ClientLeft):
            for lane in lanes:
                text = f"AI Gateway: {ending.message}"
                await self._client.send(error_message(ending.status, text, kind=ending.error_type, lane=lane))
            await self._client.close(sayable(ending.client))


def _read(data: bytes) -> ClientMessage:
    try:
        return read_message(data)
    except MalformedBody as error:
        raise Refusal(400, str(error)) from None


async def _first(up: asyncio.Task[_Ending], down: asyncio.Task[_Ending]) -> _Ending:
    await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    try:
        try:
            return up.result() if up.done() else down.result()
        except Truncated:
            # Why nothing can be sent to the provider is known to the one who reads what it says.
            return await down
    except Truncated as error:
        return _dropped(f"{error}.", Farewell(1011, f"AI Gateway: {error}"))
    except ClientLeft:
        return _left(Farewell(1006))
    except JournalUnavailable as error:
        told = f"What the answer used cannot be put on record ({error})."
        return _Ending("server_error", told, 503, Farewell(1011, "AI Gateway: nothing can be recorded"), Farewell(1001))


def _left(farewell: Farewell) -> _Ending:
    return _Ending(Reason.CLIENT_GONE, _CLIENT_GONE, 499, None, farewell)


def _dropped(message: str, farewell: Farewell) -> _Ending:
    return _Ending("upstream_truncated", message, 502, farewell, farewell)
