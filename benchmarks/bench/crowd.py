"""How many it carries: `make load` holds streams open, idle and active, and asks until memory would show a leak.

Memory is that of all processes of the gateway; what an open stream takes is what it grew by, divided by the streams.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.bench.cases import Case
from benchmarks.bench.measure import Failed, ask
from benchmarks.bench.plan import Plan
from benchmarks.bench.processes import cpu_seconds, memory_mb
from benchmarks.bench.reckoning import slope
from benchmarks.bench.report import table
from benchmarks.bench.targets import Gateway, Target, upstream

_LOOKS_EACH_SECOND = 4
_SMALL = Case(name="small", says="300 B, answered by 1 KB", requests=0, few=0)


async def _watched(case: Case, target: Target, pid: int) -> tuple[float, str]:
    """Let clients do a case; the most memory meanwhile, and what they saw."""
    asking = asyncio.create_task(asyncio.to_thread(ask, case.order(target.port, target.token)))
    most = 0.0
    while not asking.done():
        most = max(most, memory_mb(pid))
        await asyncio.wait([asking], timeout=1 / _LOOKS_EACH_SECOND)
    seen = await asking
    if seen.failed or seen.held_back:
        raise Failed(f"{case.name}: {seen.failed} failed, {seen.held_back} held back: {seen.sample}")
    return most, f"{seen.delay.p50:.2f} / {seen.delay.p99:.2f}" if seen.delay.count else "-"


async def streams(target: Target, pid: int, cases: list[Case]) -> list[list[str]]:
    """A row for each number of streams that are open at once."""
    rows = []
    for case in cases:
        before, cpu = memory_mb(pid), cpu_seconds(pid)
        most, delay = await _watched(case, target, pid)
        each = (most - before) * 1024 / case.connections
        used = (cpu_seconds(pid) - cpu) * 1e6 / case.requests
        rows.append([case.name, case.says, f"{most:.0f}", f"{each:.1f}", f"{used:,.0f}", delay])
    return rows


async def growth(target: Target, pid: int, requests: int, steps: int) -> tuple[list[list[str]], float]:
    """Ask so often, and look at the memory in between; the rows, and the kilobytes that 1,000 requests add."""
    points, rows = [], []
    for number in range(1, steps + 1):
        case = Case(name="small", says="", requests=requests // steps, few=0)
        cpu = cpu_seconds(pid)
        await _watched(case, target, pid)
        held = memory_mb(pid)
        points.append((number * case.requests / 1000, held * 1024))
        used = (cpu_seconds(pid) - cpu) * 1e6 / case.requests
        rows.append([f"{number * case.requests:,}", f"{held:.1f}", f"{used:,.0f}"])
    # The first steps fill caches and pools that stay full.
    return rows, slope(points[len(points) // 4 :])


def _cases(idle: int, active: int) -> list[Case]:
    # The pauses of the idle ones are long enough for all to be open at once, however slowly they begin.
    resting = Plan(events=1, interval_ms=10_000)
    busy = Plan(events=60, interval_ms=100)
    return [
        Case(name=f"{idle:,} idle", says="4 pieces 10 s apart", plan=resting, connections=idle, requests=idle, few=0),
        Case(
            name=f"{active:,} active",
            says="63 pieces 0.1 s apart",
            plan=busy,
            connections=active,
            requests=active,
            few=0,
        ),
        Case(
            name=f"{idle:,} idle, again",
            says="in the memory of the first",
            plan=resting,
            connections=idle,
            requests=idle,
            few=0,
        ),
    ]


def _curve(most: int) -> list[Case]:
    """The same stream among ever more of its kind."""
    steps = [count for count in (1, 10, 100, 500, 1000, 2000) if count <= most]
    return [
        Case(
            name=f"{count:,} open",
            says="13 pieces 1 s apart",
            plan=Plan(events=10, interval_ms=1000),
            connections=count,
            requests=max(count, 3),
            few=0,
        )
        for count in steps
    ]


def main() -> int:
    """Read the command line; 1 when an answer failed or is not on record."""
    parser = argparse.ArgumentParser(prog="make load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--idle", type=int, default=2000, help="open streams that wait (2000)")
    parser.add_argument("--active", type=int, default=500, help="open streams that bring something (500)")
    parser.add_argument("--requests", type=int, default=200_000, help="requests of which memory must not grow (200000)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as folder, upstream(Path(folder)) as above:
        home = Path(folder) / "gateway"
        home.mkdir()
        with Gateway(home, above) as gateway:
            gateway.stop()
            gateway.start()
            target, cases = gateway.target("aigateway"), [*_cases(given.idle, given.active), *_curve(given.idle)]
            print(f"start to /readyz {gateway.seconds_to_ready:.2f} s, {memory_mb(gateway.pid):.0f} MB\n", flush=True)
            rows = asyncio.run(streams(target, gateway.pid, cases))
            print(table(["streams at once", "", "MB at most", "KB each", "CPU µs each", "piece ms p50 / p99"], rows))
            # Anew: what thousands of streams once needed is not what requests add.
            gateway.stop()
            gateway.start()
            print(f"\nstarted anew: {memory_mb(gateway.pid):.0f} MB")
            target = gateway.target("aigateway")
            rows, each = asyncio.run(growth(target, gateway.pid, given.requests, 20))
            print("\n" + table(["requests", "MB", "CPU µs each"], rows))
            print(f"\n{each:.3f} KB for each 1,000 requests", flush=True)
            gateway.stop()
            asked = sum(case.requests for case in cases) + given.requests // 20 * 20
            kept = gateway.on_record()
            print(f"seen {asked:,}, on record {kept:,}")
    return 0 if asked == kept else 1


if __name__ == "__main__":
    sys.exit(main())
