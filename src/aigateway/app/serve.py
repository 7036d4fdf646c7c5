"""One run of the server, from settings to exit status."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click
import uvloop

from aigateway import __version__
from aigateway.accounts.service import Accounts
from aigateway.app import dev
from aigateway.app.asgi import Application, Asgi
from aigateway.app.datadir import DataDirError, hold
from aigateway.app.dumping import dumping
from aigateway.app.health import Health
from aigateway.app.listener import Https, Listener, ListenError, base_url, bind
from aigateway.app.observing import bind_metrics
from aigateway.app.services import Services, running
from aigateway.app.tls import Certificate, TlsError
from aigateway.audit.dumps.dumps import DumpDirUnusable, Dumps
from aigateway.audit.journal import JournalUnavailable
from aigateway.settings.model import Settings, TlsSettings
from aigateway.settings.providers import ProviderSettings
from aigateway.store.engine import StoreTooNew, StoreUnavailable
from aigateway.telemetry import logging
from aigateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from aigateway.simulator.server import Simulator

_CANNOT_START = (
    DataDirError,
    ListenError,
    TlsError,
    DumpDirUnusable,
    JournalUnavailable,
    StoreUnavailable,
    StoreTooNew,
)

_log = get_logger("server")


def serve(settings: Settings, warnings: Sequence[str]) -> int:
    """Run until told to stop.

    Args:
        settings: checked settings.
        warnings: what the operator should hear about them.

    Returns:
        The exit status: 0 after a clean stop, 1 when the server could not start (the reason is on standard error).

    """
    for warning in warnings:
        _log.warning(warning)
    _allow_many_connections()
    # Rotating logs in the first or the last moments must not end the server.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with (
            hold(settings.data_dir),
            contextlib.closing(bind(settings.http.address)) as plain,
            _https(settings.http.tls) as https,
            bind_metrics(settings.metrics) as metrics_listener,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_serve(settings, plain, https, metrics_listener))
    except _CANNOT_START as error:
        click.echo(f"aigateway: the server cannot start: {error}", err=True)
        return 1
    return 0


async def _serve(
    settings: Settings, plain: socket.socket, https: Https | None, metrics_listening: socket.socket | None
) -> None:
    async with (
        _simulated(settings) as simulated,
        dumping(settings.gateway) as dumps,
        running(settings, [*settings.providers, *simulated], dumps) as services,
        services.observing.scraped(metrics_listening, services.journal),
    ):
        gateway = settings.gateway
        application = Application(
            health=Health(
                journal=services.records,
                store=services.store,
                admitter=services.admitter,
                providers=services.providers,
                enabled=gateway.enabled,
                allow_byok=gateway.allow_byok,
            ),
            data_plane=services.endpoint if gateway.enabled else None,
            sockets=services.sockets if gateway.enabled else None,
            make_control_plane=lambda: _control_plane(settings, services),
        )
        listener = Listener(
            application,
            shutdown_timeout=gateway.shutdown_timeout.total_seconds(),
            largest_message=gateway.max_body_size,
            on_stop=services.stop,
            on_limit=services.in_flight.interrupt_all,
            on_hangup=lambda: _hang_up(https, dumps),
        )
        url = settings.http.access_url or base_url(plain)
        _log.info(
            "AI Gateway is ready",
            version=__version__,
            url=url,
            https=base_url(https.socket, "https") if https else "off",
            enabled=gateway.enabled,
            providers=sorted(services.providers),
            data_dir=str(settings.data_dir),
        )
        if settings.dev:
            click.echo(await dev.welcome(settings, services, url))
        await listener.serve(plain, https)
        _log.info("the last request is over; shipping the journal")


@contextlib.contextmanager
def _https(settings: TlsSettings | None) -> Iterator[Https | None]:
    """Hold the socket for HTTPS, with its certificate; None when it is off."""
    if settings is None:
        yield None
        return
    certificate = Certificate(settings)
    with contextlib.closing(bind(settings.address, "--tls-address (CODER_TLS_ADDRESS)")) as listening:
        yield Https(listening, certificate)


def _hang_up(https: Https | None, dumps: Dumps | None) -> None:
    """What SIGHUP asks for: log files and the certificate anew, and room for dumps where old ones were removed."""
    logging.reopen()
    if https is not None:
        https.certificate.reload()
    if dumps is not None:
        dumps.count_anew()


def _control_plane(settings: Settings, services: Services) -> Asgi:
    from aigateway.api.app import create_api  # noqa: PLC0415 - FastAPI is slow to import, and the data plane needs none

    accounts = Accounts(services.store, services.authenticator, settings.tokens)
    api: Asgi = create_api(accounts=accounts, authenticator=services.authenticator, store=services.store)
    return api


@asynccontextmanager
async def _simulated(settings: Settings) -> AsyncIterator[tuple[ProviderSettings, ...]]:
    """The simulated providers of `--dev`; none otherwise."""
    if not settings.dev:
        yield ()
        return
    simulator = _simulator()
    async with simulator:
        yield dev.providers(simulator.url)


def _simulator() -> Simulator:
    from aigateway.simulator.server import Simulator  # noqa: PLC0415 - only --dev needs it

    return Simulator(event_interval=dev.EVENT_INTERVAL_SECONDS)


def _allow_many_connections() -> None:
    """Two file descriptors a stream: take as many as the system grants without asking."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
