"""Every metric by name, in one registry of its own (control-plane spec 8.3, data-plane spec 20).

Whoever counts on the hot path (`audit.measured`, `gateway.measured`) holds on to the children it uses; whoever tells
of something seldom calls a method of `Events`; what services know anyway is read when somebody scrapes (`Readings`).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from aigateway import __version__
from aigateway.telemetry.events import BreakerState, Events
from aigateway.telemetry.labels import Children, Values, printable
from aigateway.telemetry.plain import Distributions, Level, Levels
from aigateway.telemetry.tallies import Tallies

PREFIX = "coder_ai_gateway_"

MOST_MODELS = 500
MOST_TOOLS = 500
MOST_CLIENTS = 100
MOST_INITIATORS = 5000
MOST_COMBINATIONS = 5000
"""Combinations of label values that one metric tells apart."""

_DURATION_BUCKETS = (0.5, 2, 5, 15, 30, 60, 120)
_FIRST_BYTE_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_ATTEMPT_BUCKETS = (1, 2, 3, 5, 10)
_TOOL_BUCKETS = (0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
_PURGE_BUCKETS = (0.01, 0.1, 1, 5, 10, 30, 60)

_Metric = TypeVar("_Metric", Counter, Gauge)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is not counted here but read from those who know, at the moment of a scrape."""

    journal_failures: Callable[[], int]
    ship_failures: Callable[[], int]
    records_rejected: Callable[[], int]
    unrecorded_requests: Callable[[], int]
    log_entries_lost: Callable[[], int]


class Metrics(Events):
    """The metrics of one process; used by one event loop, read by any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # What comes from outside, and how much of it gets a name of its own.
        self.models = Values(MOST_MODELS)
        self.tools = Values(MOST_TOOLS)
        self.clients = Values(MOST_CLIENTS)
        self.initiators = Values(MOST_INITIATORS)

        self.tallies = Tallies(PREFIX, MOST_COMBINATIONS)
        self.registry.register(self.tallies)
        self.interceptions_inflight = Levels(
            PREFIX + "interceptions_inflight",
            "Intercepted requests that are being served.",
            ("provider", "model", "route"),
            Level,
            most=MOST_COMBINATIONS,
            folded=1,
        )
        self.interceptions_duration = Distributions(
            PREFIX + "interceptions_duration_seconds",
            "From an intercepted request accepted to its record closed.",
            ("provider", "model"),
            _DURATION_BUCKETS,
            most=MOST_COMBINATIONS,
            folded=1,
        )
        self.time_to_first_byte = Distributions(
            PREFIX + "time_to_first_byte_seconds",
            "From an intercepted request accepted to the first byte of the provider's answer.",
            ("provider", "model"),
            _FIRST_BYTE_BUCKETS,
            most=MOST_COMBINATIONS,
            folded=1,
        )
        for plain in (self.interceptions_inflight, self.interceptions_duration, self.time_to_first_byte):
            self.registry.register(plain)
        self.errors = self._counter(
            "errors_total",
            "Intercepted requests that failed, by the record's error type.",
            ("provider", "error_type"),
        )
        self.passthrough = self._counter(
            "passthrough_total",
            "Requests passed through; the route is the entry of the route table.",
            ("provider", "route", "method"),
        )
        self.tool_selections = self._counter(
            "non_injected_tool_selections_total",
            "Tools that models called and the client or the provider ran.",
            ("provider", "model", "name"),
        )
        self.tool_invocations = self._counter(
            "injected_tool_invocations_total",
            "Injected tools that models called and the gateway ran.",
            ("provider", "model", "server", "name"),
        )
        self.journal_backlog = self._gauge(
            "journal_backlog_entries", "Entries of the journal that wait to be moved to the store.", ()
        )
        self._adopted = self._counter(
            "journals_adopted_total", "Journals of processes that died which this one shipped whole.", ()
        )
        self._left_behind = self._gauge(
            "journals_left_behind", "Journals of processes that died which could not be shipped whole yet.", ()
        )
        self.journal_slowest_write = self._gauge(
            "journal_slowest_write_seconds", "The slowest write to the journal since the last look.", ()
        )
        self._provider_info = self._gauge(
            "provider_info",
            "1 for each provider; the status is enabled, disabled or error.",
            ("provider_name", "provider_type", "status"),
        )
        build = self._gauge("build_info", "1, with the versions of the program and of Python.", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)

        breaker = ("provider", "endpoint", "model")
        self._breaker_state = _by_breaker(
            self._gauge("circuit_breaker_state", "0 closed, 0.5 half-open, 1 open.", breaker)
        )
        self._breaker_trips = _by_breaker(
            self._counter("circuit_breaker_trips_total", "Times that a circuit breaker opened.", breaker)
        )
        self._breaker_rejects = _by_breaker(
            self._counter("circuit_breaker_rejects_total", "Requests that an open circuit breaker refused.", breaker)
        )
        self._key_state = self._gauge(
            "key_pool_state", "Keys of a provider in each state (valid, temporary, permanent).", ("provider", "state")
        )
        self._key_transitions = self._counter(
            "key_pool_state_transitions_total", "Changes of state of a provider's keys.", ("provider", "reason")
        )
        self._key_exhaustions = self._counter(
            "key_pool_exhaustions_total", "Requests that found no usable key.", ("provider", "outcome")
        )
        self._key_attempts = self._histogram(
            "key_pool_failover_attempts", "Keys that one request was tried with.", ("provider",), _ATTEMPT_BUCKETS
        )
        self._tool_server_reachable = self._gauge(
            "mcp_server_reachable",
            "1 when an MCP server answered the last time that it was asked, else 0.",
            ("server",),
        )
        self._tool_server_tools = self._gauge(
            "mcp_server_tools", "Tools that an MCP server offers to whoever asked last.", ("server",)
        )
        self._tool_calls = self._histogram(
            "mcp_call_duration_seconds",
            "Calls that the gateway made of MCP servers' tools; the outcome is ok or failed.",
            ("server", "outcome"),
            _TOOL_BUCKETS,
        )
        # These two bear the names of the documented system's purge.
        self._purge_duration = Histogram(
            "coderd_dbpurge_iteration_duration_seconds",
            "How long one pass of the purge took.",
            ("success",),
            buckets=_PURGE_BUCKETS,
            registry=self.registry,
        )
        self._purged = Counter(
            "coderd_dbpurge_records_purged_total",
            "Records that the purge deleted.",
            ("record_type",),
            registry=self.registry,
        )
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.GCCollector(registry=self.registry)

    def read_from(self, readings: Readings) -> None:
        """Add what is read at the moment of a scrape."""
        self.registry.register(_ReadAtScrape(readings))

    def provider(self, name: str, provider_type: str, status: str) -> None:
        """Name a provider that the settings name; status is `enabled`, `disabled` or `error`."""
        self._provider_info.labels(name, provider_type, status).set(1)

    def breaker_changed(self, provider: str, endpoint: str, model: str, state: BreakerState) -> None:
        """See `Events`."""
        model = self.models.label(model)
        self._breaker_state.of(provider, endpoint, model).set(state.value)
        if state is BreakerState.OPEN:
            self._breaker_trips.of(provider, endpoint, model).inc()

    def breaker_rejected(self, provider: str, endpoint: str, model: str) -> None:
        """See `Events`."""
        self._breaker_rejects.of(provider, endpoint, self.models.label(model)).inc()

    def key_states(self, provider: str, states: dict[str, int]) -> None:
        """See `Events`."""
        for state, keys in states.items():
            self._key_state.labels(provider, state).set(keys)

    def key_changed(self, provider: str, reason: str) -> None:
        """See `Events`."""
        self._key_transitions.labels(provider, printable(reason)).inc()

    def keys_exhausted(self, provider: str, outcome: str) -> None:
        """See `Events`."""
        self._key_exhaustions.labels(provider, printable(outcome)).inc()

    def key_attempts(self, provider: str, attempts: int) -> None:
        """See `Events`."""
        self._key_attempts.labels(provider).observe(attempts)

    def tools_listed(self, server: str, tools: int, *, reachable: bool) -> None:
        """See `Events`."""
        self._tool_server_reachable.labels(server).set(float(reachable))
        self._tool_server_tools.labels(server).set(tools)

    def tool_called(self, server: str, seconds: float, *, failed: bool) -> None:
        """See `Events`."""
        self._tool_calls.labels(server, "failed" if failed else "ok").observe(seconds)

    def journals_adopted(self, shipped: int, *, left: int) -> None:
        """See `Events`."""
        self._adopted.inc(shipped)
        self._left_behind.set(left)

    def purged(self, record_type: str, records: int) -> None:
        """See `Events`."""
        self._purged.labels(record_type).inc(records)

    def purge_ended(self, *, success: bool, seconds: float) -> None:
        """See `Events`."""
        self._purge_duration.labels(str(success).lower()).observe(seconds)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)


def _by_breaker(metric: _Metric) -> Children[_Metric]:
    return Children(metric.labels, most=MOST_COMBINATIONS, folded=frozenset({2}))


class _ReadAtScrape(Collector):
    """Counters that others keep."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        read = self._readings
        for name, text, value in (
            ("journal_failures", "Writes to the journal that failed.", read.journal_failures),
            ("ship_failures", "Attempts to move records to the store that failed.", read.ship_failures),
            ("records_rejected", "Journal entries set aside because the store refuses them.", read.records_rejected),
            ("unrecorded_requests", "Requests that were served and are not on record.", read.unrecorded_requests),
            ("log_entries_lost", "Log entries that could not be written.", read.log_entries_lost),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=value())
