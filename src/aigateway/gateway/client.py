"""The client's end of one request: what it asked, and the way back to it. Made by the server, of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aigateway.gateway.head import Head


class ClientGone(Exception):
    """The client went away before its request was whole."""


class BodyTooLarge(Exception):
    """The client sends more than it may."""


class Client(Protocol):
    """One request of a client, and its answer."""

    head: Head
    """Without the length of its body where that has come already."""

    def body_at_hand(self, most: int) -> bytes | None:
        """The whole body, as it was sent, where it has come and is not over so many bytes."""

    async def body(self, most: int) -> bytes:
        """The whole body, as it was sent. Raises `ClientGone`, and `BodyTooLarge` where it is over so many bytes."""

    def when_gone(self, tell: Callable[[], None] | None) -> None:
        """Whom to tell, at once, that the client went away before its answer was complete; None for nobody."""

    async def send(self, message: Any) -> None:
        """A message of ASGI's `http.response.start` or `http.response.body`; waits for a client that is slow.

        What is sent to a client that is gone goes nowhere. The head goes out with what comes first behind it, be that
        an empty piece.
        """

    def write(self, piece: bytes) -> bool:
        """Some of the answer's body; False where the client is slow, so that `drained` is to be waited for."""

    def flush(self) -> None:
        """Let the head out, where nothing came behind it yet."""

    async def drained(self) -> None:
        """Wait until the client has taken what was written."""


async def respond(client: Client, response: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
    """Send a whole answer."""
    status, headers, body = response
    await client.send({"type": "http.response.start", "status": status, "headers": headers})
    await client.send({"type": "http.response.body", "body": body, "more_body": False})
