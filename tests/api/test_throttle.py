from __future__ import annotations

from aigateway.api import throttle
from aigateway.api.throttle import FORGET_AFTER, LONGEST_WAIT, Throttle
from tests.support.people import Clock


def test_waits_double_up_to_the_longest_and_end_with_success():
    clock = Clock()
    tries = Throttle(clock.monotonic)
    assert [tries.attempt("a") for _ in range(5)] == [0.0] * 5
    waits = []
    for _ in range(9):
        waits.append(tries.attempt("a"))
        clock.advance(waits[-1])
        assert tries.attempt("a") == 0.0
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    assert tries.attempt("b") == 0.0
    tries.succeeded("a")
    assert tries.attempt("a") == 0.0


def test_what_was_long_ago_is_forgotten():
    clock = Clock()
    tries = Throttle(clock.monotonic)
    while not tries.attempt("a"):
        pass
    clock.advance(FORGET_AFTER + 1)
    assert [tries.attempt("a") for _ in range(5)] == [0.0] * 5


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(throttle, "MAX_KEYS", 3)
    tries = Throttle()
    for key in range(10):
        tries.attempt(key)
    assert len(tries._tries) == 3
