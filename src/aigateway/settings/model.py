"""The settings of a running server, typed and checked. `settings.load` makes them, `app` hands out parts of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aigateway.settings.providers import ProviderSettings


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty host means every interface; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The listener, and the address by which people reach it."""

    address: Address
    access_url: str | None
    """Without a trailing slash; None when the operator named none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The data plane: whether it serves, what it admits and how long it waits."""

    enabled: bool
    allow_byok: bool
    max_body_size: int
    """Bytes."""
    max_concurrency: int | None
    """Requests in flight per replica; None for no cap."""
    connect_timeout: timedelta | None
    """To connect to a provider, TLS included; None waits for ever, here and below."""
    first_byte_timeout: timedelta | None
    """From the request sent to the first byte of the provider's answer."""
    idle_timeout: timedelta | None
    """Between two pieces of an answer."""
    shutdown_timeout: timedelta
    """For requests in flight when the server is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """How long sessions and tokens live. All positive; the default lifetime is not above the longest."""

    session_duration: timedelta
    default_lifetime: timedelta
    max_lifetime: timedelta
    disable_session_refresh: bool
    """Sessions end at their first expiry, however much they are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingSettings:
    """Where log lines go. A destination is a file, `/dev/stderr` or `/dev/stdout`; empty is off."""

    human: str
    json: str
    filter: tuple[re.Pattern[str], ...]
    """Selects debug lines; without any there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an operator can set, with defaults filled in."""

    http: HttpSettings
    gateway: GatewaySettings
    tokens: TokenSettings
    logging: LoggingSettings
    data_dir: Path
    """The folder of the embedded database and the journal; absolute, perhaps not there yet."""
    dev: bool
    """For trying out: `gateway.enabled` is True unless set, and the server adds simulated providers."""
    providers: tuple[ProviderSettings, ...]
    """Implicit ones first, then indexed ones in their order. Names are unique."""
