"""Our program in a process of its own that is there at once: forked from one that has imported everything already.

Of the seconds that a server takes to start, nearly all go to imports, and tests start hundreds of servers. Those that
are about starting, and all that run what documentation prints, run the real command; see `tests.support.shell`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "aigateway.cli.server",
        "aigateway.app.serve",
        "aigateway.api.app",
        "aigateway.web.app",
        "alembic.command",
        "tests.support.frozen",
    ]
)


class Forked:
    """`aigateway <args>` with this environment and no other, as `subprocess.Popen` would run it."""

    def __init__(self, args: Sequence[str], env: Mapping[str, str], output: Path) -> None:
        self._process = _CONTEXT.Process(target=_run, args=(args, dict(env), output), daemon=True)
        # The child would import the program that runs the tests, to find in it what it is to run.
        with _no_main():
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit status."""
        self._process.join(timeout)
        if (status := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("aigateway", timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        # Who forked it may have buried it before anybody told us.
        with suppress(ProcessLookupError):
            if self._process.exitcode is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`."""
        self.send_signal(signal.SIGKILL)


@contextmanager
def _no_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _run(args: Sequence[str], env: Mapping[str, str], output: Path) -> None:
    os.environ.clear()
    os.environ.update(env)
    written = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.argv = ["aigateway", *args]
    from aigateway.cli.main import run

    try:
        run()
    finally:
        # The end of a process of multiprocessing leaves them out; the log's last word is one of them.
        atexit._run_exitfuncs()
