"""The one ASGI application: the data plane, the control plane, and the two questions of load balancers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from aigateway.app.heads import Heads
from aigateway.app.health import Health
from aigateway.app.http_cycle import Serves
from aigateway.gateway.client_socket import ClientSocket
from aigateway.gateway.refusal import Refusal
from aigateway.gateway.route import is_data_plane, speaks

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
_JSON = [(b"content-type", b"application/json")]
_DISABLED = Refusal(
    404,
    "the gateway is not enabled on this server. "
    "Start it with --ai-gateway-enabled=true or CODER_AI_GATEWAY_ENABLED=true.",
)


class Application:
    """Looks at the path and hands over."""

    def __init__(
        self,
        *,
        health: Health,
        data_plane: Serves | None,
        sockets: Asgi | None,
        make_control_plane: Callable[[], Asgi],
    ) -> None:
        """Take the data plane and its WebSockets, None while the gateway is not enabled, and what makes the rest.

        The control plane's framework takes half a second to import, so it is made by the first request for it.
        """
        self._health = health
        self.data_plane = data_plane
        """Served by `HttpProtocol` itself."""
        self.heads = Heads()
        """Those that its clients sent lately."""
        self._sockets = sockets or _disabled_socket
        self._make_control_plane = make_control_plane
        self._control_plane: asyncio.Task[Asgi] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        path = scope["path"]
        if scope["type"] == "websocket":
            await (self._sockets if is_data_plane(path) else _no_socket)(scope, receive, send)
        elif is_data_plane(path):
            await _disabled(scope, receive, send)
        elif path == "/healthz":
            await _answer(send, 200, _TEXT, b"ok\n")
        elif path == "/readyz":
            readiness = await self._health.readiness()
            body = msgspec.json.format(msgspec.json.encode(readiness), indent=2) + b"\n"
            await _answer(send, 200 if readiness.ready else 503, _JSON, body)
        else:
            if self._control_plane is None:
                self._control_plane = asyncio.create_task(asyncio.to_thread(self._make_control_plane))
            control_plane = await asyncio.shield(self._control_plane)
            await control_plane(scope, receive, send)


async def _disabled(scope: Any, _receive: Any, send: Any) -> None:
    status, headers, body = _DISABLED.response(speaks({}, scope["path"]))
    await _answer(send, status, [h for h in headers if h[0] != b"content-length"], body)


async def _disabled_socket(scope: Any, receive: Any, send: Any) -> None:
    await ClientSocket(receive, send).refuse(_DISABLED.response(speaks({}, scope["path"])))


async def _no_socket(_scope: Any, receive: Any, send: Any) -> None:
    await ClientSocket(receive, send).refuse((404, _TEXT, b"No WebSocket is served here.\n"))


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers + length})
    await send({"type": "http.response.body", "body": body, "more_body": False})
