"""A WebSocket to a provider, on aiohttp: messages as they came, nothing compressed, no redirect followed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence

import aiohttp
from aiohttp import WSMsgType
from multidict import CIMultiDict
from yarl import URL

from aigateway.gateway.aiohttp_dialect import SET_BY_AIOHTTP, header_text
from aigateway.gateway.proxies import Proxies
from aigateway.gateway.socket_transport import Farewell, NotUpgraded
from aigateway.gateway.transport import Truncated, words
from aigateway.providers.upstream import UpstreamRequest

HEARTBEAT_SECONDS = 30.0
"""A provider that has been silent for so long is asked whether it is alive."""
CLOSING_SECONDS = 3.0
"""How long to wait for a provider's farewell after ours."""

_SILENT = (WSMsgType.CLOSED, WSMsgType.CLOSING)


class AiohttpSocket:
    """One open WebSocket; see `UpstreamSocket`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool], headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._socket = socket
        self.headers = headers
        self.subprotocol = socket.protocol

    async def receive(self) -> str | bytes | Farewell:
        """The next whole message: text or bytes. Raises `Truncated`."""
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        if message.type is WSMsgType.CLOSE:
            # aiohttp has 0 for a close frame without a code.
            return Farewell(int(message.data or 1005), str(message.extra or ""))
        if message.type in _SILENT:
            raise Truncated("the provider's connection ended without a farewell")
        raise Truncated(f"the provider's connection failed: {_failure(message.data)}")

    async def send(self, message: str | bytes) -> None:
        """Send one message. Raises `Truncated`."""
        try:
            if isinstance(message, str):
                await self._socket.send_str(message)
            else:
                await self._socket.send_bytes(message)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Truncated("the provider's connection has ended") from error

    async def close(self, farewell: Farewell) -> None:
        """Say farewell, wait a moment for the answer, and close the connection; never raises."""
        await self._socket.close(code=farewell.code, message=farewell.reason.encode())


class AiohttpSockets:
    """Opens WebSockets to providers, each on a connection of its own; see `SocketTransport`.

    Costs nothing until the first is wanted.
    """

    def __init__(self, *, connect_timeout: float | None) -> None:
        """Take the time for connection, TLS and handshake together, in seconds."""
        self._connect_timeout = connect_timeout
        self._session: aiohttp.ClientSession | None = None
        self._proxies = Proxies()

    async def open_socket(
        self, request: UpstreamRequest, subprotocols: Sequence[str], max_message_size: int
    ) -> AiohttpSocket:
        """Open one with the URL and the headers of the request; the size is in bytes. Raises `NotUpgraded`."""
        if self._session is None:
            self._session = _session()
        try:
            async with asyncio.timeout(self._connect_timeout):
                socket = await self._session.ws_connect(
                    URL(request.url, encoded=True),
                    headers=CIMultiDict(
                        (name.decode("latin-1"), header_text(value)) for name, value in request.headers
                    ),
                    protocols=subprotocols,
                    proxy=self._proxies.of(request.url),
                    autoclose=False,
                    heartbeat=HEARTBEAT_SECONDS,
                    max_msg_size=max_message_size,
                    timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=CLOSING_SECONDS),
                )
        except TimeoutError as error:
            raise NotUpgraded("the provider did not open it in time") from error
        except aiohttp.WSServerHandshakeError as error:
            headers = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in _told(error)]
            raise NotUpgraded(f"the provider answered {error.status}", status=error.status, headers=headers) from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise NotUpgraded(f"the provider could not be reached: {words(error)}") from error
        answer = socket._response  # noqa: SLF001 - the only way to the headers of the handshake
        return AiohttpSocket(socket, answer.raw_headers)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


def _session() -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            force_close=True,
            # Reads SSL_CERT_FILE and SSL_CERT_DIR, unlike aiohttp's own that was made at import.
            ssl=ssl.create_default_context(),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=SET_BY_AIOHTTP,
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[tracing],
        # Proxies are found by `Proxies`: trust_env would also send passwords of ~/.netrc to providers.
        trust_env=False,
    )


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: object, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    """A credential goes nowhere else than where it was configured to go."""
    redirect.response.close()
    status = redirect.response.status
    raise NotUpgraded(f"the provider answered {status}", status=status)


def _told(error: aiohttp.WSServerHandshakeError) -> Iterable[tuple[str, str]]:
    return error.headers.items() if error.headers is not None else ()


def _failure(error: object) -> str:
    if isinstance(error, aiohttp.WebSocketError):
        return f"its message could not be taken (close code {error.code})"
    return words(error) if isinstance(error, BaseException) else "for no known reason"
