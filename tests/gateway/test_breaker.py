from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aigateway.gateway.breaker import CircuitBreaker
from aigateway.settings.model import CircuitBreakerSettings
from aigateway.telemetry.events import BreakerState

SETTINGS = CircuitBreakerSettings(
    failure_threshold=3, interval=timedelta(seconds=10), timeout=timedelta(seconds=30), max_requests=2
)


class Clock:
    def __init__(self):
        self.now = 500.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(SETTINGS, clock)


def fail(breaker, times=1):
    for _ in range(times):
        breaker.failed(breaker.admit())


def test_failures_in_a_row_open_it(breaker):
    fail(breaker, 2)
    breaker.succeeded(breaker.admit())
    fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker)
    assert breaker.state is BreakerState.OPEN
    assert breaker.admit() is None


def test_failures_of_another_window_are_forgotten(breaker, clock):
    fail(breaker, 2)
    clock.now += 10
    fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED


def test_it_says_how_long_it_stays_open(breaker, clock):
    assert breaker.seconds_left == 0
    fail(breaker, 3)
    clock.now += 12
    assert breaker.seconds_left == 18
    clock.now += 18
    assert (breaker.state, breaker.seconds_left) == (BreakerState.HALF_OPEN, 0)


def test_as_many_successes_as_may_try_close_it(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    first, second = breaker.admit(), breaker.admit()
    assert breaker.admit() is None
    breaker.succeeded(first)
    assert breaker.admit() is None
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.succeeded(second)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.at_rest


def test_one_failure_while_it_tries_opens_it_again(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    first, second = breaker.admit(), breaker.admit()
    breaker.failed(first)
    assert breaker.state is BreakerState.OPEN
    breaker.succeeded(second)
    assert (breaker.state, breaker.seconds_left) == (BreakerState.OPEN, 30)


def test_who_goes_away_while_it_tries_leaves_the_place_to_another(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    first, _second = breaker.admit(), breaker.admit()
    assert breaker.admit() is None
    breaker.released(first)
    assert breaker.admit() is not None


def test_what_began_before_it_opened_counts_no_more(breaker, clock):
    early = breaker.admit()
    fail(breaker, 3)
    clock.now += 30
    breaker.failed(early)
    assert breaker.state is BreakerState.HALF_OPEN


class Machine(RuleBasedStateMachine):
    """Whatever happens in whatever order: it never lets too much through, and always recovers."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(SETTINGS, self.clock)
        self.permits = []
        self.in_a_row = 0

    @rule()
    def ask(self):
        before = self.breaker.state
        permit = self.breaker.admit()
        assert (permit is None) <= (before is not BreakerState.CLOSED)
        assert (before is BreakerState.OPEN) <= (permit is None)
        if permit is not None:
            self.permits.append((permit, before))

    @precondition(lambda self: self.permits)
    @rule(which=st.integers(min_value=0), what=st.sampled_from(["succeeded", "failed", "released"]))
    def answer(self, which, what):
        permit, _ = self.permits.pop(which % len(self.permits))
        getattr(self.breaker, what)(permit)

    @rule(seconds=st.sampled_from([0.5, 5.0, 11.0, 31.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @invariant()
    def no_more_than_allowed_try_at_once(self):
        if self.breaker.state is BreakerState.HALF_OPEN:
            now = [p for p, _ in self.permits if p.generation == self.breaker._generation]
            assert len(now) <= SETTINGS.max_requests

    @invariant()
    def an_open_one_says_for_how_long(self):
        is_open = self.breaker.state is BreakerState.OPEN
        assert (0 < self.breaker.seconds_left <= 30) == is_open

    def teardown(self):
        self.clock.now += 31
        assert self.breaker.state is not BreakerState.OPEN
        while self.permits:
            self.breaker.released(self.permits.pop()[0])
        while self.breaker.state is BreakerState.HALF_OPEN:
            self.breaker.succeeded(self.breaker.admit())
        assert self.breaker.admit() is not None


TestMachine = Machine.TestCase
