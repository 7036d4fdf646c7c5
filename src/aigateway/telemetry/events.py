"""What happens seldom and is worth counting: told to `Events`, which counts nothing, or to `Metrics`, which does.

A room that has something to tell takes `events: Events = Events()`; it does not know whether anybody listens.
"""

from __future__ import annotations

from enum import Enum


class BreakerState(Enum):
    """A circuit breaker's state; the value is that of the metric."""

    CLOSED = 0.0
    HALF_OPEN = 0.5
    OPEN = 1.0


class Events:
    """Nobody listens."""

    def breaker_changed(self, provider: str, endpoint: str, model: str, state: BreakerState) -> None:
        """A circuit breaker is in a new state; `OPEN` counts as a trip."""

    def breaker_rejected(self, provider: str, endpoint: str, model: str) -> None:
        """An open circuit breaker refused a request."""

    def key_states(self, provider: str, states: dict[str, int]) -> None:
        """How many keys of a pool are in each state now: `{"valid": 2, "temporary": 1, "permanent": 0}`."""

    def key_changed(self, provider: str, reason: str) -> None:
        """A key of a pool changed its state; the reason is one of few words (`rate_limited`, `unauthorized`, …)."""

    def keys_exhausted(self, provider: str, outcome: str) -> None:
        """A request found no usable key; the outcome is one of few words (`rate_limited`, `unauthorized`)."""

    def key_attempts(self, provider: str, attempts: int) -> None:
        """How many keys of a pool one request was tried with."""

    def tools_listed(self, server: str, tools: int, *, reachable: bool) -> None:
        """An MCP server was asked for its tools; how many it offers, or offered last."""

    def tool_called(self, server: str, seconds: float, *, failed: bool) -> None:
        """The gateway called a tool of an MCP server."""

    def journals_adopted(self, shipped: int, *, left: int) -> None:
        """A look for what dead processes left behind: journals that were shipped whole, and those still there."""

    def purged(self, record_type: str, records: int) -> None:
        """A purge deleted records; the type is the word of the purge's log entry (`aibridge_records`, `api_keys`)."""

    def purge_ended(self, *, success: bool, seconds: float) -> None:
        """One pass of the purge is over."""
