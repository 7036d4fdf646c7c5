"""How providers do at this moment, as operators see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One of the organisation's keys."""

    hint: str
    """Masked; empty while it is not known."""
    state: str
    """`valid`, `rate_limited` or `unauthorized`."""
    until: datetime | None
    """When it is used again; None while it is in use."""


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """One circuit breaker that has counted something."""

    endpoint: str
    model: str
    state: str
    """`closed`, `half-open` or `open`."""
    until: datetime | None
    """When it lets requests try again; None unless it is open."""


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One provider."""

    name: str
    type: str
    keys: tuple[KeyStatus, ...]
    """In the order in which they are tried."""
    breakers: tuple[BreakerStatus, ...]
