"""The arithmetic: what many measurements come to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Self

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """What a set of values looks like; all nought when there are none."""

    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Reckon it; a percentile is a value that occurred."""
        if not values:
            return cls()
        ordered = sorted(values)
        return cls(len(ordered), _at(ordered, 0.5), _at(ordered, 0.99), ordered[-1])


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class Figure(msgspec.Struct, frozen=True):
    """The result of several rounds: the median, and how far the rounds lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Self:
        """Reckon it from one value of each round."""
        return cls(statistics.median(rounds), min(rounds), max(rounds))

    @property
    def noise(self) -> float:
        """Half the distance of the rounds' extremes, as a part of the median."""
        return (self.most - self.least) / 2 / self.median if self.median else 0.0


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Ours to theirs, round by round: what a busy machine does to a round, it does to both."""
    return Figure.of([mine / other for mine, other in zip(ours, theirs, strict=True) if other > 0])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much the second value grows when the first grows by one (least squares)."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope
