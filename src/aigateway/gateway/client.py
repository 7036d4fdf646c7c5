"""The client's end of one request: what it asked, and the way back to it. Made by the server, of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aigateway.gateway.head import Head


class ClientGone(Exception):
    """The client went away before its request was whole."""


class BodyTooLarge(Exception):
    """The client sends more than it may."""


class Client(Protocol):
    """One request of a client, and its answer. What is written to a client that is gone goes nowhere."""

    task: asyncio.Task[Any]
    """The one that serves it."""
    head: Head
    """Without the length of its body where that has come already."""

    def body_at_hand(self, most: int) -> bytes | None:
        """The whole body, as it was sent, where it has come and is not over so many bytes."""

    async def body(self, most: int) -> bytes:
        """The whole body, as it was sent. Raises `ClientGone`, and `BodyTooLarge` where it is over so many bytes."""

    def when_gone(self, tell: Callable[[], None] | None) -> None:
        """Whom to tell, at once, that the client went away before its answer was complete; None for nobody."""

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The answer's head. It goes out with what comes first behind it, or when it is let out."""

    def write(self, piece: bytes) -> bool:
        """Some of the answer's body; False where the client is slow, so that `drained` is to be waited for."""

    def flush(self) -> None:
        """Let the head out, where nothing came behind it yet."""

    def end(self, piece: bytes = b"") -> None:
        """The last of the answer's body, which may be nothing."""

    async def drained(self) -> None:
        """Wait until the client has taken what was written."""


def respond(client: Client, response: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
    """Send a whole answer."""
    status, headers, body = response
    client.begin(status, headers)
    client.end(body)


async def send(client: Client, message: Any) -> None:
    """Send a message of ASGI's `http.response.start` or `http.response.body`, when the client takes it."""
    if message["type"] == "http.response.start":
        client.begin(message["status"], message["headers"])
    elif not message.get("more_body", False):
        client.end(message.get("body", b""))
    elif not message["body"]:
        client.flush()
    elif not client.write(message["body"]):
        await client.drained()
