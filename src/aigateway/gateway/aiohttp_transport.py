"""The transport on aiohttp: bytes untouched, redirects not followed, proxies of the environment honoured."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Sequence
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from aigateway.gateway.transport import (
    ConnectTimeout,
    Disconnected,
    Truncated,
    Unreachable,
)
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest

_SET_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
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
            raise Truncated(f"the provider's connection ended in the middle of its answer: {_words(error)}") from error

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
            skip_auto_headers=_SET_BY_AIOHTTP,
            timeout=self._timeout,
            trace_configs=[tracing],
            # Proxies are found below: trust_env would also send passwords of ~/.netrc to providers.
            trust_env=False,
        )
        self._proxies = getproxies()

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Send the request; see `Transport`."""
        note = SimpleNamespace(reused=False)
        began = time.monotonic()
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=CIMultiDict((name.decode("latin-1"), _text(value)) for name, value in request.headers),
                data=request.body or None,
                allow_redirects=False,
                proxy=self._proxy_for(request.url),
                trace_request_ctx=note,
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise ConnectTimeout("the provider could not be connected to in time") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"the provider could not be reached: {_words(error.os_error)}") from error
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            stale = note.reused and time.monotonic() - began < _STALE_SECONDS
            raise Disconnected(
                f"the provider ended the connection without an answer: {_words(error)}", stale=stale
            ) from error
        return AiohttpAnswer(response)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _proxy_for(self, url: str) -> str | None:
        if not self._proxies:
            return None
        parts = urlsplit(url)
        if proxy_bypass(parts.netloc):
            return None
        return self._proxies.get(parts.scheme) or self._proxies.get("all")


async def _note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True


def _text(value: bytes) -> str:
    """A header value as aiohttp wants it: it will encode UTF-8, so that UTF-8 goes out as it came in."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _words(error: BaseException) -> str:
    """An error's words without the URL or the address that asyncio and aiohttp put into them."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__
