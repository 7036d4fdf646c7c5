"""A request that passes through: the same credential and header rules, and no record."""

from __future__ import annotations

from typing import Protocol

from aigateway.audit.dumps.dumps import Dumps
from aigateway.gateway.client import Client
from aigateway.gateway.credentials import credential_of
from aigateway.gateway.edits import edit_for
from aigateway.gateway.exchange import Interrupted, Reason
from aigateway.gateway.inflight import InFlight
from aigateway.gateway.refusal import stopping
from aigateway.gateway.relay import Relay
from aigateway.gateway.request import Request
from aigateway.gateway.upstream import Upstream
from aigateway.gateway.witness import Unrecorded
from aigateway.providers.actor_headers import ActorHeaders


class PassesThrough(Protocol):
    """Serves what is not recorded: the relay below, or another around it."""

    async def run(self, request: Request, client: Client) -> None:
        """Serve one request."""


class PassThrough:
    """Relays requests of the routes that are not recorded."""

    def __init__(
        self, *, upstream: Upstream, in_flight: InFlight, actor_headers: ActorHeaders, dumps: Dumps | None = None
    ) -> None:
        self._upstream = upstream
        self._in_flight = in_flight
        self._own_headers = actor_headers.withheld
        self._dumps = dumps

    async def run(self, request: Request, client: Client) -> None:
        """Serve one request.

        Raises:
            Refusal: nothing was sent to the client.

        """
        credential = credential_of(request)
        edit = edit_for(request, None)
        provider = request.route.provider
        dumps = None
        if self._dumps is not None:
            dumps = self._dumps.passed_through(provider.name, provider.base_path + request.route.path)
        exchange = self._in_flight.begin(client.task)
        try:
            exchange.watch_client(client)
            with exchange.interruptible():
                served = await self._upstream.call(request, credential, self._own_headers, exchange, dumps, edit)
                request.let_body_go()
                outgoing = None if edit is None else edit.outgoing
                relay = Relay(served.answer, client, provider.routes.speaks, Unrecorded(), outgoing)
                await relay.run(exchange, [], self._upstream.idle)
        except Interrupted as interrupted:
            if interrupted.reason is not Reason.CLIENT_GONE:
                raise stopping() from None
        finally:
            self._in_flight.end(exchange)
