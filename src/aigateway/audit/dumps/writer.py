"""Writes dump files in a thread of its own, with a bounded queue before it: no request ever waits for a dump.

No file stays open between two writes, so that a thousand streams cost no more descriptors than one.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aigateway.audit.dumps.layout import note
from aigateway.audit.dumps.naming import SUFFIXES
from aigateway.telemetry.logging import get_logger

MOST_QUEUED_BYTES = 64 * 1024 * 1024
MOST_QUEUED_JOBS = 20_000
_MOST_JOBS_AT_ONCE = 256
_WARNING_SECONDS = 60.0
_CLOSE_SECONDS = 5.0
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_KNOWN_FILE = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW

_log = get_logger("dumps")


class File:
    """One file of a dump. Only the writer's thread looks inside."""

    __slots__ = ("full", "path", "size")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.full = False


Job = Callable[[], tuple[File, bytes] | None]
"""Makes, in the writer's thread, the bytes that are to be added to a file, or does something else there."""


@dataclass(frozen=True, slots=True)
class _Queued:
    make: Job
    size: int


class Writer:
    """Adds bytes to files, in order. `put` is called by one thread only, the event loop's."""

    def __init__(self, folder: Path, *, max_file_size: int, max_total_size: int) -> None:
        """Take the limits in bytes."""
        self.refused = 0
        """Jobs that found the queue full."""
        self.failed = 0
        """Jobs that could not be written."""
        self._folder = folder
        self._max_file_size = max_file_size
        self._max_total_size = max_total_size
        self._total = 0
        self._full = False
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        # One thread counts up the first, the other the second: no lock is needed.
        self._bytes_in = 0
        self._bytes_out = 0
        self._warned_at: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="dumps", daemon=True)

    @property
    def full(self) -> bool:
        """Whether all dumps together have reached their size, so that nothing more is written."""
        return self._full

    def start(self) -> None:
        """Make the folder (mode 0700), count what it holds, and begin.

        Raises:
            OSError: the folder cannot be made or written.

        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13), str(self._folder))
        self._count()
        self._thread.start()

    def count_anew(self) -> None:
        """Look how much the folder holds now, and go on if it is less than the limit."""
        self.put(self._count, 0)

    def put(self, make: Job, size: int) -> bool:
        """Take a job that holds `size` bytes in memory; False, and a warning, when too much waits already.

        A job that holds none is always taken.
        """
        waiting = self._bytes_in - self._bytes_out
        if size and waiting and (waiting + size > MOST_QUEUED_BYTES or self._queue.qsize() >= MOST_QUEUED_JOBS):
            self.refused += 1
            self._warn("dumps cannot be written fast enough: some are cut short or left out", refused=self.refused)
            return False
        self._bytes_in += size
        self._queue.put(_Queued(make, size))
        return True

    async def close(self) -> None:
        """Write what waits, for a few seconds at most."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)

    def _run(self) -> None:
        running = True
        while running:
            jobs = [self._queue.get()]
            while len(jobs) < _MOST_JOBS_AT_ONCE and not self._queue.empty():
                jobs.append(self._queue.get())
            ready: dict[File, bytearray] = {}
            for job in jobs:
                if job is None:
                    running = False
                    continue
                self._do(job.make, ready)
                self._bytes_out += job.size
            for file, data in ready.items():
                self._write(file, data)

    def _do(self, make: Job, ready: dict[File, bytearray]) -> None:
        try:
            made = make()
        except Exception:  # noqa: BLE001 - one dump that cannot be made must not end all others
            self.failed += 1
            _log.exception("a dump could not be made")
            return
        if made is not None:
            file, data = made
            ready.setdefault(file, bytearray()).extend(data)

    def _write(self, file: File, data: bytearray) -> None:
        if file.full or not data:
            return
        try:
            self._write_within_limits(file, data)
        except OSError as error:
            file.full = True
            self.failed += 1
            self._warn("a dump could not be written", path=str(file.path), reason=error.strerror, failed=self.failed)

    def _write_within_limits(self, file: File, data: bytearray) -> None:
        if file.size + len(data) > self._max_file_size:
            file.full = True
            del data[max(0, self._max_file_size - file.size) :]
            data += note("cut here, the file has reached --ai-gateway-dump-max-file-size")
        if self._total + len(data) > self._max_total_size and self._is_full(len(data)):
            file.full = True
            del data[max(0, self._max_total_size - self._total) :]
            data += note("cut here, all dumps have reached --ai-gateway-dump-max-total-size")
        _append(file, data)
        self._total += len(data)

    def _is_full(self, more: int) -> bool:
        """Whether there is no room for `more` bytes, also when somebody has removed old dumps meanwhile."""
        if not self._full:
            self._count(more)
        return self._full

    def _count(self, more: int = 1) -> None:
        self._total = sum(_size(path) for suffix in SUFFIXES for path in self._folder.rglob(f"*{suffix}"))
        self._full = self._total + more > self._max_total_size
        if self._full:
            _log.warning(
                "all dumps together have reached their size: nothing more is dumped. "
                "Remove old ones and send SIGHUP, or raise --ai-gateway-dump-max-total-size",
                folder=str(self._folder),
                limit=self._max_total_size,
            )

    def _warn(self, message: str, **fields: object) -> None:
        now = time.monotonic()
        if now - self._warned_at.get(message, -_WARNING_SECONDS) >= _WARNING_SECONDS:
            self._warned_at[message] = now
            _log.warning(message, **fields)


def _append(file: File, data: bytearray) -> None:
    if not file.size:
        file.path.parent.parent.mkdir(mode=0o700, exist_ok=True)
        file.path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(file.path, _KNOWN_FILE if file.size else _NEW_FILE, 0o600)
    try:
        view = memoryview(data)
        while view:
            written = os.write(descriptor, view)
            file.size += written
            view = view[written:]
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
