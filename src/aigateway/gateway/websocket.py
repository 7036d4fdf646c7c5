"""Sockets of the Responses API: the steps of a request, once when one is opened and again for each message.

The provider is connected to before the client is accepted, so that a client whose provider speaks no WebSocket hears
426 and falls back to POST at once (decision 33).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from aigateway.accounts.actor import Actor
from aigateway.audit.recorder import Records
from aigateway.gateway import route as routing
from aigateway.gateway.admit import Admitter
from aigateway.gateway.authenticate import Authenticates, Shown, authenticate
from aigateway.gateway.client_socket import ClientLeft, ClientSocket
from aigateway.gateway.credentials import credential_of
from aigateway.gateway.exchange import Exchange, Interrupted
from aigateway.gateway.head import Head
from aigateway.gateway.inflight import InFlight
from aigateway.gateway.patience import Patience
from aigateway.gateway.rate import RateLimiter
from aigateway.gateway.refusal import Refusal, bug, no_background, stopping
from aigateway.gateway.request import Receive, Request, Send
from aigateway.gateway.socket_relay import SocketRelay
from aigateway.gateway.socket_transport import Farewell, UpstreamSocket
from aigateway.gateway.socket_upstream import SocketUpstream, use_post, without_handshake
from aigateway.gateway.turns import Turns
from aigateway.providers.actor_headers import ActorHeaders
from aigateway.providers.credential import Credential
from aigateway.providers.headers import to_client
from aigateway.providers.provider import Provider
from aigateway.providers.routes import Intercepted
from aigateway.telemetry.logging import get_logger
from aigateway.wire.facts import ApiFormat
from aigateway.wire.request import ASKS, ClientMessage

_log = get_logger("gateway")


class Sockets:
    """Takes every WebSocket of the data plane."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        admitter: Admitter,
        authenticator: Authenticates,
        recorder: Records,
        upstream: SocketUpstream,
        in_flight: InFlight,
        actor_headers: ActorHeaders,
        allow_byok: bool,
        idle_timeout: float | None,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        """Take how long a provider may be silent during a turn, in seconds."""
        self._providers = providers
        self._admitter = admitter
        self._authenticator = authenticator
        self._recorder = recorder
        self._upstream = upstream
        self._in_flight = in_flight
        self._actor_headers = actor_headers
        self._allow_byok = allow_byok
        self._patience = Patience(idle_timeout)
        self._rate_limiter = rate_limiter

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one socket; it counts as one request in flight for as long as it is open."""
        client = ClientSocket(receive, send)
        api = routing.speaks(self._providers, scope["path"])
        try:
            with self._exchange() as exchange:
                await self._serve(scope, client, exchange)
        except Refusal as refusal:
            _log.debug("a socket was refused", status=refusal.status, reason=refusal.message, path=scope["path"])
            with contextlib.suppress(ClientLeft):
                await client.refuse(refusal.response(api))
        except ClientLeft:
            _log.debug("a client went away before its socket was open", path=scope["path"])
        except Exception:  # noqa: BLE001 - a mistake of ours must not show the client a stack trace
            _log.exception("a socket failed in the gateway itself", path=scope["path"])
            with contextlib.suppress(ClientLeft):
                if client.accepted:
                    await client.close(Farewell(1011, "AI Gateway: failed, its log has the reason"))
                else:
                    await client.refuse(bug().response(api))

    @contextmanager
    def _exchange(self) -> Iterator[Exchange]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a socket is served by one
        self._admitter.enter()
        exchange = self._in_flight.begin(task)
        try:
            yield exchange
        finally:
            self._in_flight.end(exchange)
            self._admitter.leave()

    async def _serve(self, scope: dict[str, Any], client: ClientSocket, exchange: Exchange) -> None:
        request = await self._request(scope)
        try:
            with exchange.interruptible():
                provider, credential = await self._connect(request, scope["subprotocols"])
        except Interrupted:
            raise stopping() from None
        turns = Turns(self._recorder, request, credential)
        try:
            relay = SocketRelay(client, provider, turns, partial(self._admit, request), exchange, self._patience)
            if self._admitter.closing:
                raise stopping()
            await client.accept(without_handshake(to_client(provider.headers)), provider.subprotocol)
            await relay.run()
        finally:
            turns.cut("interrupted", "The gateway broke off.")
            await provider.close(Farewell(1001))

    async def _request(self, scope: dict[str, Any]) -> Request:
        head = Head("GET", scope["raw_path"], scope["path"], scope["query_string"], scope["headers"])
        logins_alone = routing.takes_logins_alone(self._providers, head.path)
        actor = await self._authenticate(head.shown, logins_alone=logins_alone)
        route = routing.find(self._providers, "GET", head.raw_path)
        if not isinstance(route.kind, Intercepted) or route.kind.api is not ApiFormat.RESPONSES or route.kind.purpose:
            raise use_post("only the Responses API has it.")
        return Request(head, b"", route, actor, head.shown.byok)

    async def _authenticate(self, asking: Shown, *, logins_alone: bool) -> Actor:
        actor = await authenticate(self._authenticator, asking, allow_byok=self._allow_byok or logins_alone)
        if self._rate_limiter is not None:
            self._rate_limiter.check(actor.api_key_id)
        return actor

    async def _connect(self, request: Request, subprotocols: list[str]) -> tuple[UpstreamSocket, Credential]:
        provider, actor = request.route.provider, request.actor
        told = self._actor_headers.telling(provider.type, actor.user_id, actor.username, actor.email)
        return await self._upstream.open(request, credential_of(request), told, subprotocols)

    async def _admit(self, opening: Request, message: ClientMessage) -> None:
        """Let a message in. Whoever opened the socket may have lost their token since.

        Raises:
            Refusal: as a request would be.

        """
        await self._authenticate(opening.head.shown, logins_alone=opening.route.provider.takes_logins_alone)
        if message.kind == ASKS and self._admitter.closing:
            raise stopping()
        if message.facts.background:
            raise no_background()
