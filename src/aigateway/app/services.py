"""The wiring: from settings to objects that know each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.revocations import Revocations
from aigateway.app.observing import Observing, observing
from aigateway.app.sealing import check, keyring
from aigateway.app.shipping import journal_folder, own_chain, shippers
from aigateway.app.storage import open_store
from aigateway.app.tooling import tooling
from aigateway.audit.adoption import Adoption
from aigateway.audit.dumps.dumps import Dumps
from aigateway.audit.heads import Heads
from aigateway.audit.indexer import Indexer
from aigateway.audit.journal import Journal
from aigateway.audit.journals import Journals
from aigateway.audit.recorder import Recorder
from aigateway.audit.retention import Retention
from aigateway.audit.shipper import Shipper
from aigateway.audit.summer import Summer
from aigateway.audit.unrecorded import LenientJournal
from aigateway.gateway.admit import Admitter
from aigateway.gateway.breakers import Breakers
from aigateway.gateway.drain import Drain
from aigateway.gateway.endpoint import Endpoint
from aigateway.gateway.exchange import Exchange
from aigateway.gateway.http1.transport import HttpTransport
from aigateway.gateway.inflight import InFlight
from aigateway.gateway.inner.limits import Limits
from aigateway.gateway.inner.loop import InnerLoop
from aigateway.gateway.intercept import Interceptor
from aigateway.gateway.passthrough import PassThrough
from aigateway.gateway.probe import Prober
from aigateway.gateway.rate import RateLimiter
from aigateway.gateway.socket_transport import SocketTransport
from aigateway.gateway.socket_upstream import SocketUpstream
from aigateway.gateway.status import ProviderStates
from aigateway.gateway.transport import Transport
from aigateway.gateway.upstream import Upstream
from aigateway.gateway.websocket import Sockets
from aigateway.providers.actor_headers import actor_headers
from aigateway.providers.provider import Provider, build
from aigateway.settings.model import AuditFailure, OnDisconnect, Settings, ToolLimits
from aigateway.settings.providers import ProviderSettings
from aigateway.store.engine import Store
from aigateway.tools.service import ToolService

_SHIP_AT_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a running server is made of."""

    store: Store
    journal: Journal
    records: Journal | LenientJournal
    """Where the data plane puts records: the journal, or what keeps its failures from requests."""
    shipper: Shipper
    authenticator: Authenticator
    admitter: Admitter
    in_flight: InFlight
    providers: dict[str, Provider]
    provider_states: ProviderStates
    prober: Prober
    endpoint: Endpoint
    sockets: Sockets
    observing: Observing
    tools: ToolService

    def stop(self) -> None:
        """Let nothing new in; what is in flight may finish."""
        self.admitter.close()
        self.in_flight.stop()


@asynccontextmanager
async def running(
    settings: Settings, providers: Sequence[ProviderSettings], dumps: Dumps | None, *, purges: bool
) -> AsyncIterator[Services]:
    """Start every service, and stop them in the right order: nothing that was recorded is left behind unsaid.

    Old records are purged, and texts indexed, by one process of those that share a data directory.

    Raises:
        JournalUnavailable: the journal cannot be opened.
        StoreUnavailable, StoreRefused, StoreTooNew: the database cannot be opened.
        KeyUnusable: secrets in it cannot be decrypted, or no key for them can be made.

    """
    async with AsyncExitStack() as stack:
        journals = Journals(journal_folder(settings.data_dir))
        claim = journals.claim()
        stack.callback(claim.release)
        journal = Journal(claim.path, max_size=settings.gateway.journal_max_size, hold=claim.renew)
        await journal.open()
        stack.push_async_callback(journal.close)
        store = await open_store(settings.postgres_url, settings.data_dir)
        stack.push_async_callback(store.close)
        await check(store, keyring(settings.external_token_encryption_keys, settings.data_dir, may_make=False))

        chain = own_chain(settings.data_dir)
        heads = Heads(store, chain)
        heads.start()
        stack.push_async_callback(heads.stop)
        make_shipper = shippers(store, chain, logs=settings.gateway.structured_logging)
        shipper = make_shipper(journal)
        await shipper.adopt()
        shipper.start()
        observed = observing(settings)
        stack.push_async_callback(observed.stop)
        tools = await stack.enter_async_context(tooling(settings, store, observed.events))
        services, transports = _wire(settings, providers, store, journal, shipper, dumps, observed, tools)
        stack.push_async_callback(shipper.stop, within_seconds=_SHIP_AT_STOP_SECONDS)
        stack.push_async_callback(services.authenticator.close)
        revocations = Revocations(store, services.authenticator)
        revocations.start()
        stack.push_async_callback(revocations.stop)
        for transport in transports:
            stack.push_async_callback(transport.close)
        finding = asyncio.create_task(_find_credentials(services.providers.values()))
        stack.callback(finding.cancel)
        adoption = Adoption(journals, make_shipper, services.observing.events)
        adoption.start()
        stack.push_async_callback(adoption.stop)
        if purges:
            retention = Retention(
                store,
                records=settings.gateway.retention,
                expired_keys=settings.tokens.api_keys_retention,
                events=services.observing.events,
            )
            retention.start()
            stack.push_async_callback(retention.stop)
            indexer = Indexer(store)
            indexer.start()
            stack.push_async_callback(indexer.stop)
            summer = Summer(store)
            summer.start()
            stack.push_async_callback(summer.stop)
        yield services


async def _find_credentials(providers: Iterable[Provider]) -> None:
    """Let no request wait for what signs it. What is not found is logged there, and looked for again by requests."""
    signers = [signer for provider in providers for signer in provider.signers]
    await asyncio.gather(*(signer.prepare() for signer in signers), return_exceptions=True)


def _wire(
    everything: Settings,
    configured: Sequence[ProviderSettings],
    store: Store,
    journal: Journal,
    shipper: Shipper,
    dumps: Dumps | None,
    observed: Observing,
    tools: ToolService,
) -> tuple[Services, Sequence[Transport | SocketUpstream]]:
    settings = everything.gateway
    providers = {provider.name: build(provider) for provider in configured}
    records = LenientJournal(journal) if settings.audit_failure is AuditFailure.ALLOW else journal
    observed.services(providers.values(), journal, shipper, records)
    transport = observed.transport(HttpTransport(connect_timeout=seconds(settings.connect_timeout)))
    upstream = Upstream(
        transport,
        first_byte_timeout=seconds(settings.first_byte_timeout),
        idle_timeout=seconds(settings.idle_timeout),
        events=observed.events,
    )
    breakers = Breakers(settings.circuit_breaker, observed.events)
    in_flight = InFlight()
    admitter = Admitter(settings.max_concurrency, settings.max_body_size)
    authenticator = Authenticator(store, sliding_sessions=not everything.tokens.disable_session_refresh)
    told = actor_headers(settings)
    recorder = observed.recorder(Recorder(records))
    rate_limiter = RateLimiter(settings.rate_limit) if settings.rate_limit is not None else None
    interceptor = Interceptor(
        recorder=recorder,
        upstream=upstream,
        in_flight=in_flight,
        max_body_size=settings.max_body_size,
        actor_headers=told,
        dumps=dumps,
        breakers=breakers,
        when_client_gone=Drain() if settings.on_disconnect is OnDisconnect.DRAIN else Exchange.give_up,
        inner=_inner_loop(tools, everything.tools),
    )
    pass_through = PassThrough(upstream=upstream, in_flight=in_flight, actor_headers=told, dumps=dumps)
    endpoint = Endpoint(
        providers=providers,
        admitter=admitter,
        authenticator=authenticator,
        interceptor=observed.interceptor(interceptor),
        pass_through=observed.pass_through(pass_through),
        allow_byok=settings.allow_byok,
        rate_limiter=rate_limiter,
    )
    socket_upstream = SocketUpstream(partial(_socket_transport, seconds(settings.connect_timeout)), observed.events)
    sockets = Sockets(
        providers=providers,
        admitter=admitter,
        authenticator=authenticator,
        recorder=recorder,
        upstream=socket_upstream,
        in_flight=in_flight,
        actor_headers=told,
        allow_byok=settings.allow_byok,
        idle_timeout=seconds(settings.idle_timeout),
        rate_limiter=rate_limiter,
    )
    services = Services(
        store=store,
        journal=journal,
        records=records,
        shipper=shipper,
        authenticator=authenticator,
        admitter=admitter,
        in_flight=in_flight,
        providers=providers,
        provider_states=ProviderStates(providers.values(), breakers, observed.events),
        prober=Prober(providers, transport),
        endpoint=endpoint,
        sockets=sockets,
        observing=observed,
        tools=tools,
    )
    return services, (transport, socket_upstream)


def _inner_loop(tools: ToolService, limits: ToolLimits) -> InnerLoop | None:
    if tools.servers is None:
        return None
    return InnerLoop(
        tools.servers,
        Limits(
            rounds=limits.max_rounds,
            seconds=limits.call_timeout.total_seconds(),
            result_bytes=limits.max_result_size,
        ),
    )


def seconds(duration: timedelta | None) -> float | None:
    """A timeout as asyncio takes it."""
    return None if duration is None else duration.total_seconds()


def _socket_transport(connect_timeout: float | None) -> SocketTransport:
    from aigateway.gateway.aiohttp_socket import AiohttpSockets  # noqa: PLC0415 - large, and few want a WebSocket

    return AiohttpSockets(connect_timeout=connect_timeout)
