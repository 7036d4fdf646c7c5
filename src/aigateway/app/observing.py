"""Who counts and who traces, put around the services that they watch. What is off is not there, and costs nothing."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aigateway.app.listener import base_url
from aigateway.audit.journal import Journal, JournalUnavailable
from aigateway.audit.recorder import Records
from aigateway.audit.shipper import Shipper
from aigateway.audit.unrecorded import LenientJournal
from aigateway.gateway.intercept import Intercepts
from aigateway.gateway.passthrough import PassesThrough
from aigateway.gateway.status import ProviderStates
from aigateway.gateway.transport import Transport
from aigateway.providers.provider import Provider
from aigateway.settings.model import Settings
from aigateway.telemetry import logging
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from aigateway.telemetry.metrics import Metrics
    from aigateway.telemetry.tracing import Tracing

_log = get_logger("observing")

_BACKLOG_SECONDS = 1.0
_LAST_SPANS_SECONDS = 5.0

# The libraries behind metrics and traces are slow to import, so that is done where they are wanted.
# ruff: noqa: PLC0415


@dataclass(frozen=True, slots=True)
class Observing:
    """What the settings switched on."""

    metrics: Metrics | None
    tracing: Tracing | None

    @property
    def events(self) -> Events:
        """Where services tell what happens seldom."""
        return self.metrics or Events()

    def recorder(self, recorder: Records) -> Records:
        """The recorder, watched."""
        if self.metrics:
            from aigateway.audit.measured import MeasuredRecorder

            recorder = MeasuredRecorder(recorder, self.metrics)
        if self.tracing:
            from aigateway.gateway.traced import TracedRecorder

            recorder = TracedRecorder(recorder)
        return recorder

    def interceptor(self, interceptor: Intercepts) -> Intercepts:
        """The interceptor, watched."""
        if self.tracing:
            from aigateway.gateway.traced import TracedInterceptor

            interceptor = TracedInterceptor(interceptor, self.tracing.tracer)
        return interceptor

    def pass_through(self, pass_through: PassesThrough) -> PassesThrough:
        """What passes through, watched."""
        if self.metrics:
            from aigateway.gateway.measured import MeasuredPassThrough

            pass_through = MeasuredPassThrough(pass_through, self.metrics)
        if self.tracing:
            from aigateway.gateway.traced import TracedPassThrough

            pass_through = TracedPassThrough(pass_through, self.tracing.tracer)
        return pass_through

    def transport(self, transport: Transport) -> Transport:
        """The transport, watched."""
        if self.tracing:
            from aigateway.gateway.traced import TracedTransport

            transport = TracedTransport(transport)
        return transport

    def services(
        self, providers: Iterable[Provider], journal: Journal, shipper: Shipper, records: Journal | LenientJournal
    ) -> None:
        """Name the providers, and read from the services what they know themselves."""
        if self.metrics:
            from aigateway.telemetry.metrics import Readings

            for provider in providers:
                self.metrics.provider(provider.name, provider.type.value, "enabled")
            self.metrics.read_from(
                Readings(
                    journal_failures=lambda: journal.failures,
                    ship_failures=lambda: shipper.failures,
                    records_rejected=lambda: shipper.rejected,
                    unrecorded_requests=lambda: records.unrecorded,
                    log_entries_lost=logging.lost,
                )
            )

    @asynccontextmanager
    async def scraped(
        self, listening: socket.socket | None, journal: Journal, providers: ProviderStates
    ) -> AsyncIterator[None]:
        """Answer Prometheus on a socket, until the block is left."""
        if self.metrics is None or listening is None:
            yield
            return
        from aigateway.app.scrape import Scrape, scraped

        scrape = Scrape(self.metrics, partial(_look, self.metrics, journal, providers))
        async with scraped(scrape, listening):
            _log.info("metrics are served", url=f"{base_url(listening)}/metrics")
            yield

    async def stop(self) -> None:
        """Send the last spans."""
        if self.tracing:
            await self.tracing.stop(within_seconds=_LAST_SPANS_SECONDS)


def observing(settings: Settings) -> Observing:
    """Make what the settings switch on."""
    metrics: Metrics | None = None
    tracing: Tracing | None = None
    if settings.metrics.enabled:
        from aigateway.telemetry.metrics import Metrics

        metrics = Metrics()
    if settings.tracing.enabled:
        from aigateway.telemetry.tracing import Tracing, exporters_for

        tracing = Tracing(exporters_for(settings.tracing))
        if settings.tracing.capture_logs:
            from aigateway.gateway.traced import note

            logging.follow(note)
    return Observing(metrics, tracing)


async def _look(metrics: Metrics, journal: Journal, providers: ProviderStates) -> None:
    """Bring up to date what nobody tells of."""
    providers.tell()
    metrics.journal_slowest_write.set(journal.slowest_write)
    journal.slowest_write = 0.0
    await _read_backlog(metrics, journal)


async def _read_backlog(metrics: Metrics, journal: Journal) -> None:
    """Bring the gauge up to date that the journal tells when it is asked; not a number while it cannot."""
    entries = math.nan
    try:
        async with asyncio.timeout(_BACKLOG_SECONDS):
            entries = await journal.backlog()
    except (TimeoutError, JournalUnavailable):
        pass
    metrics.journal_backlog.set(entries)
