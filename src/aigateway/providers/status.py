"""How providers do at this moment, as operators see it."""

from __future__ import annotations

import math
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came of a call that an operator asked for."""

    name: str
    """The provider's."""
    ok: bool
    status: int | None
    """What the provider answered; None when it did not."""
    latency_ms: int
    """Until its answer began, or until it was given up."""
    key: str
    """Which key was shown, masked; empty for none."""
    message: str
    """What is good or wrong, and what to do, in sentences."""
    at: datetime


class ProbedTooSoon(Exception):
    """The provider was called a moment ago."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"This provider was tested a moment ago. Wait {math.ceil(seconds)} s.")
        self.seconds = math.ceil(seconds)
        """Until it may be called again."""
