from __future__ import annotations

import pytest

from benchmarks.bench.reckoning import Figure, Spread, ratio, slope


def test_percentiles_are_values_that_occurred():
    spread = Spread.of([float(value) for value in range(1000, 0, -1)])
    assert (spread.count, spread.p50, spread.p99, spread.most) == (1000, 501.0, 991.0, 1000.0)


def test_one_value_is_every_percentile():
    assert Spread.of([7.0]) == Spread(1, 7.0, 7.0, 7.0)


def test_nothing_measured_is_nought():
    assert Spread.of([]) == Spread(0, 0.0, 0.0, 0.0)


def test_rounds_come_to_their_median_and_how_far_they_lie_apart():
    figure = Figure.of([90.0, 100.0, 130.0])
    assert (figure.median, figure.least, figure.most) == (100.0, 90.0, 130.0)
    assert figure.noise == pytest.approx(0.2)


def test_noise_of_nothing_is_none():
    assert Figure.of([0.0, 0.0]).noise == 0.0


def test_ratios_are_reckoned_round_by_round():
    # The machine was twice as slow in the second round, for both: the ratio does not move.
    assert ratio([50.0, 100.0], [10.0, 20.0]) == Figure(5.0, 5.0, 5.0)


def test_a_round_that_was_too_short_for_the_clock_says_nothing():
    assert ratio([50.0, 100.0], [0.0, 20.0]) == Figure(5.0, 5.0, 5.0)


def test_a_slope_is_what_one_more_costs():
    assert slope([(0.0, 60.0), (100_000.0, 61.0), (200_000.0, 62.0)]) == pytest.approx(1e-5)
