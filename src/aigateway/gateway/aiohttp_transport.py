"""The transport on aiohttp: bytes untouched, redirects not followed, proxies of the environment honoured."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from types import SimpleNamespace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from aigateway.gateway.aiohttp_dialect import SET_BY_AIOHTTP, header_text
from aigateway.gateway.proxies import Proxies
from aigateway.gateway.transport import (
    ConnectTimeout,
    Disconnected,
    Truncated,
    Unreachable,
    words,
)
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest

_KEEPALIVE_SECONDS = 30
_DNS_CACHE_SECONDS = 60
_STALE_SECONDS = 0.5
"""A connection that was used before and ends within this time had been closed by the provider in between."""


class AiohttpAnswer:
    """An answer that is read piece by piece."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Sequence[tuple[bytes, bytes]] = response.raw_headers

    async def read(self) -> bytes:
        """The next piece; see `UpstreamAnswer`."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError) as error:
            if rest := self._unread():
                return rest
            raise Truncated(f"the provider's connection ended in the middle of its answer: {words(error)}") from error

    def _unread(self) -> bytes:
        """What had come before the connection ended: aiohttp raises and keeps it, and has no public way to it."""
        buffer = self._response.content._buffer  # noqa: SLF001
        rest = b"".join(buffer)
        buffer.clear()
        return rest

    def close(self) -> None:
        """Close the connection unless the answer was read to its end."""
        self._response.close()


class AiohttpTransport:
    """One pool of connections for all providers; made inside the running loop."""

    def __init__(self, *, connect_timeout: float | None) -> None:
        """Take the time to connect, TLS included, in seconds."""
        self._timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=connect_timeout)
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=_KEEPALIVE_SECONDS,
                ttl_dns_cache=_DNS_CACHE_SECONDS,
                # Reads SSL_CERT_FILE and SSL_CERT_DIR, unlike aiohttp's own that was made at import.
                ssl=ssl.create_default_context(),
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=SET_BY_AIOHTTP,
            timeout=self._timeout,
            trace_configs=[tracing],
            # Proxies are found below: trust_env would also send passwords of ~/.netrc to providers.
            trust_env=False,
        )
        self._proxies = Proxies()

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Send the request; see `Transport`."""
        note = SimpleNamespace(reused=False)
        began = time.monotonic()
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=CIMultiDict((name.decode("latin-1"), header_text(value)) for name, value in request.headers),
                data=request.body or None,
                allow_redirects=False,
                proxy=self._proxies.of(request.url),
                trace_request_ctx=note,
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise ConnectTimeout("the provider could not be connected to in time") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"the provider could not be reached: {words(error.os_error)}") from error
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            stale = note.reused and time.monotonic() - began < _STALE_SECONDS
            raise Disconnected(
                f"the provider ended the connection without an answer: {words(error)}", stale=stale
            ) from error
        return AiohttpAnswer(response)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


async def _note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True
