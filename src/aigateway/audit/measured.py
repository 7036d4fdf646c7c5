"""Counting interceptions: a recorder around the recorder (data-plane spec 20). It costs some microseconds a request."""

from __future__ import annotations

from asyncio import Future
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from aigateway.audit.recorder import (
    UNKNOWN_MODEL,
    Interception,
    Invocation,
    Outcome,
    Records,
    Subject,
    typed_prompt,
)
from aigateway.telemetry.labels import LONGEST_VALUE, Children, method_label
from aigateway.telemetry.metrics import MOST_COMBINATIONS, Metrics
from aigateway.telemetry.plain import Distribution, Level
from aigateway.telemetry.tallies import Tally
from aigateway.wire.facts import AnswerFacts, ClientFacts, RequestFacts, TokenUsage

_Child = TypeVar("_Child")


class _Counted(msgspec.Struct, frozen=True):
    """Where requests of one kind are counted."""

    tally: Tally
    in_flight: Level
    durations: Distribution
    first_bytes: Distribution


class MeasuredRecorder:
    """Counts what another recorder records."""

    def __init__(self, inner: Records, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics
        self._known: dict[tuple[str, str, str, str, str], _Counted] = {}
        """By provider, model, person, client and route: looking all of the labels up costs more than counting."""
        self._errors = _bounded(metrics.errors.labels, 1)
        self._tools = _bounded(metrics.tool_selections.labels, 1, 2)
        self._invocations = _bounded(metrics.tool_invocations.labels, 1, 3)

    def open(self, subject: Subject, request: RequestFacts, client: ClientFacts, request_bytes: int) -> Interception:
        """Open the interception; it counts as in flight until it is closed."""
        interception = self._inner.open(subject, request, client, request_bytes)
        model = (request.model or UNKNOWN_MODEL)[:LONGEST_VALUE]
        kind = subject.provider_name, model, subject.initiator_id, client.client, subject.route
        counted = self._known.get(kind) or self._look_up(kind)
        if typed_prompt(request, client) is not None:
            counted.tally.prompts += 1
        counted.in_flight.value += 1
        interception.on_close(partial(self._ended, interception, subject, counted))
        interception.on_notice(partial(self._noticed, counted.tally))
        return interception

    def _look_up(self, kind: tuple[str, str, str, str, str]) -> _Counted:
        provider, model, initiator, client, route = kind
        metrics = self._metrics
        initiator, client = metrics.initiators.label(initiator), metrics.clients.label(client)
        tally = metrics.tallies.of(provider, metrics.models.label(model), initiator, client)
        counted = _Counted(
            tally,
            metrics.interceptions_inflight.of(tally.provider, tally.model, route),
            metrics.interceptions_duration.of(tally.provider, tally.model),
            metrics.time_to_first_byte.of(tally.provider, tally.model),
        )
        if len(self._known) >= MOST_COMBINATIONS:
            self._known.clear()
        self._known[kind] = counted
        return counted

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
        counted: _Counted,
        outcome: Outcome,
        facts: AnswerFacts | None,
        _committed: Future[None],
    ) -> None:
        tally = counted.tally
        counted.in_flight.value -= 1
        status = "completed" if outcome.error_type is None else "failed"
        tally.requests[status, subject.route, method_label(subject.method)] += 1
        counted.durations.observe(interception.elapsed_ms() / 1000)
        if outcome.time_to_first_byte_ms is not None:
            counted.first_bytes.observe(outcome.time_to_first_byte_ms / 1000)
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
