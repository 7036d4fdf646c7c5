"""The HTTP server: a socket, uvicorn on it, and a stop that lets people finish."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from aigateway.app.http_protocol import HttpProtocol
from aigateway.app.tls import Certificate
from aigateway.settings.model import Address
from aigateway.telemetry.logging import get_logger

_BACKLOG = 2048
_KEEPALIVE_SECONDS = 75
"""Longer than clients keep a connection, so that it is they who close it and no request meets a closed one."""
_PING_SECONDS = 30.0
"""How long a WebSocket client is silent before it is asked whether it is alive."""
_PONG_SECONDS = 60.0
"""How long it has for the answer: it may be reading a long answer slowly."""
_LAST_WORDS_SECONDS = 5
"""For telling the clients of exchanges that were broken off."""

_SOCKET_NOISE = ('%s - "WebSocket', "connection open", "connection closed", "connection rejected")
"""uvicorn and websockets tell of each socket, query string included."""
_HANDSHAKE_SECONDS = 20
_GOODBYE_SECONDS = 1
"""For a client to answer that TLS ends, which an idle one does not do."""

_log = get_logger("listener")


class ListenError(Exception):
    """The address cannot be used. The sentence says why, and names the option."""


def bind(
    address: Address, option: str = "--http-address (CODER_HTTP_ADDRESS)", *, shared: bool = False
) -> socket.socket:
    """A listening socket, for the address that an option names; others may listen there too when it is shared.

    Raises:
        ListenError: the address is taken, not ours, or not allowed.

    """
    host = address.host or "::"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if not address.host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"{option}: cannot listen on {address}: {error.strerror or error}. "
            "Stop what uses it, or name another address."
        ) from error
    listener.setblocking(False)
    return listener


def _socket_protocol(*args: Any, **kwargs: Any) -> asyncio.Protocol:
    """The protocol of a WebSocket: not every gateway ever has one, and a start does not wait for it."""
    from aigateway.app.socket_protocol import SocketProtocol  # noqa: PLC0415

    return SocketProtocol(*args, **kwargs)


def base_url(listener: socket.socket, scheme: str = "http") -> str:
    """Where people on this host reach the socket."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - read, not bound
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Https:
    """A second place to listen at, and the certificate that is shown there."""

    socket: socket.socket
    certificate: Certificate


class Listener:
    """Serves an ASGI application until SIGTERM, SIGINT or `stop`."""

    def __init__(
        self,
        app: Any,
        *,
        shutdown_delay: float,
        shutdown_timeout: float,
        largest_message: int,
        on_leave: Callable[[], None],
        on_stop: Callable[[], None],
        on_limit: Callable[[], None],
        on_hangup: Callable[[], None],
    ) -> None:
        """Take what to do when told to stop, when it really stops, when it is over for requests in flight, on SIGHUP.

        The delay is the time in seconds from the first to the second, the timeout the one from the second to the third.
        The largest message that a client may send on a WebSocket is in bytes.
        """
        self._app = app
        self._largest_message = largest_message
        self._shutdown_delay = shutdown_delay
        self._shutdown_timeout = shutdown_timeout
        self._on_leave = on_leave
        self._on_stop = on_stop
        self._on_limit = on_limit
        self._on_hangup = on_hangup
        self._servers: list[Server] = []
        self._leaving = False
        self._stopping = False
        logging.getLogger("uvicorn.error").addFilter(_is_news)

    async def serve(self, plain: socket.socket, https: Https | None) -> None:
        """Serve until told to stop, then until the last request is over. SIGHUP stays harmless afterwards."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._signalled, signal.Signals(signum).name)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        sockets = {Server(self._config()): plain}
        if https is not None:
            sockets[_HttpsServer(self._config(), https.certificate.context)] = https.socket
        self._servers = list(sockets)
        try:
            async with asyncio.TaskGroup() as group:
                for server, listening in sockets.items():
                    group.create_task(server.serve(sockets=[listening]))
        finally:
            for signum in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signum)

    def leave(self) -> None:
        """Stop, but let those who ask know it beforehand."""
        self._leaving = True
        self._on_leave()
        if self._shutdown_delay:
            asyncio.get_running_loop().call_later(self._shutdown_delay, self.stop)
        else:
            self.stop()

    def stop(self) -> None:
        """Take no new requests, and let those in flight finish within the time."""
        if self._stopping:
            return
        self._stopping = True
        for server in self._servers:
            server.should_exit = True
        self._on_stop()
        asyncio.get_running_loop().call_later(self._shutdown_timeout, self._on_limit)

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=HttpProtocol,
            ws=_socket_protocol,  # type: ignore[arg-type]  # it is only called
            ws_max_size=self._largest_message,
            ws_ping_interval=_PING_SECONDS,
            ws_ping_timeout=_PONG_SECONDS,
            ws_per_message_deflate=False,  # compressing every delta costs more than it saves
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,  # an answer's own Date is relayed
            access_log=False,
            log_config=None,
            timeout_keep_alive=_KEEPALIVE_SECONDS,
            timeout_graceful_shutdown=round(self._shutdown_timeout + _LAST_WORDS_SECONDS),
        )

    def _signalled(self, name: str) -> None:
        if self._stopping:
            _log.warning("told to stop again: requests in flight are broken off", signal=name)
            self._on_limit()
        elif self._leaving:
            _log.warning("told to stop again: nothing new is let in from now on", signal=name)
            self.stop()
        else:
            _log.info(
                "stopping: requests in flight may finish",
                signal=name,
                after_seconds=self._shutdown_delay,
                within_seconds=self._shutdown_timeout,
            )
            self.leave()


class Server(uvicorn.Server):
    """Leaves signals to the listener: uvicorn would die of them again after a clean stop, and exit non-zero."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


class _HttpsServer(Server):
    """Gives clients little time for the handshakes of TLS: uvicorn leaves it at a minute, and half a one at the end."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext) -> None:
        super().__init__(config)
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        self.servers = [
            await loop.create_server(
                lambda: make(config=self.config, server_state=self.server_state, app_state={}),
                sock=listening,
                backlog=_BACKLOG,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )
            for listening in sockets or ()
        ]
        self.started = True


def _is_news(record: logging.LogRecord) -> bool:
    """Answers that are broken off on purpose end without their last message; that is in the record, not in the log."""
    message = record.getMessage()
    return not message.startswith(
        ("ASGI callable returned without completing", "Unsupported upgrade request")
    ) and not str(record.msg).startswith(_SOCKET_NOISE)
