"""What a process and all its children have used, as Linux tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of the whole tree so far, to ten milliseconds."""
    total = 0
    for member in tree(pid):
        with suppress(OSError):
            # Behind the name, which may hold anything: state, ppid, …; the two times are fields 14 and 15 of all.
            fields = Path(f"/proc/{member}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total * _TICK_SECONDS


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
