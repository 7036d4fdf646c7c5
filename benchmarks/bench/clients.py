"""HTTP clients alone, for the choice of the one that calls providers: `python -m benchmarks.bench.clients`.

Each asks the mock upstream from a process of its own on the gateway's core. With TLS, nginx stands before the mock, on
the other core, and lets the client choose the protocol. pyreqwest is measured, and with it HTTP/2, if it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.bench.client import CLIENTS, Order
from benchmarks.bench.measure import Failed
from benchmarks.bench.plan import Plan
from benchmarks.bench.processes import pin
from benchmarks.bench.report import microseconds, table
from benchmarks.bench.targets import GATEWAY_CPU, OTHER_CPU, Upstream, nginx, nginx_program, upstream
from tests.support.server import free_port

_HTTP2 = "pyreqwest, HTTP/2"
_FRONT = """
    upstream mock {{ server 127.0.0.1:{plain}; keepalive 4096; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} ssl http2 backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{ proxy_pass http://mock; }}
    }}
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked, and how much of it makes a round."""

    says: str
    size: int
    requests: int
    plan: Plan = field(default_factory=Plan)


WORK = (
    Work("small: 276 B up, 1 KB down", 276, 6000),
    Work("large: 200 KB up, 1 KB down", 200 * 1024, 2000),
    Work("stream: 60 events at once", 276, 2000, Plan(events=60)),
)


def measure(folder: Path, *, rounds: int, part: float) -> list[list[str]]:
    """The table, its head first, of so many rounds and so large a part of each.

    Raises:
        Failed: an answer was not whole, or did not come.

    """
    with upstream(folder) as above:
        ways = {"": f"http://127.0.0.1:{above.plain}"}
        if nginx_program() is None:
            return _rows(ways, above, rounds, part)
        with _front(folder, above) as port:
            return _rows(ways | {", TLS": f"https://127.0.0.1:{port}"}, above, rounds, part)


def left_out() -> Iterator[str]:
    """What is not measured, and why."""
    if not _has_pyreqwest():
        yield "not measured: pyreqwest and HTTP/2, for pyreqwest is not installed"
    if nginx_program() is None:
        yield "not measured: TLS and HTTP/2, for nginx is not installed"


def _rows(ways: dict[str, str], above: Upstream, rounds: int, part: float) -> list[list[str]]:
    names = [name for name in CLIENTS if _has_pyreqwest() or not name.startswith("pyreqwest")]
    done: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds):
        for way, origin in ways.items():
            for work in WORK:
                # In alternating order, so that a busy machine is as bad to each.
                for name in names if number % 2 == 0 else names[::-1]:
                    if name != _HTTP2 or way:
                        url = f"{origin}/v1/chat/completions"
                        order = Order(name, url, work.plan, work.size, round(work.requests * part))
                        done[work.says + way, name].append(_ask(order, above.certificate))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    cases = [work.says + way for way in ways for work in WORK]
    rows = [[case, *(microseconds(done[case, name]) for name in names)] for case in cases]
    return [["CPU µs a request", *names], *rows]


def _ask(order: Order, certificate: Path) -> float:
    command = [*pin(GATEWAY_CPU), sys.executable, "-m", "benchmarks.bench.client"]
    env = os.environ | {"SSL_CERT_FILE": str(certificate)}
    done = subprocess.run(command, input=msgspec.json.encode(order), capture_output=True, env=env, check=False)
    if done.returncode:
        raise Failed(f"{order.client} at {order.url}: {done.stderr.decode()}")
    return float(done.stdout)


@contextmanager
def _front(folder: Path, above: Upstream) -> Iterator[int]:
    """Run nginx with TLS before the mock, and give its port."""
    port = free_port()
    key = above.certificate.with_name("key.pem")
    servers = _FRONT.format(port=port, plain=above.plain, certificate=above.certificate, key=key)
    with nginx(folder / "front", servers, OTHER_CPU):
        yield port


def _has_pyreqwest() -> bool:
    return importlib.util.find_spec("pyreqwest") is not None


def run(rounds: int, part: float) -> int:
    """Measure and print; 1 when a client failed."""
    try:
        with tempfile.TemporaryDirectory(prefix="clients-") as folder:
            head, *rows = measure(Path(folder), rounds=rounds, part=part)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(head, rows), *left_out(), sep="\n")
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", type=float, default=1.0, help="so large a part of each round")
    given = parser.parse_args()
    return run(given.rounds, given.part)


if __name__ == "__main__":
    sys.exit(main())
