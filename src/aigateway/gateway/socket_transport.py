"""The seam to the upstream for WebSockets, so that the library can be chosen by measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aigateway.gateway.transport import UpstreamError
from aigateway.providers.upstream import UpstreamRequest


class NotUpgraded(UpstreamError):
    """No WebSocket, for whatever reason: the provider does not speak it here, or cannot be reached."""

    def __init__(self, message: str, *, status: int | None = None, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status = status
        """Of the provider's answer; None when there was none."""
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last that one side of a socket says (RFC 6455 section 7.4)."""

    code: int
    """1005 when it gave none, 1006 when it left without a word."""
    reason: str = ""


class UpstreamSocket(Protocol):
    """A WebSocket to a provider."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Those of the handshake's answer, as they came."""

    @property
    def subprotocol(self) -> str | None:
        """What was agreed on."""

    async def receive(self) -> str | bytes | Farewell:
        """The next whole message: text or bytes. Raises `Truncated`."""

    async def send(self, message: str | bytes) -> None:
        """Send one message. Raises `Truncated`."""

    async def close(self, farewell: Farewell) -> None:
        """Say farewell, wait a moment for the answer, and close the connection; never raises."""


class SocketTransport(Protocol):
    """Opens WebSockets to providers."""

    async def open_socket(
        self, request: UpstreamRequest, subprotocols: Sequence[str], max_message_size: int
    ) -> UpstreamSocket:
        """Open one with the URL and the headers of the request; the size is in bytes. Raises `NotUpgraded`."""

    async def close(self) -> None:
        """Close every connection."""
