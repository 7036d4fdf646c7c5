"""What is counted for each person, in plain numbers that are read when somebody scrapes.

There may be thousands of these, each with some ten numbers. As children of the library's counters they would be ten
times the objects, felt in every request, in the memory and in every pause of the garbage collector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from aigateway.telemetry.labels import Children

_MODEL, _INITIATOR, _CLIENT = 1, 2, 3


class Tally:
    """The counts of one provider, model, person and client; each may only grow."""

    __slots__ = ("model", "prompts", "provider", "requests", "tokens")

    def __init__(self, provider: str, model: str, *_: str) -> None:
        self.provider = provider
        """The provider's label."""
        self.model = model
        """The model's label."""
        self.requests: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """By status, route and method."""
        self.prompts = 0
        self.tokens: defaultdict[str, int] = defaultdict(int)
        """By type."""


class Tallies(Collector):
    """All tallies, and the three metrics that show them. Counted in one thread, collected in any."""

    def __init__(self, prefix: str, most: int) -> None:
        """Take how many combinations of labels are told apart."""
        self._prefix = prefix
        self._tallies = Children(Tally, most=most, folded=frozenset({_MODEL, _INITIATOR, _CLIENT}))

    def of(self, provider: str, model: str, initiator: str, client: str) -> Tally:
        """Give the tally for values that are labels already."""
        return self._tallies.of(provider, model, initiator, client)

    def collect(self) -> Iterable[Metric]:
        """Give the three metrics; what never happened is not shown."""
        interceptions = self._family(
            "interceptions",
            "Intercepted requests that are over, by what came of them (completed, failed).",
            ("provider", "model", "status", "route", "method", "initiator_id", "client"),
        )
        prompts = self._family("prompts", "Prompts that people typed.", ("provider", "model", "initiator_id", "client"))
        tokens = self._family(
            "tokens",
            "Tokens used. The first four types add up; all others are parts of them or counts of something else.",
            ("provider", "model", "type", "initiator_id", "client"),
        )
        for (provider, model, initiator, client), tally in self._tallies.items():
            for (status, route, method), requests in tuple(tally.requests.items()):
                interceptions.add_metric((provider, model, status, route, method, initiator, client), requests)
            if tally.prompts:
                prompts.add_metric((provider, model, initiator, client), tally.prompts)
            for kind, used in tuple(tally.tokens.items()):
                tokens.add_metric((provider, model, kind, initiator, client), used)
        return interceptions, prompts, tokens

    def _family(self, name: str, text: str, labels: tuple[str, ...]) -> CounterMetricFamily:
        return CounterMetricFamily(self._prefix + name, text, labels=labels)
