from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from aigateway.telemetry.plain import Distributions, Level, Levels

BOUNDS = (0.1, 0.5, 2, 30)
LABELS = ("provider", "model")
NUMBERS = st.floats(0, 100) | st.sampled_from(BOUNDS)


def shown(collector):
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)


@given(seen=st.lists(st.tuples(st.sampled_from(["a", "b"]), NUMBERS), min_size=1))
def test_a_histogram_is_shown_as_the_librarys_own(seen):
    ours = Distributions("took", "How long it took.", LABELS, BOUNDS, most=10, folded=1)
    theirs = Histogram("took", "How long it took.", LABELS, buckets=BOUNDS, registry=None)
    for model, number in seen:
        ours.of("p", model).observe(number)
        theirs.labels("p", model).observe(number)
    assert shown(ours) == shown(theirs)


def test_a_gauge_is_shown_as_the_librarys_own():
    ours, theirs = Levels("now", "Now.", LABELS, Level, most=10, folded=1), Gauge("now", "Now.", LABELS, registry=None)
    for model in ("a", "b", "a"):
        ours.of("p", model).value += 1
        theirs.labels("p", model).inc()
    assert shown(ours) == shown(theirs)


def test_combinations_beyond_the_limit_share_one():
    levels = Levels("now", "Now.", LABELS, Level, most=2, folded=1)
    for model in "abcd":
        levels.of("p", model).value += 1
    assert b'now{model="other",provider="p"} 2.0' in shown(levels)


def test_what_was_never_observed_is_not_shown():
    histogram = Distributions("took", "How long it took.", LABELS, BOUNDS, most=10, folded=1)
    histogram.of("p", "a")
    assert b"took_" not in shown(histogram)
