"""The data plane: runs the steps of one request in order."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from aigateway.accounts.actor import Actor
from aigateway.gateway import route as routing
from aigateway.gateway.admit import Admitter
from aigateway.gateway.authenticate import Authenticates, authenticate
from aigateway.gateway.body import read
from aigateway.gateway.client import Client, ClientGone, respond
from aigateway.gateway.head import Head
from aigateway.gateway.intercept import Intercepts
from aigateway.gateway.passthrough import PassesThrough
from aigateway.gateway.rate import RateLimiter
from aigateway.gateway.refusal import Refusal, bug
from aigateway.gateway.request import Request
from aigateway.gateway.route import Route
from aigateway.providers.provider import Provider
from aigateway.providers.routes import Intercepted, Local
from aigateway.telemetry.logging import get_logger

_log = get_logger("gateway")

_MOST_ROUTES = 1000
"""Paths may hold anything, such as the name of a model."""


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
        self._routes: dict[tuple[str, bytes], Route] = {}
        """The routes that were found before; they depend on the path alone."""

    async def serve(self, client: Client) -> None:
        """Serve one request."""
        head = client.head
        if head.method == "HEAD" and routing.is_probe(head.path):
            respond(client, (200, [(b"content-length", b"0")], b""))
            return
        try:
            self._admitter.enter()
            try:
                actor = self._known(head) or await self._authenticated(head)
                route = self._route(head, actor)
                request = Request(head, b"", route, actor, head.shown.byok)
                request.body = client.body_at_hand(self._admitter.max_body_size) or await self._body(head, client)
                kind = route.kind
                if isinstance(kind, Intercepted):
                    await self._interceptor.run(request, kind.api, client)
                elif isinstance(kind, Local):
                    respond(client, _local(kind, head.method))
                else:
                    await self._pass_through.run(request, client)
            finally:
                self._admitter.leave()
        except Refusal as refusal:
            _log.debug("refused", status=refusal.status, reason=refusal.message, path=head.path)
            respond(client, refusal.response(routing.speaks(self._providers, head.path)))
        except ClientGone:
            _log.debug("a client went away before its request was whole", path=head.path)
        except Exception:  # noqa: BLE001 - a mistake of ours must not show the client a stack trace
            _log.exception("a request failed in the gateway itself", path=head.path)
            # Refused when the answer had begun; the server then closes the connection.
            with contextlib.suppress(RuntimeError):
                respond(client, bug().response(routing.speaks(self._providers, head.path)))

    def _known(self, head: Head) -> Actor | None:
        """Who asks, where nobody has to be asked for that."""
        asking = head.shown
        if asking.first is None or (asking.byok and not self._allow_byok):
            return None
        return self._authenticator.known(*asking.first)

    async def _authenticated(self, head: Head) -> Actor:
        allow_byok = self._allow_byok or routing.takes_logins_alone(self._providers, head.path)
        return await authenticate(self._authenticator, head.shown, allow_byok=allow_byok)

    async def _body(self, head: Head, client: Client) -> bytes:
        self._admitter.check_announced_size(head.mapped)
        return await read(client, self._admitter.max_body_size)

    def _route(self, head: Head, actor: Actor) -> Route:
        if self._rate_limiter is not None:
            self._rate_limiter.check(actor.api_key_id)
        return head.route or self._find_route(head)

    def _find_route(self, head: Head) -> Route:
        way = (head.method, head.raw_path)
        route = self._routes.get(way)
        if route is None:
            if len(self._routes) >= _MOST_ROUTES:
                self._routes.clear()
            route = self._routes[way] = routing.find(self._providers, *way)
        if not isinstance(route.kind, Local):
            _refuse_upgrade(head.mapped)
        if isinstance(route.kind, Intercepted) and head.method != "POST":
            raise Refusal(405, f"{head.method} is not allowed here, use POST.", headers=((b"allow", b"POST"),))
        head.route = route
        return route


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
