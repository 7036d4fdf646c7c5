"""What is measured: the gateway, a plain proxy, and nobody in the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import layers
from benchmarks.bench.cases import Case
from benchmarks.bench.processes import pin
from tests.support.certificates import write_pair
from tests.support.server import CommandProcess, free_port, providers
from tests.support.waiting import wait_until

GATEWAY_CPU = 0
OTHER_CPU = 1
_KEY = "sk-central-0123456789"

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_buffer_size 16m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    proxy_read_timeout 600s;
    {servers}
}}
"""

_PROXY = """
    upstream plain {{ server 127.0.0.1:{plain}; keepalive 4096; keepalive_requests 1000000000; }}
    upstream secret {{ server 127.0.0.1:{secret}; keepalive 4096; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://plain; }}
        location /api/v2/aibridge/tls/ {{ proxy_pass https://secret; }}
    }}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the mock upstream listens, in clear and with TLS, and the certificate that it shows there."""

    plain: int
    secret: int
    certificate: Path


@dataclass(frozen=True, slots=True)
class Target:
    """Something to send requests to."""

    name: str
    port: int
    token: str = "none"
    pid: int | None = None
    """The first of its processes; None when there is nothing in the way."""
    gateway: Gateway | None = None
    """What keeps a record, if it does."""
    tls: bool = True
    """Whether it can speak TLS to the upstream."""

    def takes(self, case: Case) -> bool:
        """Whether it can do such work, and whether that says anything: nobody in the way is for times alone."""
        return (self.tls or case.way != "tls") and (self.pid is not None or case.timed)


class Gateway(CommandProcess):
    """Ours, on a core of its own; a layer of it after the first start, which makes the account."""

    def __init__(
        self, folder: Path, upstream: Upstream, env: Mapping[str, str] | None = None, *, layer: str | None = None
    ) -> None:
        clear = f"http://127.0.0.1:{upstream.plain}"
        known = providers(
            {"TYPE": "openai", "NAME": "openai", "KEY": _KEY, "BASE_URL": f"{clear}/v1"},
            {"TYPE": "anthropic", "NAME": "anthropic", "KEY": _KEY, "BASE_URL": clear},
            {"TYPE": "openai", "NAME": "tls", "KEY": _KEY, "BASE_URL": f"https://127.0.0.1:{upstream.secret}/v1"},
        )
        super().__init__(folder, known | {"SSL_CERT_FILE": str(upstream.certificate)} | dict(env or {}))
        self._layer = layer

    def layer(self, name: str, upstream: Upstream) -> Gateway:
        """A layer of it, with the accounts of this one, which has stopped."""
        folder = self.folder / name
        shutil.copytree(self.folder / "data", folder / "data")
        env = layers.environment(name, folder)
        other = Gateway(folder, upstream, env, layer=name)
        other.token = self.token
        return other

    def ship(self) -> None:
        """Move what its journal still holds into the database; for a server that has stopped."""
        command = [sys.executable, "-m", "aigateway", "journal", "ship"]
        subprocess.run(command, env=self.env, check=True, capture_output=True)

    def on_record(self) -> int:
        """How many interceptions are on record and over; for a server that has stopped."""
        self.ship()
        with closing(sqlite3.connect(self.folder / "data" / "aigateway.sqlite3")) as rows:
            (count,) = rows.execute("SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NOT NULL").fetchone()
        return int(count)

    def target(self, name: str) -> Target:
        """This as something to measure."""
        return Target(name, self.port, self.token, self.pid, self)

    def _command(self) -> list[str]:
        start = ["aigateway"] if self._layer is None else ["benchmarks.bench.layers", self._layer]
        return [*pin(GATEWAY_CPU), sys.executable, "-m", *start, "server"]


@contextmanager
def upstream(folder: Path) -> Iterator[Upstream]:
    """Run the mock upstream on the other core."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    write_pair(certificate, key, "upstream")
    command = [*pin(OTHER_CPU), sys.executable, "-m", "benchmarks.bench.upstream"]
    command += ["--certificate", str(certificate), "--key", str(key)]
    with _printing_ports(command) as (_, (plain, secret)):
        yield Upstream(plain, secret, certificate)


@contextmanager
def proxy(folder: Path, of: Upstream) -> Iterator[Target]:
    """A plain reverse proxy: nginx where it is installed, else the bare relay."""
    if nginx_program() is None:
        command = [*pin(GATEWAY_CPU), sys.executable, "-m", "benchmarks.bench.relay", str(of.plain)]
        with _printing_ports(command) as (pid, (port,)):
            yield Target("bare relay", port, pid=pid, tls=False)
        return
    port = free_port()
    servers = _PROXY.format(port=port, plain=of.plain, secret=of.secret)
    with nginx(folder / "nginx", servers, GATEWAY_CPU) as pid:
        yield Target("nginx", port, pid=pid)


@contextmanager
def nginx(home: Path, servers: str, cpu: int) -> Iterator[int]:
    """Run nginx, which must be installed, with these servers on one core; gives the id of its first process."""
    home.mkdir()
    settings = home / "nginx.conf"
    settings.write_text(_NGINX.format(folder=home, servers=servers))
    command = [*pin(cpu), nginx_program() or "nginx", "-p", str(home), "-c", str(settings)]
    process = subprocess.Popen(command)
    try:
        wait_until((home / "nginx.pid").exists)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def direct(of: Upstream) -> Target:
    """Nobody in the way."""
    return Target("direct", of.plain)


def proxy_version() -> str:
    """The proxy's name and version."""
    if (program := nginx_program()) is None:
        return "bare relay on uvloop"
    return (
        subprocess.run([program, "-v"], check=True, capture_output=True, text=True)
        .stderr.strip()
        .removeprefix("nginx version: ")
    )


def nginx_program() -> str | None:
    """Where nginx is, if it is installed."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextmanager
def _printing_ports(command: list[str]) -> Iterator[tuple[int, list[int]]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.pid, [int(port) for port in process.stdout.readline().split()]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
