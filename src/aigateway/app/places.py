"""Where the server listens: every socket is taken before anything else is done, for each process that is to serve."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from aigateway.app.listener import bind
from aigateway.settings.model import Address, Settings

_HTTP = "--http-address (CODER_HTTP_ADDRESS)"
_HTTPS = "--tls-address (CODER_TLS_ADDRESS)"
_METRICS = "--prometheus-address (CODER_PROMETHEUS_ADDRESS)"


@dataclass(frozen=True, slots=True)
class Places:
    """The listening sockets of one process; None for what is off."""

    plain: socket.socket
    https: socket.socket | None
    metrics: socket.socket | None

    def numbers(self) -> tuple[int | None, ...]:
        """The descriptors, for another process to make `Places` of."""
        return tuple(None if place is None else place.fileno() for place in self._all())

    @classmethod
    def of_numbers(cls, numbers: Sequence[int | None]) -> Places:
        """The sockets that this process was born with."""
        plain, https, metrics = (None if number is None else socket.socket(fileno=number) for number in numbers)
        if plain is None:
            raise ValueError("the socket for HTTP is missing")
        return cls(plain, https, metrics)

    def close(self) -> None:
        """Let go of them; another process that has them goes on listening."""
        for place in self._all():
            if place is not None:
                place.close()

    def _all(self) -> tuple[socket.socket | None, ...]:
        return self.plain, self.https, self.metrics


@contextmanager
def taken(settings: Settings) -> Iterator[list[Places]]:
    """Listen for each worker, until the block is left.

    Several workers listen at the same address (SO_REUSEPORT), and the system spreads connections over them. Metrics are
    each worker's own, so the second worker's are at the next port, and so on.

    Raises:
        ListenError: an address cannot be used.

    """
    http, tls, metrics = settings.http.address, settings.http.tls, settings.metrics
    with ExitStack() as stack:
        plain = _shared(http, _HTTP, settings.workers)
        https = _shared(tls.address, _HTTPS, settings.workers) if tls else [None] * settings.workers
        places = []
        for number in range(settings.workers):
            scraped = None
            if metrics.enabled:
                port = metrics.address.port and metrics.address.port + number
                scraped = bind(replace(metrics.address, port=port), _METRICS)
            place = Places(plain[number], https[number], scraped)
            stack.enter_context(closing(place))
            places.append(place)
        yield places


def _shared(address: Address, option: str, workers: int) -> list[socket.socket]:
    if workers == 1:
        return [bind(address, option)]
    # Alone first: a port that is taken by a server of several workers as well could be shared without an error.
    with closing(bind(address, option)) as probe:
        port = probe.getsockname()[1]
    return [bind(replace(address, port=port), option, shared=True) for _ in range(workers)]
