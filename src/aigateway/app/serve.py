"""One run of the server, from settings to exit status."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click
import uvloop

from aigateway import __version__
from aigateway.app import dev, interpreter
from aigateway.app.asgi import Application
from aigateway.app.control_plane import control_plane
from aigateway.app.datadir import DataDirError, hold
from aigateway.app.dumping import dumping
from aigateway.app.health import Health
from aigateway.app.listener import Https, Listener, ListenError, base_url
from aigateway.app.places import Places, taken
from aigateway.app.sealing import KeyUnusable
from aigateway.app.services import running
from aigateway.app.supervisor import Supervisor
from aigateway.app.tls import Certificate, TlsError
from aigateway.audit.dumps.dumps import DumpDirUnusable, Dumps
from aigateway.audit.journal import JournalUnavailable
from aigateway.settings.model import Settings
from aigateway.settings.providers import ProviderSettings
from aigateway.settings.shown import Effective
from aigateway.store.engine import StoreRefused, StoreTooNew, StoreUnavailable
from aigateway.telemetry import logging
from aigateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from aigateway.simulator.server import Simulator

CANNOT_START = (
    DataDirError,
    ListenError,
    TlsError,
    DumpDirUnusable,
    JournalUnavailable,
    StoreUnavailable,
    StoreRefused,
    StoreTooNew,
    KeyUnusable,
)

_log = get_logger("server")


def serve(settings: Settings, effective: Effective) -> int:
    """Run until told to stop.

    Args:
        settings: checked settings.
        effective: the same for people, and what the operator should hear about them.

    Returns:
        The exit status: 0 after a clean stop, 1 when the server could not start (the reason is on standard error).

    """
    for warning in effective.warnings:
        _log.warning(warning)
    prepare()
    try:
        with hold(settings.data_dir) as lock, taken(settings) as places:
            if len(places) > 1:
                return Supervisor(settings, effective, places, lock).run()
            run(settings, effective, places[0])
    except CANNOT_START as error:
        say_why(error)
        return 1
    return 0


def prepare() -> None:
    """Make the process fit to serve."""
    _allow_many_connections()
    # Rotating logs in the first or the last moments must not end the server.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def say_why(error: Exception) -> None:
    """Say on standard error why the server cannot start."""
    click.echo(f"aigateway: the server cannot start: {error}", err=True)


def run(
    settings: Settings,
    effective: Effective,
    places: Places,
    *,
    number: int = 0,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve at these places until told to stop; `ready` is called once requests are served.

    Of several workers, each has a number; what needs doing once is done by number 0.

    Raises:
        Exception: one of `CANNOT_START`.

    """
    certificate = Certificate(settings.http.tls) if settings.http.tls else None
    https = Https(places.https, certificate) if places.https and certificate else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, effective, places, https, number, ready))


async def _serve(
    settings: Settings,
    effective: Effective,
    places: Places,
    https: Https | None,
    number: int,
    ready: Callable[[], None],
) -> None:
    async with (
        _simulated(settings) as simulated,
        dumping(settings.gateway) as dumps,
        running(settings, [*settings.providers, *simulated], dumps, purges=number == 0) as services,
        services.observing.scraped(places.metrics, services.journal, services.provider_states),
    ):
        gateway = settings.gateway
        health = Health(
            journal=services.records,
            store=services.store,
            providers=services.providers,
            enabled=gateway.enabled,
            allow_byok=gateway.allow_byok,
        )
        application = Application(
            health=health,
            data_plane=services.endpoint.serve if gateway.enabled else None,
            sockets=services.sockets if gateway.enabled else None,
            make_control_plane=lambda: control_plane(settings, effective, services),
        )
        listener = Listener(
            application,
            shutdown_delay=gateway.shutdown_delay.total_seconds(),
            shutdown_timeout=gateway.shutdown_timeout.total_seconds(),
            largest_message=gateway.max_body_size,
            on_leave=health.leave,
            on_stop=services.stop,
            on_limit=services.in_flight.interrupt_all,
            on_hangup=lambda: _hang_up(https, dumps),
        )
        url = settings.http.access_url or base_url(places.plain)
        _log.info(
            "AI Gateway is ready",
            version=__version__,
            url=url,
            https=base_url(https.socket, "https") if https else "off",
            enabled=gateway.enabled,
            providers=sorted(services.providers),
            data_dir=str(settings.data_dir),
        )
        interpreter.settle()
        ready()
        if settings.dev and number == 0:
            click.echo(await dev.welcome(settings, services, url))
        await listener.serve(places.plain, https)
        _log.info("the last request is over; shipping the journal")


def _hang_up(https: Https | None, dumps: Dumps | None) -> None:
    """What SIGHUP asks for: log files and the certificate anew, and room for dumps where old ones were removed."""
    logging.reopen()
    if https is not None:
        https.certificate.reload()
    if dumps is not None:
        dumps.count_anew()


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
