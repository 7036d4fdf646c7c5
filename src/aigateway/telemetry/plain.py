"""Metrics that every request changes several times: plain numbers, shown in the library's form when somebody scrapes.

The library's own take a lock for each change and look at every bucket in turn, which costs ten times as much.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from aigateway.telemetry.labels import Children

_Child = TypeVar("_Child")


class Level:
    """What goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Distribution:
    """How often a number came, by buckets."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take the highest number of each bucket, in order; there is one more for what is beyond."""
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By bucket; a number is in one."""
        self.total = 0.0

    def observe(self, number: float) -> None:
        """Count it."""
        self.counts[bisect_left(self._bounds, number)] += 1
        self.total += number


class _Plain(Collector, Generic[_Child]):
    """A metric, by labels. Changed in one thread, collected in any."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], make: Callable[[], _Child], *, most: int, folded: int
    ) -> None:
        """Take how many combinations of labels are told apart, and which label is folded beyond them."""
        self._said = name, text, labels
        self._children = Children(lambda *_: make(), most=most, folded=frozenset({folded}))

    def of(self, *labels: str) -> _Child:
        """Give the child for values that are labels already."""
        return self._children.of(*labels)


class Levels(_Plain[Level]):
    """A gauge."""

    def collect(self) -> Iterable[Metric]:
        """Give it as it is now."""
        name, text, names = self._said
        family = GaugeMetricFamily(name, text, labels=names)
        for labels, level in self._children.items():
            family.add_metric(labels, level.value)
        return (family,)


class Distributions(_Plain[Distribution]):
    """A histogram."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], bounds: Sequence[float], *, most: int, folded: int
    ) -> None:
        """Take the buckets, too."""
        super().__init__(name, text, labels, lambda: Distribution(bounds), most=most, folded=folded)
        self._bounds = [*map(floatToGoString, bounds), "+Inf"]

    def collect(self) -> Iterable[Metric]:
        """Give it as it is now; what never happened is not shown."""
        name, text, names = self._said
        family = HistogramMetricFamily(name, text, labels=names)
        for labels, distribution in self._children.items():
            if not any(distribution.counts):
                continue
            up_to = accumulate(tuple(distribution.counts))
            family.add_metric(labels, list(zip(self._bounds, up_to, strict=True)), distribution.total)
        return (family,)
