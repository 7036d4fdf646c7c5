from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.providers.pool import DEFAULT_REST, LONGEST_REST, Exhausted, Fault, KeyPool, KeyState, rest_of

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_every_request_begins_at_the_first_usable_key(clock):
    pool = KeyPool(3, clock)
    assert [pool.usable(), pool.usable(), pool.usable({0}), pool.usable({0, 1, 2})] == [0, 0, 1, None]
    pool.rest(0, Fault.RATE_LIMITED, 5)
    assert pool.usable() == 1


def test_a_key_comes_back_by_itself(clock):
    pool = KeyPool(2, clock)
    pool.rest(0, Fault.RATE_LIMITED, 5)
    clock.now += 4.9
    assert pool.usable() == 1
    clock.now += 0.1
    assert (pool.usable(), pool.state(0)) == (0, KeyState(None, 0.0))


def test_a_later_end_is_kept(clock):
    pool = KeyPool(2, clock)
    pool.rest(0, Fault.RATE_LIMITED, 50)
    pool.rest(0, Fault.UNAUTHORIZED, 5)
    assert pool.state(0) == KeyState(Fault.RATE_LIMITED, 50)
    pool.rest(0, Fault.UNAUTHORIZED, 60)
    assert pool.state(0) == KeyState(Fault.UNAUTHORIZED, 60)


def test_it_says_when_a_key_that_was_in_use_goes_to_rest(clock):
    pool = KeyPool(2, clock)
    assert pool.rest(0, Fault.RATE_LIMITED, 5)
    assert not pool.rest(0, Fault.RATE_LIMITED, 9)
    clock.now += 9
    assert pool.rest(0, Fault.RATE_LIMITED, 5)


def test_a_pool_of_one_never_rests(clock):
    pool = KeyPool(1, clock)
    assert not pool.rest(0, Fault.UNAUTHORIZED, 60)
    assert (pool.usable(), pool.exhausted()) == (0, None)


def test_exhausted_by_rate_limits_the_shortest_rest_counts(clock):
    pool = KeyPool(3, clock)
    pool.rest(0, Fault.RATE_LIMITED, 30)
    pool.rest(1, Fault.UNAUTHORIZED, 60)
    assert pool.exhausted() is None
    pool.rest(2, Fault.RATE_LIMITED, 12)
    assert pool.exhausted() == Exhausted(Fault.RATE_LIMITED, 12)


def test_exhausted_by_refusals_alone(clock):
    pool = KeyPool(2, clock)
    pool.rest(0, Fault.UNAUTHORIZED, 60)
    pool.rest(1, Fault.UNAUTHORIZED, 60)
    assert pool.exhausted() == Exhausted(Fault.UNAUTHORIZED, 60)


def test_a_pool_without_keys_is_not_exhausted(clock):
    assert KeyPool(0, clock).exhausted() is None


def test_no_provider_can_put_a_key_away_for_good(clock):
    pool = KeyPool(2, clock)
    pool.rest(0, Fault.RATE_LIMITED, 1e9)
    assert pool.state(0).seconds == LONGEST_REST


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500.5", "retry-after": "9"}, 1.5005),
        ({"retry-after-ms": "0", "retry-after": "9"}, 9),
        ({"retry-after-ms": "-5"}, DEFAULT_REST),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, DEFAULT_REST),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=42), usegmt=True)}, 42),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=42), usegmt=True)}, DEFAULT_REST),
        ({"retry-after": "nan"}, DEFAULT_REST),
        ({"retry-after": "inf"}, DEFAULT_REST),
        ({"retry-after": "soon"}, DEFAULT_REST),
        ({}, DEFAULT_REST),
    ],
)
def test_how_long_an_answer_asks_to_wait(headers, seconds):
    assert rest_of(headers, NOW) == pytest.approx(seconds)


@given(st.text(), st.text())
def test_whatever_the_headers_say_a_key_rests_for_a_while(milliseconds, seconds):
    assert 0 < rest_of({"retry-after-ms": milliseconds, "retry-after": seconds}, NOW) < float("inf")
