"""Looking at journals from outside, without disturbing the process that holds them; and reading what can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from aigateway.audit import old_journals
from aigateway.audit import rejected as refused
from aigateway.audit.frames import Damage, Frame, Kind, frames
from aigateway.audit.journals import holder
from aigateway.audit.old_journals import UnreadableFile, decoded
from aigateway.audit.opened import Opened
from aigateway.audit.segments import PATTERN

__all__ = ["JournalState", "UnreadableFile", "inspect", "rejected", "rescued", "waiting"]

_TIMES = ("started_at", "created_at", "ended_at")


@dataclass(frozen=True, slots=True)
class JournalState:
    """A journal at one moment."""

    path: Path
    holder: int | None
    """The pid of the process that holds it; None when nobody does."""
    size: int
    """Bytes on disk."""
    waiting: int
    """Entries that are to be shipped."""
    oldest: datetime | None
    """When the first of them was made."""
    unfinished: int
    """Interceptions that have begun and not ended."""
    rejected: int
    """Entries that were set aside, since the store refuses them."""
    problem: str | None
    """What is wrong with it."""


@dataclass(slots=True)
class _Summary:
    """What is in the files of a journal."""

    opened: Opened = field(default_factory=Opened)
    last: int = 0
    """The number of the last entry."""
    shipped: int = 0
    """The number of the last one that was shipped."""
    damaged: int = 0
    """Bytes that cannot be read."""


def inspect(path: Path) -> JournalState:
    """Look at one journal."""
    held, size = holder(path), _size(path)
    found = _summary(path)
    first = next(_waiting(path, found.shipped), None)
    problem = f"{found.damaged} bytes cannot be read" if found.damaged and held is None else None
    if path.with_suffix(old_journals.SUFFIX).exists():
        problem = "it is of a version before, and is taken over when it is shipped"
    return JournalState(
        path=path,
        holder=held,
        size=size,
        waiting=found.last - first.seq + 1 if first else 0,
        oldest=_time_of(first.payload) if first else None,
        unfinished=len(found.opened.ids),
        rejected=sum(1 for _ in refused.lines(path)),
        problem=problem,
    )


def waiting(path: Path) -> Iterator[dict[str, Any]]:
    """The entries that wait, in order: `journal`, `seq` and `records`."""
    for entry in _waiting(path, _summary(path).shipped):
        yield {"journal": path.name, "seq": entry.seq, "records": decoded(entry.payload)}
    yield from _of_old(path, old_journals.WAITING)


def rejected(path: Path) -> Iterator[dict[str, Any]]:
    """The entries that were set aside, with the `reason`."""
    for line in refused.lines(path):
        yield {"journal": path.name, **line}
    yield from _of_old(path, old_journals.REJECTED)


def rescued(path: Path) -> Iterator[dict[str, Any]]:
    """Everything in a file of a journal or what was one, as much as can be read, shipped or not.

    Raises:
        UnreadableFile: that is nothing.

    """
    entries = [found for found in frames(path.read_bytes()) if isinstance(found, Frame)]
    if not entries:
        yield from old_journals.rescued(path)
    for entry in entries:
        if entry.kind == Kind.ENTRY:
            yield {"journal": path.name, "seq": entry.seq, "records": decoded(entry.payload)}


def _of_old(path: Path, query: str) -> Iterator[dict[str, Any]]:
    old = path.with_suffix(old_journals.SUFFIX)
    return old_journals.rows(old, query) if old.exists() else iter(())


def _summary(path: Path) -> _Summary:
    summary = _Summary()
    for found in _frames(path):
        if isinstance(found, Damage):
            summary.damaged += found.end - found.at
        elif found.kind == Kind.ENTRY:
            summary.last = found.seq
            summary.opened.note_encoded(found.payload)
        elif found.kind == Kind.OPEN:
            summary.opened.take_over(found.payload)
        else:
            summary.shipped = max(summary.shipped, found.seq)
    return summary


def _waiting(path: Path, shipped: int) -> Iterator[Frame]:
    set_aside = {line["seq"] for line in refused.lines(path)}
    for found in _frames(path):
        if isinstance(found, Damage) or found.kind != Kind.ENTRY:
            continue
        if found.seq > shipped and found.seq not in set_aside:
            yield found


def _frames(path: Path) -> Iterator[Frame | Damage]:
    for file in sorted(path.glob(PATTERN)):
        with suppress(FileNotFoundError):  # It has been shipped meanwhile.
            yield from frames(file.read_bytes())


def _size(path: Path) -> int:
    old = (path.with_name(path.name + old_journals.SUFFIX + part) for part in old_journals.PARTS)
    return sum(part.stat().st_size for part in chain(path.glob("*"), old) if part.exists())


def _time_of(body: bytes) -> datetime | None:
    records = decoded(body)
    record = records[0] if isinstance(records, list) and records else {}
    times = [record[name] for name in _TIMES if isinstance(record.get(name), str)]
    try:
        return datetime.fromisoformat(times[0]) if times else None
    except ValueError:
        return None
