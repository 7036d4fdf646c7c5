"""Counting interceptions: a recorder around the recorder (data-plane spec 20).

It costs a few microseconds a request: all that is counted for one combination of provider, model, route, person and
client is found by one look into a dictionary.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from functools import partial

from prometheus_client import Counter

from aigateway.audit.recorder import UNKNOWN_MODEL, Interception, Outcome, Records, Subject, typed_prompt
from aigateway.telemetry.labels import Children, method_label
from aigateway.telemetry.metrics import MOST_COMBINATIONS, Metrics
from aigateway.wire.facts import AnswerFacts, ClientFacts, RequestFacts, TokenUsage

_MODEL, _INITIATOR, _CLIENT = 1, 4, 5


class MeasuredRecorder:
    """Counts what another recorder records."""

    def __init__(self, inner: Records, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics
        self._tallies = Children(
            partial(_Tally, metrics), most=MOST_COMBINATIONS, folded=frozenset({_MODEL, _INITIATOR, _CLIENT})
        )
        self._errors = Children(metrics.errors.labels, most=MOST_COMBINATIONS, folded=frozenset({1}))
        self._tools = Children(metrics.tool_selections.labels, most=MOST_COMBINATIONS, folded=frozenset({1, 2}))

    def open(self, subject: Subject, request: RequestFacts, client: ClientFacts, request_bytes: int) -> Interception:
        """Open the interception; it counts as in flight until it is closed."""
        interception = self._inner.open(subject, request, client, request_bytes)
        metrics = self._metrics
        tally = self._tallies.of(
            subject.provider_name,
            metrics.models.label(request.model or UNKNOWN_MODEL),
            subject.route,
            subject.method,
            metrics.initiators.label(subject.initiator_id),
            metrics.clients.label(client.client),
        )
        tally.began(prompted=typed_prompt(request, client) is not None)
        interception.on_close(partial(self._ended, interception, tally))
        return interception

    def _ended(
        self,
        interception: Interception,
        tally: _Tally,
        outcome: Outcome,
        facts: AnswerFacts | None,
        _committed: Future[None],
    ) -> None:
        tally.ended(outcome, interception.elapsed_ms() / 1000)
        if outcome.error_type is not None:
            self._errors.of(tally.provider, outcome.error_type).inc()
        if facts is None:
            return
        if facts.usage is not None:
            tally.used(facts.usage)
        for call in facts.tool_calls:
            self._tools.of(tally.provider, tally.model, self._metrics.tools.label(call.name)).inc()


class _Tally:
    """All that is counted for one provider, model, route, method, person and client."""

    def __init__(
        self, metrics: Metrics, provider: str, model: str, route: str, method: str, initiator: str, client: str
    ) -> None:
        self.provider = provider
        self.model = model
        self._in_flight = metrics.interceptions_inflight.labels(provider, model, route)
        self._duration = metrics.interceptions_duration.labels(provider, model)
        self._first_byte = metrics.time_to_first_byte.labels(provider, model)
        self._prompts = metrics.prompts.labels(provider, model, initiator, client)

        def status(word: str) -> Counter:
            return metrics.interceptions.labels(provider, model, word, route, method_label(method), initiator, client)

        def tokens(kind: str) -> Counter:
            return metrics.tokens.labels(provider, model, kind, initiator, client)

        self._completed, self._failed = status("completed"), status("failed")
        self._tokens: dict[str, Callable[[float], None]] = {}
        self._new_tokens: Callable[[str], Counter] = tokens

    def began(self, *, prompted: bool) -> None:
        self._in_flight.inc()
        if prompted:
            self._prompts.inc()

    def ended(self, outcome: Outcome, seconds: float) -> None:
        self._in_flight.dec()
        (self._completed if outcome.error_type is None else self._failed).inc()
        self._duration.observe(seconds)
        if outcome.time_to_first_byte_ms is not None:
            self._first_byte.observe(outcome.time_to_first_byte_ms / 1000)

    def used(self, usage: TokenUsage) -> None:
        self._count("input", usage.input_tokens)
        self._count("output", usage.output_tokens)
        self._count("cache_read_input_tokens", usage.cache_read_input_tokens)
        self._count("cache_write_input_tokens", usage.cache_write_input_tokens)
        for kind, tokens in usage.extra.items():
            self._count(kind, tokens)

    def _count(self, kind: str, tokens: int) -> None:
        if tokens <= 0:
            return
        count = self._tokens.get(kind)
        if count is None:
            count = self._tokens[kind] = self._new_tokens(kind).inc
        count(tokens)
