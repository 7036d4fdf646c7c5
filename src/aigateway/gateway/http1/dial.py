"""How a connection to a provider comes to be: name, address, TCP, TLS."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aigateway.gateway.http1.connection import Connection
from aigateway.gateway.transport import ConnectTimeout, Unreachable, words

_NAME_SECONDS = 60.0
"""How long the addresses of a name are good for."""
_HEAD_START_SECONDS = 0.25
"""What an address has before the next one is tried beside it (RFC 8305 section 5)."""
_GOODBYE_SECONDS = 1.0
"""For a provider to answer that TLS ends."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom to connect to."""

    host: str
    """A name or an address; without brackets."""
    port: int
    tls: bool
    netloc: bytes
    """As the `Host` header says it."""

    @classmethod
    def of(cls, url: str) -> Origin:
        """Of a URL with a host."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        tls = parts.scheme == "https"
        usual = 443 if tls else 80
        port = parts.port or usual
        shown = f"[{host}]" if ":" in host else host
        return cls(host, port, tls, (shown if port == usual else f"{shown}:{port}").encode("ascii"))


class Trust:
    """Whom to believe that they are who they say: the system's authorities, or those of `SSL_CERT_FILE`."""

    def __init__(self) -> None:
        self._context: asyncio.Future[ssl.SSLContext] | None = None

    async def context(self) -> ssl.SSLContext:
        """What TLS is made with. Reading all the authorities takes long, so that is done once, and beside the loop."""
        if self._context is None:
            self._context = asyncio.ensure_future(asyncio.to_thread(_context))
        return await asyncio.shield(self._context)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialler:
    """Connects to one origin."""

    def __init__(self, origin: Origin, trust: Trust, connect_timeout: float | None) -> None:
        self._origin = origin
        self._trust = trust
        self._timeout = connect_timeout
        self._loop = asyncio.get_running_loop()
        self._addresses: Sequence[str] = ()
        self._known_until = 0.0

    async def dial(self, make: Callable[[], Connection]) -> Connection:
        """Connect, TLS included.

        Raises:
            ConnectTimeout: it takes too long.
            Unreachable: it does not come about.

        """
        try:
            async with asyncio.timeout(self._timeout):
                context = await self._trust.context() if self._origin.tls else None
                return await self._first_of(await self._resolved(), make, context)
        except TimeoutError as error:
            self._known_until = 0.0
            raise ConnectTimeout("the provider could not be connected to in time") from error
        except (OSError, ssl.SSLError, UnicodeError) as error:
            self._known_until = 0.0
            raise Unreachable(f"the provider could not be reached: {words(error)}") from error

    async def _resolved(self) -> Sequence[str]:
        if self._loop.time() >= self._known_until:
            found = await self._loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
            self._addresses = _in_turn([(family, str(address[0])) for family, _, _, _, address in found])
            self._known_until = self._loop.time() + _NAME_SECONDS
        return self._addresses

    async def _first_of(
        self, addresses: Sequence[str], make: Callable[[], Connection], context: ssl.SSLContext | None
    ) -> Connection:
        """The connection to the address that answers first, where each has a head start before the next."""
        if len(addresses) == 1:
            return await self._connect(addresses[0], make, context)
        running: set[asyncio.Task[Connection]] = set()
        waiting = list(addresses)
        failure: BaseException = socket.gaierror(socket.EAI_NONAME, "no address")
        try:
            while waiting or running:
                if waiting:
                    running.add(asyncio.create_task(self._connect(waiting.pop(0), make, context)))
                patience = _HEAD_START_SECONDS if waiting else None
                done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    reason = attempt.exception()
                    if reason is None:
                        return attempt.result()
                    failure = reason
        finally:
            for attempt in running:
                attempt.add_done_callback(_hang_up)
                attempt.cancel()
        raise failure

    async def _connect(
        self, address: str, make: Callable[[], Connection], context: ssl.SSLContext | None
    ) -> Connection:
        if context is None:
            _, connection = await self._loop.create_connection(make, address, self._origin.port)
            return connection
        _, connection = await self._loop.create_connection(
            make,
            address,
            self._origin.port,
            ssl=context,
            server_hostname=self._origin.host,
            ssl_shutdown_timeout=_GOODBYE_SECONDS,
        )
        return connection


def _in_turn(found: Sequence[tuple[int, str]]) -> list[str]:
    """Addresses without doubles, the two families in turn, as the system's order begins (RFC 8305 section 4)."""
    first = found[0][0] if found else 0
    ours = dict.fromkeys(address for family, address in found if family == first)
    others = dict.fromkeys(address for family, address in found if family != first)
    pairs = itertools.zip_longest(ours, others)
    return [address for pair in pairs for address in pair if address is not None]


def _hang_up(attempt: asyncio.Task[Connection]) -> None:
    """Another address was faster."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().abort()
