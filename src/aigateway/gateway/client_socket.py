"""The client's side of a WebSocket, over ASGI (asgi.readthedocs.io, "HTTP & WebSocket message format")."""

from __future__ import annotations

from collections.abc import Sequence

from aigateway.gateway.request import Receive, Send
from aigateway.gateway.socket_transport import Farewell

_UNSAYABLE = frozenset({1004, 1005, 1006, 1015})
"""Close codes that stand for what was not said (RFC 6455 section 7.4.1)."""
_LONGEST_REASON = 123
"""Bytes (RFC 6455 section 5.5)."""


class ClientLeft(Exception):
    """The client's connection has ended."""


def sayable(farewell: Farewell) -> Farewell:
    """The same farewell as it can be said to the other side."""
    code = farewell.code
    if code in _UNSAYABLE or not (1000 <= code < 1015 or 3000 <= code < 5000):
        code = 1000 if code == 1005 else 1001
    return Farewell(code, farewell.reason.encode()[:_LONGEST_REASON].decode("utf-8", "ignore"))


class ClientSocket:
    """A client that asked for a WebSocket: it is either accepted or refused."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.accepted = False

    async def accept(self, headers: Sequence[tuple[bytes, bytes]], subprotocol: str | None) -> None:
        """Open the socket."""
        self.accepted = True
        await self._say({"type": "websocket.accept", "headers": list(headers), "subprotocol": subprotocol})

    async def refuse(self, response: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
        """Answer the handshake with plain HTTP: status, headers and body."""
        status, headers, body = response
        await self._say({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._say({"type": "websocket.http.response.body", "body": body, "more_body": False})

    async def receive(self) -> str | bytes | Farewell:
        """The next whole message, or what the client said when it left."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.receive":
                text: str | None = message.get("text")
                data: bytes = message.get("bytes") or b""
                return data if text is None else text
            if message["type"] == "websocket.disconnect":
                # The server leaves the reason out when the connection was lost.
                said = message.get("reason") is not None
                return Farewell(message.get("code", 1005) if said else 1006, message.get("reason") or "")

    async def send(self, message: str | bytes) -> None:
        """Send one message, when the client takes it. Raises `ClientLeft`."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self._say({"type": "websocket.send", kind: message})

    async def close(self, farewell: Farewell) -> None:
        """Say farewell. Raises `ClientLeft`."""
        await self._say({"type": "websocket.close", "code": farewell.code, "reason": farewell.reason})

    async def _say(self, message: dict[str, object]) -> None:
        try:
            await self._send(message)
        except OSError as error:
            raise ClientLeft from error
