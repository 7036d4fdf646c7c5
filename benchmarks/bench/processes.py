"""What a process and all its children have used, as Linux tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def tree(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of the whole tree so far.

    The scheduler's own count is to the nanosecond, while `stat` ticks every ten milliseconds. It forgets threads that
    have ended; what is measured here keeps its threads.
    """
    total = 0
    for member in tree(pid):
        with suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                total += int((task / "schedstat").read_text("ascii").split()[0])
    return total / 1e9


def memory_mb(pid: int, *, peak: bool = False) -> float:
    """What the whole tree holds of memory now, or at most; in megabytes."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    total = 0
    for member in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text("utf-8", "replace").splitlines():
                if line.startswith(wanted):
                    total += int(line.split()[1])
    return total / 1024


def pin(cpu: int) -> list[str]:
    """What to put before a command so that it runs on one core; nothing where there is only one, or no `taskset`."""
    return ["taskset", "-c", str(cpu)] if (os.cpu_count() or 1) > 1 and _has_taskset() else []


def _has_taskset() -> bool:
    return any((Path(folder) / "taskset").exists() for folder in os.environ["PATH"].split(os.pathsep))
