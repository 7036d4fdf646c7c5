"""What the gateway costs, beside a plain reverse proxy, in the same run: `make bench`.

A mock upstream and clients on one core, the gateway and the proxy in turn on the other. CPU is the user and system time
of all processes of the gateway, for each request. Every figure is the median of several rounds; ratios are reckoned
round by round, since whatever else the machine does, it does to both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from aigateway import __version__
from benchmarks.bench import clients, report
from benchmarks.bench.cases import CASES, Case
from benchmarks.bench.layers import WITHOUT
from benchmarks.bench.measure import Failed, Rounds, measure
from benchmarks.bench.processes import memory_mb
from benchmarks.bench.targets import Gateway, Target, Upstream, direct, proxy, proxy_version, upstream
from tests.support.postgres import Postgres, why_not

_OURS = "aigateway"
_SHORT = ("small", "large", "10 MB", "wide", "messages", "responses", "gzip", "tls small", "rate", "stream")
_LAYERED = ("small", "large", "wide")
_POSTGRES = ("small", "large", "wide")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _cases(names: Sequence[str]) -> list[Case]:
    return [case for case in CASES if case.name in names]


@contextmanager
def _layers(folder: Path, above: Upstream) -> Iterator[list[Target]]:
    """One gateway for each layer, all with the same accounts."""
    folder.mkdir()
    with Gateway(folder, above) as whole:
        pass
    with ExitStack() as stack:
        yield [stack.enter_context(whole.layer(name, above)).target(name) for name in WITHOUT]


def _record(gateway: Gateway, asked: int) -> dict[str, int]:
    """Stop a gateway, and hold what clients saw against its record."""
    gateway.stop()
    return {"seen": asked, "on_record": gateway.on_record()}


def _asked(rounds: Sequence[Rounds], name: str) -> int:
    """How many answers clients got of a target, those before it counted included."""
    done = [(each, name) for some in rounds for of in some.values() for each in of.get(name, ())]
    return sum(each.seen.answered + each.warmed for each, _ in done)


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "aigateway": __version__,
        "proxy": proxy_version(),
        "load_before": os.getloadavg()[0],
    }


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure, print, and give all that was found."""
    result: dict[str, Any] = {"machine": _machine(), "short": given.short}
    wanted = given.only or (_SHORT if given.short else [case.name for case in CASES])
    cases = _cases(wanted)
    all_rounds: list[Rounds] = []
    print(f"AI Gateway beside {proxy_version()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with upstream(folder) as above, proxy(folder, above) as plain:
        (folder / "gateway").mkdir()
        with Gateway(folder / "gateway", above) as gateway:
            # The first start makes the account, for which it needs the control plane; what serves is measured without.
            gateway.stop()
            gateway.start()
            ours = gateway.target(_OURS)
            idle = memory_mb(gateway.pid)
            rounds = measure(cases, [plain, ours, direct(above)], given.rounds, part=given.part, say=_say)
            all_rounds.append(rounds)
            result["memory_mb"] = {
                "idle": idle,
                "after": memory_mb(gateway.pid),
                "peak": memory_mb(gateway.pid, peak=True),
            }
            result["seconds_to_ready"] = gateway.seconds_to_ready
            result["record"] = _record(gateway, _asked(all_rounds, _OURS))
        print(report.costs(cases, rounds, plain.name), end="\n\n")
        print(report.times(cases, rounds), end="\n\n")
        print(report.streamed(cases, rounds), end="\n\n")
        result["cases"] = rounds
        if given.layers:
            layered = _cases(_LAYERED)
            with _layers(folder / "layers", above) as targets:
                each = measure(layered, [plain, *targets], given.rounds, part=given.part, say=_say)
            print(report.steps(layered, each, plain.name, list(WITHOUT)), end="\n\n")
            result["layers"] = each
        if given.postgres and (reason := why_not()) is None:
            result |= _with_postgres(given, folder, above, plain)
        elif given.postgres:
            _say(f"no run with PostgreSQL: {reason}")
    print(report.summary(result))
    return result


def _with_postgres(given: argparse.Namespace, folder: Path, above: Upstream, plain: Target) -> dict[str, Any]:
    cases = _cases(_POSTGRES)
    (folder / "postgres").mkdir()
    with Postgres() as server, server.database() as name:
        env = {"CODER_PG_CONNECTION_URL": server.url(name)}
        with Gateway(folder / "postgres", above, env) as gateway:
            target = gateway.target("with PostgreSQL")
            rounds = measure(cases, [plain, target], given.rounds, part=given.part, say=_say)
            gateway.stop()
            gateway.ship()
            ((count,),) = server.execute("SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NOT NULL", name)
    print(report.costs(cases, rounds, plain.name), end="\n\n")
    record = {"seen": _asked([rounds], target.name), "on_record": count}
    return {"postgres": rounds, "postgres_record": record}


def main() -> int:
    """Read the command line; 1 when an answer failed, was held back, or is not on record."""
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--short", action="store_true", help="half a minute, for CI: shows that it works, not what it costs"
    )
    parser.add_argument(
        "--part", type=float, help="so large a part of each round (1.0; in the short form as little as it can)"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each case (5; in the short form 1)")
    parser.add_argument(
        "--only", action="append", choices=[case.name for case in CASES], help="only this case; may be repeated"
    )
    parser.add_argument(
        "--layers", action=argparse.BooleanOptionalAction, help="with each layer alone (not in the short form)"
    )
    parser.add_argument(
        "--postgres", action=argparse.BooleanOptionalAction, help="with PostgreSQL too (not in the short form)"
    )
    parser.add_argument("--clients", action="store_true", help="no gateway at all, but HTTP clients that it could use")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    given = parser.parse_args()
    given.part = given.part or (0.0 if given.short else 1.0)
    given.rounds = given.rounds or (1 if given.short else 5)
    if given.clients:
        return clients.run(given.rounds, given.part)
    for extra in ("layers", "postgres"):
        if getattr(given, extra) is None:
            setattr(given, extra, not given.short and not given.only)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            result = run(given, Path(folder))
    except Failed as failure:
        _say(str(failure))
        return 1
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(json.loads(msgspec.json.encode(result)), indent=1) + "\n", "utf-8")
    return 0 if report.clean(result) else 1


if __name__ == "__main__":
    sys.exit(main())
