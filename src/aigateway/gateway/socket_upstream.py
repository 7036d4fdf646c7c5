"""Opening a socket to a provider: with the same headers as a request, and the next key where one does not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aigateway.gateway.failover import with_failover
from aigateway.gateway.refusal import Refusal
from aigateway.gateway.request import Request
from aigateway.gateway.socket_transport import NotUpgraded, SocketTransport, UpstreamSocket
from aigateway.providers.credential import Credential
from aigateway.providers.headers import OwnHeaders, RawHeaders, to_upstream
from aigateway.providers.upstream import UpstreamRequest
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger

_log = get_logger("gateway")

_OF_THE_HANDSHAKE = b"sec-websocket-"
"""Headers that each side's library says for itself."""
_LARGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes of one message of a provider: a message is held whole, so that some limit is needed."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to a handshake, as failover looks at answers."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]

    async def read(self) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is open any more."""


class SocketUpstream:
    """Opens sockets to providers."""

    def __init__(self, make_transport: Callable[[], SocketTransport], events: Events | None = None) -> None:
        """Take what makes the transport when the first socket is wanted: its library is large, and few want one."""
        self._make_transport = make_transport
        self._transport: asyncio.Future[SocketTransport] | None = None
        self._events = events or Events()

    async def close(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await (await self._transport).close()

    async def open(
        self, request: Request, credential: Credential, own_headers: OwnHeaders, subprotocols: Sequence[str]
    ) -> tuple[UpstreamSocket, Credential]:
        """Open one for the request that asks for it; give the credential that it was opened with too.

        Raises:
            Refusal: 426, for whatever reason: a client that uses POST then hears the reason of it.

        """
        provider = request.route.provider
        headers = without_handshake(to_upstream(request.raw_headers, (), own_headers))
        transport = await self._made()
        opened: list[UpstreamSocket] = []
        reasons: list[NotUpgraded] = []

        async def attempt(shown: Credential) -> _Answer:
            upstream = UpstreamRequest(
                method="GET",
                url=provider.url(request.route.path, request.query),
                headers=[*headers, *shown.headers],
                body=b"",
            )
            try:
                socket = await transport.open_socket(upstream, subprotocols, _LARGEST_MESSAGE)
            except NotUpgraded as reason:
                reasons.append(reason)
                return _Answer(reason.status or 502, reason.headers)
            opened.append(socket)
            return _Answer(101, socket.headers)

        try:
            served = await with_failover(provider, credential, attempt, self._events)
        except Refusal as refusal:
            raise use_post(refusal.message) from refusal
        if not opened:
            _log.info("a provider opens no WebSocket", provider=provider.name, reason=str(reasons[-1]))
            raise use_post(f"{reasons[-1]}.") from reasons[-1]
        return opened[0], served.credential

    async def _made(self) -> SocketTransport:
        if self._transport is None:
            # Beside the loop: reading the library would hold up every stream.
            self._transport = asyncio.ensure_future(asyncio.to_thread(self._make_transport))
        return await asyncio.shield(self._transport)


def use_post(reason: str) -> Refusal:
    """The refusal of a socket; Codex falls back to POST at once (decision 33)."""
    return Refusal(426, f"WebSocket is not to be had here, use POST: {reason}", headers=((b"upgrade", b"HTTP/1.1"),))


def without_handshake(headers: RawHeaders) -> RawHeaders:
    """The headers but those of the WebSocket handshake itself."""
    return [header for header in headers if not header[0].startswith(_OF_THE_HANDSHAKE)]
