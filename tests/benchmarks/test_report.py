from __future__ import annotations

from benchmarks.bench.cases import Case
from benchmarks.bench.load import Seen
from benchmarks.bench.measure import Round
from benchmarks.bench.plan import Plan
from benchmarks.bench.reckoning import Spread
from benchmarks.bench.report import clean, costs, steps, streamed, times

CASE = Case(name="wide", says="many", requests=10, few=1, plan=Plan(events=60, interval_ms=20))


def done(cpu_us, *, latency=1.0, held_back=0):
    spread = Spread.of([latency])
    seen = Seen(
        answered=10,
        failed=0,
        held_back=held_back,
        pieces=Spread.of([63.0]),
        seconds=1.0,
        latency=spread,
        first_byte=spread,
        delay=spread,
    )
    return Round(cpu_us, seen)


ROUNDS = {
    "wide": {
        "nginx": [done(1000.0, latency=1.2), done(2000.0, latency=1.3)],
        "aigateway": [done(1500.0, latency=1.5), done(3000.0, latency=1.8)],
        "direct": [done(0.0), done(0.0)],
    }
}


def test_a_cost_stands_beside_its_ratio():
    assert "| wide: many | 1,500 ± 33% | 2,250 ± 33% | 1.5x (1.5 to 1.5) |" in costs([CASE], ROUNDS, "nginx")


def test_times_are_what_is_added_to_nobody_in_the_way():
    table = times([CASE], ROUNDS)
    assert "| wide | direct | 1.00 |" in table
    assert "| wide | aigateway adds | 0.65 |" in table


def test_streams_are_counted():
    assert "| wide | aigateway | 20 | 63 | 0 |" in streamed([CASE], ROUNDS)


def test_each_layer_shows_what_is_its_own():
    layered = {"wide": {"nginx": [done(10.0)], "route": [done(100.0)], "auth": [done(130.0)]}}
    table = steps([CASE], layered, "nginx", ["route", "auth"])
    assert "| route | 100 ± 0% |  | 10.0x (10.0 to 10.0) |" in table
    assert "| + auth | 130 ± 0% | +30 | 13.0x (13.0 to 13.0) |" in table


def test_it_fails_when_something_seen_is_not_on_record_or_was_held_back():
    assert clean({"cases": ROUNDS, "record": {"seen": 5, "on_record": 5}})
    assert not clean({"cases": ROUNDS, "record": {"seen": 5, "on_record": 4}})
    held_back = {"wide": {"aigateway": [done(1.0, held_back=1)]}}
    assert not clean({"cases": held_back, "record": {"seen": 5, "on_record": 5}})
