"""Rounds: every target does the same work in turn, in alternating order, so that a busy machine is as bad to each."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.bench.cases import Case
from benchmarks.bench.load import Order, Seen
from benchmarks.bench.processes import cpu_seconds, pin
from benchmarks.bench.targets import OTHER_CPU, Target


class Failed(Exception):
    """A target did not do its work; what it did then says nothing."""


class Round(msgspec.Struct, frozen=True):
    """What one target did with one case once."""

    cpu_us: float
    """Of the target's processes, for each request."""
    seen: Seen
    warmed: int = 0
    """Answers before it counted."""


Rounds = dict[str, dict[str, list[Round]]]
"""By case and target."""


def measure(
    cases: Sequence[Case],
    targets: Sequence[Target],
    rounds: int,
    *,
    part: float,
    say: Callable[[str], None],
) -> Rounds:
    """Let all targets do all cases so many times.

    Raises:
        Failed: an answer was wrong, or held back.

    """
    done: Rounds = {case.name: defaultdict(list) for case in cases}
    for number in range(rounds):
        order = targets if number % 2 == 0 else targets[::-1]
        for case in cases:
            for target in order:
                if target.takes(case):
                    done[case.name][target.name].append(one_round(case, target, part=part))
            say(f"round {number + 1} of {rounds}: {case.name}")
    return done


def one_round(case: Case, target: Target, *, part: float) -> Round:
    """Let one target do one case."""
    order = case.order(target.port, target.token, part=part)
    # Connections are made and code is warm before it counts.
    warm = msgspec.structs.replace(order, requests=order.connections, pieces=0)
    warmed = 0 if case.plan.interval_ms else ask(warm).answered
    before = cpu_seconds(target.pid) if target.pid else 0.0
    seen = ask(order)
    used = cpu_seconds(target.pid) - before if target.pid else 0.0
    if seen.failed or seen.answered != order.requests:
        raise Failed(f"{target.name} failed {seen.failed} of {order.requests} requests of {case.name}: {seen.sample}")
    return Round(used * 1e6 / order.requests, seen, warmed)


def ask(order: Order) -> Seen:
    """Send clients, on the core that the target does not have."""
    command = [*pin(OTHER_CPU), sys.executable, "-m", "benchmarks.bench.load"]
    done = subprocess.run(command, input=msgspec.json.encode(order), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Seen)
