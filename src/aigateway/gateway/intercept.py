"""Steps 5 to 10 of an intercepted request: identify, record, credential, call, relay, close."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import msgspec
from msgspec.structs import replace

from aigateway.audit.dumps.dumps import Dumps, Series
from aigateway.audit.journal import JournalUnavailable
from aigateway.audit.recorder import UNKNOWN_MODEL, Interception, Outcome, Records
from aigateway.gateway.body import view
from aigateway.gateway.breakers import Breakers
from aigateway.gateway.client import Client, send
from aigateway.gateway.credentials import credential_of
from aigateway.gateway.edits import edit_for
from aigateway.gateway.exchange import Exchange, Interrupted, Reason, WhenGone
from aigateway.gateway.failover import Served
from aigateway.gateway.inflight import InFlight
from aigateway.gateway.inner.loop import InnerLoop
from aigateway.gateway.inner.offering import Injected
from aigateway.gateway.inner.reached import Call, Reached, readable, uncompressed
from aigateway.gateway.refusal import INTERCEPTION_HEADER, Refusal, stopping
from aigateway.gateway.relay import Relay, is_event_stream
from aigateway.gateway.request import Request
from aigateway.gateway.subject import subject_of
from aigateway.gateway.upstream import Upstream
from aigateway.gateway.witness import CLIENT_GONE, Recording
from aigateway.providers.actor_headers import ActorHeaders
from aigateway.providers.credential import Credential
from aigateway.providers.edit import Edit, Outgoing
from aigateway.providers.headers import OwnHeaders
from aigateway.providers.routes import Intercepted, RouteKind
from aigateway.providers.upstream import content_headers
from aigateway.wire.clients import identify
from aigateway.wire.facts import ApiFormat, RequestFacts
from aigateway.wire.observe import observer_for

_LEFT_UNANSWERED = Outcome(None, CLIENT_GONE, "The client went away before the provider answered.")


class Intercepts(Protocol):
    """Serves what is recorded: the interceptor, or another around it."""

    async def run(self, request: Request, api: ApiFormat, client: Client) -> None:
        """Serve one request."""


class _Opened(msgspec.Struct, frozen=True):
    """A request on record, and how its provider is to be called."""

    interception: Interception
    model: str
    credential: Credential
    edit: Edit | None
    dumps: Series | None


@dataclass(frozen=True, slots=True)
class _Turn:
    """A request with tools of the gateway's."""

    request: Request
    api: ApiFormat
    facts: RequestFacts
    opened: _Opened
    injected: Injected
    inner: InnerLoop


class Interceptor:
    """Relays requests that are attributed and recorded."""

    def __init__(
        self,
        *,
        recorder: Records,
        upstream: Upstream,
        in_flight: InFlight,
        max_body_size: int,
        actor_headers: ActorHeaders,
        dumps: Dumps | None = None,
        breakers: Breakers | None = None,
        when_client_gone: WhenGone = Exchange.give_up,
        inner: InnerLoop | None = None,
    ) -> None:
        self._recorder = recorder
        self._upstream = upstream
        self._in_flight = in_flight
        self._max_body_size = max_body_size
        self._actor_headers = actor_headers
        self._dumps = dumps
        self._breakers = breakers or Breakers()
        self._when_client_gone = when_client_gone
        self._inner = inner

    async def run(self, request: Request, api: ApiFormat, client: Client) -> None:
        """Serve one request.

        Raises:
            Refusal: nothing was sent to the client; where the request is on record, so is the refusal.

        """
        facts = _for_its_purpose(view(api, request.body, request.headers, self._max_body_size), request.route.kind)
        opened = self._open(request, facts)
        interception = opened.interception
        exchange = self._in_flight.begin(client.task)
        try:
            injected = await self._inner.inject(request, api, facts) if self._inner is not None else None
            # A client that is gone needs no more calls: those requests are never read on for the record alone.
            exchange.watch_client(client, self._when_client_gone if injected is None else Exchange.give_up)
            with exchange.interruptible():
                if injected is None or self._inner is None:
                    edit = opened.edit
                    served = await self._call(request, opened, exchange)
                    request.let_body_go()
                    await self._relay(api, opened, served, None if edit is None else edit.outgoing, exchange, client)
                else:
                    turn = _Turn(request, api, facts, opened, injected, self._inner)
                    await self._tell(turn, exchange, client)
        except Interrupted as interrupted:
            if interrupted.reason is Reason.CLIENT_GONE:
                interception.close(_LEFT_UNANSWERED, None)
            else:
                refusal = stopping()
                await self._record_refusal(interception, refusal, deserted=exchange.deserted)
                raise refusal from None
        except Refusal as refusal:
            await self._record_refusal(interception, refusal, deserted=exchange.deserted)
            raise
        finally:
            self._in_flight.end(exchange)
            if not interception.closed:
                interception.close(Outcome(None, "interrupted", "The gateway broke off."), None)

    def _open(self, request: Request, facts: RequestFacts) -> _Opened:
        credential = credential_of(request)
        edit = edit_for(request, facts)
        requested = None
        if edit is not None and edit.model is not None:
            requested = facts.model
            facts = replace(facts, model=edit.model)
        subject = subject_of(request, credential, requested)
        interception = self._recorder.open(subject, facts, identify(request.headers, facts), len(request.body))
        model = facts.model or UNKNOWN_MODEL
        dumps = None
        if self._dumps is not None:
            dumps = self._dumps.intercepted(request.route.provider.name, model, interception.id)
        return _Opened(interception, model, credential, edit, dumps)

    async def _tell(self, turn: _Turn, exchange: Exchange, client: Client) -> None:
        """An exchange with tools of the gateway's: of one answer or of several."""
        opened, call = turn.opened, self._call_of(turn, exchange)
        reached = await turn.inner.reach(turn.request, turn.facts, turn.injected, call)
        if not reached.tellable:
            await self._relay(turn.api, opened, reached.served, reached.outgoing, exchange, client)
            return
        await turn.inner.tell(
            turn.request,
            turn.api,
            turn.injected,
            reached,
            interception=opened.interception,
            served_by=_other_credential(opened, reached.served),
            call=call,
            send=partial(send, client),
            exchange=exchange,
            patience=self._upstream.idle,
        )

    def _call_of(self, turn: _Turn, exchange: Exchange) -> Call:
        request = uncompressed(turn.request)

        async def call(body: bytes) -> Reached:
            asked = replace(request, body=body)
            edit = edit_for(asked, turn.facts)
            served = await self._call(asked, replace(turn.opened, edit=edit), exchange)
            return Reached(readable(served), None if edit is None else edit.outgoing)

        return call

    def _relay(
        self,
        api: ApiFormat,
        opened: _Opened,
        served: Served,
        outgoing: Outgoing | None,
        exchange: Exchange,
        client: Client,
    ) -> Awaitable[None]:
        headers = [(INTERCEPTION_HEADER, opened.interception.id.encode())]
        recording = _recording(opened, api, served, exchange)
        return Relay(served.answer, client, api, recording, outgoing).run(exchange, headers, self._upstream.idle)

    def _call(self, request: Request, opened: _Opened, exchange: Exchange) -> Awaitable[Served]:
        if self._breakers.active:
            return self._guarded_call(request, opened, exchange)
        told = self._told(request)
        return self._upstream.call(request, opened.credential, told, exchange, opened.dumps, opened.edit)

    async def _guarded_call(self, request: Request, opened: _Opened, exchange: Exchange) -> Served:
        route, told = request.route, self._told(request)
        endpoint = route.provider.routes.prefix + route.path
        with self._breakers.guard(route.provider.name, endpoint, opened.model) as verdict:
            served = await self._upstream.call(request, opened.credential, told, exchange, opened.dumps, opened.edit)
            verdict.answered(served.answer.status, centralized=served.credential.kind == "centralized")
            return served

    def _told(self, request: Request) -> OwnHeaders:
        actor = request.actor
        return self._actor_headers.telling(request.route.provider.type, actor.user_id, actor.username, actor.email)

    async def _record_refusal(self, interception: Interception, refusal: Refusal, *, deserted: bool) -> None:
        refusal.interception_id = interception.id
        if interception.closed:
            return
        outcome = Outcome(refusal.status, refusal.error_type, refusal.message)
        try:
            await interception.close(_LEFT_UNANSWERED if deserted else outcome, None)
        except JournalUnavailable:
            # The refusal says so itself, or is as good without its record: nothing was served.
            return


def _for_its_purpose(facts: RequestFacts, kind: RouteKind) -> RequestFacts:
    """What the body says, in the light of the path that it was sent to."""
    if isinstance(kind, Intercepted) and kind.purpose is not None:
        return replace(facts, purpose=kind.purpose, prompt=None)
    return facts


def _recording(opened: _Opened, api: ApiFormat, served: Served, exchange: Exchange) -> Recording:
    answer = served.answer
    kind, encoding, length = content_headers(answer)
    observer = observer_for(
        api,
        content_type=kind.decode("latin-1"),
        content_encoding=encoding.decode("latin-1"),
        status=answer.status,
    )
    return Recording(
        opened.interception,
        observer,
        status=answer.status,
        streaming=is_event_stream(kind),
        length=int(length) if length.isdigit() else None,
        served_by=_other_credential(opened, served),
        deserted=lambda: exchange.deserted,
    )


def _other_credential(opened: _Opened, served: Served) -> str | None:
    hint = served.credential.hint
    return hint if hint != opened.credential.hint else None
