"""The transport on our own client: bytes untouched, redirects not followed, only the host and the length added."""

from __future__ import annotations

import re
from collections.abc import Awaitable

import msgspec

from aigateway.gateway.http1.dial import Dialler, Origin, Trust
from aigateway.gateway.http1.head import request_start, whole_head
from aigateway.gateway.http1.pool import Pool
from aigateway.gateway.proxies import Proxies
from aigateway.gateway.transport import Transport
from aigateway.providers.upstream import LastingHeaders, UpstreamAnswer, UpstreamRequest

_ORIGIN = re.compile(r"https?://[^/?#]+")


class HttpTransport:
    """A pool of connections for each provider; made inside the running loop."""

    def __init__(self, *, connect_timeout: float | None) -> None:
        """Take the time to connect, TLS included, in seconds."""
        self._connect_timeout = connect_timeout
        self._trust = Trust()
        self._pools: dict[str, tuple[bytes, Pool]] = {}
        self._proxies = Proxies()
        self._through_proxy = _through_proxy(connect_timeout) if self._proxies else None

    def send(self, request: UpstreamRequest) -> Awaitable[UpstreamAnswer]:
        """Send the request; see `Transport`."""
        method, body = request.method, request.body
        kept: _Kept | None = getattr(request.headers, "kept", None)
        if kept is not None and kept.transport is self and kept.method == method and kept.url == request.url:
            pool, start = kept.pool, kept.start
        else:
            url = request.url
            if self._through_proxy is not None and self._proxies.of(url) is not None:
                return self._through_proxy.send(request)
            found = _ORIGIN.match(url)
            if found is None:
                raise ValueError("not the URL of a provider")
            netloc, pool = self._pools.get(found[0]) or self._new_pool(found[0])
            target = url[found.end() :]
            if not target.startswith("/"):
                target = f"/{target}"
            start = request_start(method, target, netloc, request.headers)
            if isinstance(request.headers, LastingHeaders):
                request.headers.kept = _Kept(self, method, url, pool, start)
        head = whole_head(start, method, len(body))
        body_wanted = method != "HEAD"
        connection = pool.idle()
        if connection is not None:
            return connection.ask(head, body, body_wanted=body_wanted)
        return _ask(pool, head, body, body_wanted=body_wanted)

    async def close(self) -> None:
        """Close every connection."""
        for _, pool in self._pools.values():
            pool.close()
        if self._through_proxy is not None:
            await self._through_proxy.close()

    def _new_pool(self, origin_url: str) -> tuple[bytes, Pool]:
        origin = Origin.of(origin_url)
        made = self._pools[origin_url] = (origin.netloc, Pool(Dialler(origin, self._trust, self._connect_timeout)))
        return made


class _Kept(msgspec.Struct, frozen=True):
    """What requests with the same headers have in common."""

    transport: HttpTransport
    method: str
    url: str
    pool: Pool
    start: bytes


async def _ask(pool: Pool, head: bytes, body: bytes, *, body_wanted: bool) -> UpstreamAnswer:
    connection = await pool.connection()
    return await connection.ask(head, body, body_wanted=body_wanted)


def _through_proxy(connect_timeout: float | None) -> Transport:
    """The library that knows proxies; it is large, so that only who has one pays for it."""
    from aigateway.gateway.aiohttp_transport import AiohttpTransport  # noqa: PLC0415

    return AiohttpTransport(connect_timeout=connect_timeout)
