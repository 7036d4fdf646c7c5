"""One request's connection: proper answers, and the improper ends that a real network has."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aigateway.simulator.script import as_json

Headers = list[tuple[bytes, bytes]]


class Connection:
    """Sends over ASGI, and over the transport itself where ASGI has no words for it."""

    def __init__(
        self,
        transport: asyncio.Transport,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._transport = transport
        self._receive = receive
        self._send = send
        self.broken = False
        """True once the simulator itself broke the connection or stopped answering."""

    @property
    def closing(self) -> bool:
        """The connection is lost or about to be."""
        return self._transport.is_closing()

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """End the body properly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, status: int, body: bytes, headers: Headers) -> None:
        """Send a whole answer at once."""
        await self.start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.end(body)

    async def json(self, status: int, value: Any, headers: Headers) -> None:
        """Send a JSON answer."""
        await self.whole(status, as_json(value), [(b"content-type", b"application/json"), *headers])

    async def hang(self) -> None:
        """Say nothing more until the other side gives up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def drop(self) -> None:
        """Close the connection in an orderly way at the wrong time (FIN)."""
        self.cut_off(rudely=False)
        await self.hang()

    async def reset(self) -> None:
        """Close the connection rudely (RST)."""
        self.cut_off(rudely=True)
        await self.hang()

    def cut_off(self, *, rudely: bool) -> None:
        """End the connection without a word, by FIN or (lingering for zero seconds makes the kernel do so) by RST."""
        self.broken = True
        if not rudely:
            self._transport.close()
            return
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._transport.abort()
