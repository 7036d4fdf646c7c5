"""The data plane: a plain ASGI application that runs the steps of one request in order (architecture section 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from aigateway.gateway import route as routing
from aigateway.gateway.admit import Admitter
from aigateway.gateway.authenticate import Authenticates, authenticate
from aigateway.gateway.body import ClientGone, read
from aigateway.gateway.intercept import Intercepts
from aigateway.gateway.passthrough import PassesThrough
from aigateway.gateway.rate import RateLimiter
from aigateway.gateway.refusal import Refusal, bug
from aigateway.gateway.request import Receive, Request, Send, header_map
from aigateway.providers.provider import Provider
from aigateway.providers.routes import Intercepted, Local
from aigateway.telemetry.logging import get_logger

_log = get_logger("gateway")


class Endpoint:
    """Takes every request of the data plane, and answers every refusal in the shape of its API."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        admitter: Admitter,
        authenticator: Authenticates,
        interceptor: Intercepts,
        pass_through: PassesThrough,
        allow_byok: bool,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self._providers = providers
        self._admitter = admitter
        self._authenticator = authenticator
        self._interceptor = interceptor
        self._pass_through = pass_through
        self._allow_byok = allow_byok
        self._rate_limiter = rate_limiter

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if routing.is_probe(scope["method"], scope["path"]):
            await _respond(send, (200, [(b"content-length", b"0")], b""))
            return
        api = routing.speaks(self._providers, scope["path"])
        try:
            with self._admitter.admit():
                await self._serve(scope, receive, send)
        except Refusal as refusal:
            _log.debug("refused", status=refusal.status, reason=refusal.message, path=scope["path"])
            await _respond(send, refusal.response(api))
        except ClientGone:
            _log.debug("a client went away before its request was whole", path=scope["path"])
        except Exception:  # noqa: BLE001 - a mistake of ours must not show the client a stack trace
            _log.exception("a request failed in the gateway itself", path=scope["path"])
            # Refused when the answer had begun; the server then closes the connection.
            with contextlib.suppress(RuntimeError):
                await _respond(send, bug().response(api))

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        method = scope["method"]
        headers = header_map(scope["headers"])
        allow_byok = self._allow_byok or routing.takes_logins_alone(self._providers, scope["path"])
        admission = await authenticate(self._authenticator, headers, allow_byok=allow_byok)
        if self._rate_limiter is not None:
            self._rate_limiter.check(admission.actor.api_key_id)
        route = routing.find(self._providers, method, scope["raw_path"])
        if isinstance(route.kind, Local):
            await _respond(send, _local(route.kind, method))
            return
        _refuse_upgrade(headers)
        intercepted = isinstance(route.kind, Intercepted)
        if intercepted and method != "POST":
            raise Refusal(405, f"{method} is not allowed here, use POST.", headers=((b"allow", b"POST"),))
        self._admitter.check_announced_size(headers)
        request = Request(
            method=method,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            raw_headers=scope["headers"],
            body=await read(receive, self._admitter),
            route=route,
            actor=admission.actor,
            byok=admission.byok,
        )
        if isinstance(route.kind, Intercepted):
            await self._interceptor.run(request, route.kind.api, receive, send)
        else:
            await self._pass_through.run(request, receive, send)


def _refuse_upgrade(headers: Mapping[str, str]) -> None:
    """A proxy on the way made a plain GET of a WebSocket: 426 makes Codex fall back to POST at once (decision 33)."""
    if "sec-websocket-key" in headers or headers.get("upgrade", "").lower() == "websocket":
        raise Refusal(
            426,
            "this is no WebSocket any more, use POST. A reverse proxy must pass on Upgrade and Connection.",
            headers=((b"upgrade", b"HTTP/1.1"),),
        )


def _local(route: Local, method: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    if method not in ("GET", "HEAD"):
        raise Refusal(405, f"{method} is not allowed here, use GET.", headers=((b"allow", b"GET, HEAD"),))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(route.body)).encode())]
    return 200, headers, b"" if method == "HEAD" else route.body


async def _respond(send: Send, response: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
    status, headers, body = response
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
