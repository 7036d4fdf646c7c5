"""Counting interceptions: a recorder around the recorder (data-plane spec 20). It costs some microseconds a request."""

from __future__ import annotations

from asyncio import Future
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from prometheus_client import Gauge

from aigateway.audit.recorder import (
    UNKNOWN_MODEL,
    Interception,
    Invocation,
    Outcome,
    Records,
    Subject,
    typed_prompt,
)
from aigateway.telemetry.labels import Children, method_label
from aigateway.telemetry.metrics import MOST_COMBINATIONS, Metrics
from aigateway.telemetry.tallies import Tally
from aigateway.wire.facts import AnswerFacts, ClientFacts, RequestFacts, TokenUsage

_Child = TypeVar("_Child")


class MeasuredRecorder:
    """Counts what another recorder records."""

    def __init__(self, inner: Records, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics
        self._gauges = _bounded(metrics.interceptions_inflight.labels, 1)
        self._durations = _bounded(metrics.interceptions_duration.labels, 1)
        self._first_bytes = _bounded(metrics.time_to_first_byte.labels, 1)
        self._errors = _bounded(metrics.errors.labels, 1)
        self._tools = _bounded(metrics.tool_selections.labels, 1, 2)
        self._invocations = _bounded(metrics.tool_invocations.labels, 1, 3)

    def open(self, subject: Subject, request: RequestFacts, client: ClientFacts, request_bytes: int) -> Interception:
        """Open the interception; it counts as in flight until it is closed."""
        interception = self._inner.open(subject, request, client, request_bytes)
        metrics = self._metrics
        tally = metrics.tallies.of(
            subject.provider_name,
            metrics.models.label(request.model or UNKNOWN_MODEL),
            metrics.initiators.label(subject.initiator_id),
            metrics.clients.label(client.client),
        )
        if typed_prompt(request, client) is not None:
            tally.prompts += 1
        in_flight = self._gauges.of(tally.provider, tally.model, subject.route)
        in_flight.inc()
        interception.on_close(partial(self._ended, interception, subject, tally, in_flight))
        interception.on_notice(partial(self._noticed, tally))
        return interception

    def _noticed(self, tally: Tally, what: AnswerFacts | Invocation, _committed: Future[None]) -> None:
        if isinstance(what, AnswerFacts):
            self._answered(tally, what)
        else:
            name = self._metrics.tools.label(what.tool)
            self._invocations.of(tally.provider, tally.model, what.server_url, name).inc()

    def _answered(self, tally: Tally, facts: AnswerFacts) -> None:
        if facts.usage is not None:
            _add(tally.tokens, facts.usage)
        for call in facts.tool_calls:
            self._tools.of(tally.provider, tally.model, self._metrics.tools.label(call.name)).inc()

    def _ended(
        self,
        interception: Interception,
        subject: Subject,
        tally: Tally,
        in_flight: Gauge,
        outcome: Outcome,
        facts: AnswerFacts | None,
        _committed: Future[None],
    ) -> None:
        in_flight.dec()
        status = "completed" if outcome.error_type is None else "failed"
        tally.requests[status, subject.route, method_label(subject.method)] += 1
        where = tally.provider, tally.model
        self._durations.of(*where).observe(interception.elapsed_ms() / 1000)
        if outcome.time_to_first_byte_ms is not None:
            self._first_bytes.of(*where).observe(outcome.time_to_first_byte_ms / 1000)
        if outcome.error_type is not None:
            self._errors.of(tally.provider, outcome.error_type).inc()
        if facts is not None:
            self._answered(tally, facts)


def _bounded(make: Callable[..., _Child], *folded: int) -> Children[_Child]:
    return Children(make, most=MOST_COMBINATIONS, folded=frozenset(folded))


def _add(tokens: defaultdict[str, int], usage: TokenUsage) -> None:
    if usage.input_tokens:
        tokens["input"] += usage.input_tokens
    if usage.output_tokens:
        tokens["output"] += usage.output_tokens
    if usage.cache_read_input_tokens:
        tokens["cache_read_input_tokens"] += usage.cache_read_input_tokens
    if usage.cache_write_input_tokens:
        tokens["cache_write_input_tokens"] += usage.cache_write_input_tokens
    for kind, used in usage.extra.items():
        if used:
            tokens[kind] += used
