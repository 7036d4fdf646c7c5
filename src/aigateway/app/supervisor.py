"""Several processes that serve at one address (`--workers`): started, started again when they die, and stopped.

The parent serves nothing itself. It holds the data directory and every listening socket, so that connections to a
worker that died wait for the next one instead of being refused. Each worker has a journal and metrics of its own;
what a dead one left in its journal is shipped by whoever finds it first.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aigateway.app.places import Places
from aigateway.settings.model import Settings
from aigateway.settings.shown import Effective
from aigateway.telemetry import logging
from aigateway.telemetry.logging import get_logger

_PROGRAM = "from aigateway.app.worker import main; main()"
_SHORTEST_LIFE_SECONDS = 1.0
"""A worker that dies sooner is not started again before this time is over."""
_FOREVER_SECONDS = 3600.0

_log = get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told, on its standard input, which stays open for as long as its parent lives."""

    settings: Settings
    effective: Effective
    number: int
    places: tuple[int | None, ...]
    ready: int
    """The descriptor into which it writes its number once it serves."""


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    started: float
    ready: bool = False


class Supervisor:
    """Runs in the parent, in its main thread."""

    def __init__(self, settings: Settings, effective: Effective, places: Sequence[Places], lock: int) -> None:
        """Take the places of each worker, and the lock that each keeps held, should the parent die first."""
        self._settings = settings
        self._effective = effective
        self._places = places
        self._lock = lock
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        """When to start the workers that are not there."""
        self._stopping = False
        self._status = 0

    def run(self) -> int:
        """Until told to stop, or until the first worker cannot start; returns the exit status.

        The first worker migrates the database, so the others are started when it serves.
        """
        ready, tell_ready = os.pipe()
        with _signals() as signals:
            self._start(0, tell_ready)
            while self._workers or self._due:
                timeout = min(self._due.values(), default=time.monotonic() + _FOREVER_SECONDS) - time.monotonic()
                readable, _, _ = select.select([signals.fileno(), ready], [], [], max(0.0, timeout))
                if ready in readable:
                    self._are_ready(os.read(ready, len(self._places)))
                if signals.fileno() in readable:
                    self._are_told(signals.recv(4096))
                self._bury()
                self._start_due(tell_ready)
        os.close(ready)
        os.close(tell_ready)
        return self._status

    def _start(self, number: int, tell_ready: int) -> None:
        places = self._places[number].numbers()
        inherited = [place for place in places if place is not None]
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            pass_fds=(*inherited, tell_ready, self._lock),
            # Not in the terminal's group: Ctrl-C is for the parent, which passes it on once.
            process_group=0,
        )
        self._workers[number] = _Worker(process, time.monotonic())
        order = pickle.dumps(Order(self._settings, self._effective, number, places, tell_ready))
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(len(order).to_bytes(8) + order)
                process.stdin.flush()

    def _are_ready(self, numbers: bytes) -> None:
        for number in numbers:
            worker = self._workers.get(number)
            if worker is None:
                continue
            worker.ready = True
            _log.info("a worker serves", worker=number, worker_pid=worker.process.pid)
        if not self._stopping:
            now = time.monotonic()
            for number in range(len(self._places)):
                if number not in self._workers:
                    self._due.setdefault(number, now)

    def _are_told(self, numbers: bytes) -> None:
        for signum in numbers:
            if signum in {signal.SIGTERM, signal.SIGINT}:
                self._stop(signal.Signals(signum).name)
            elif signum == signal.SIGHUP:
                logging.reopen()
                for worker in self._workers.values():
                    # One that is not ready is not prepared for it either, and opens everything anew.
                    if worker.ready:
                        worker.process.send_signal(signal.SIGHUP)

    def _stop(self, name: str) -> None:
        _log.info("stopping the workers", signal=name, workers=len(self._workers))
        self._stopping = True
        self._due.clear()
        for worker in self._workers.values():
            worker.process.send_signal(signal.SIGTERM)
        # Theirs stay open for as long as they want to be connected to.
        for places in self._places:
            places.close()

    def _bury(self) -> None:
        for number, worker in tuple(self._workers.items()):
            status = worker.process.poll()
            if status is None:
                continue
            del self._workers[number]
            if worker.process.stdin is not None:
                worker.process.stdin.close()
            if self._stopping:
                # A worker that was told to stop before it was ready dies of that.
                if status not in {0, -signal.SIGTERM}:
                    self._status = 1
            elif status == 1 and not worker.ready and number == 0 and not self._due and not self._workers:
                # It has said why. Nobody serves, so there is nothing to keep up.
                self._status = 1
            else:
                _log.error(
                    "a worker died and is started again", worker=number, worker_pid=worker.process.pid, status=status
                )
                self._due[number] = worker.started + _SHORTEST_LIFE_SECONDS

    def _start_due(self, tell_ready: int) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number, tell_ready)


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """The numbers of signals, as bytes to be read, whichever thread the system chose to tell."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before = {
        signum: signal.signal(signum, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    }
    was = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(was)
        # At the end of the program a late signal must not change its status.
        for signum in before:
            if signum is not signal.SIGCHLD:
                signal.signal(signum, signal.SIG_IGN)
        reading.close()
        writing.close()
