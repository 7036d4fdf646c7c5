"""Looking at journals from outside, without disturbing the process that holds them; and reading what can be read.

A journal is opened for reading only. Of a file that SQLite cannot read, rows are looked for from both ends, and then in
the bare bytes: those may be torn, or may have been shipped before.
"""

from __future__ import annotations

import json
import mmap
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aigateway.audit.journals import holder

_TIMES = ("started_at", "created_at", "ended_at")
_WAITING = "SELECT seq, records FROM entries ORDER BY seq"
_REJECTED = "SELECT seq, records, reason FROM rejected ORDER BY seq"
_RECORD = re.compile(rb'\{"record_type":"')
_LONGEST_RECORD = 1024 * 1024
"""Bytes of one record that are looked at in a broken file."""


class UnreadableFile(Exception):
    """A file has nothing that can be read as a journal. The sentence says why."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """A journal at one moment. What is not known because the file cannot be read is None."""

    path: Path
    holder: int | None
    """The pid of the process that holds it; None when nobody does."""
    size: int
    """Bytes on disk."""
    waiting: int | None = None
    """Entries that are to be shipped."""
    oldest: datetime | None = None
    """When the first of them was made."""
    unfinished: int | None = None
    """Interceptions that have begun and not ended."""
    rejected: int | None = None
    """Entries that were set aside, since the store refuses them."""
    problem: str | None = None
    """Why the file cannot be read."""


def inspect(path: Path) -> JournalState:
    """Look at one journal."""
    held, size = holder(path), _size(path)
    try:
        with closing(_read_only(path)) as connection:
            waiting = _one(connection, "SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM entries")
            first = connection.execute("SELECT records FROM entries ORDER BY seq LIMIT 1").fetchone()
            unfinished = _one(connection, "SELECT count(*) FROM open")
            rejected = _one(connection, "SELECT count(*) FROM rejected")
    except sqlite3.Error as error:
        return JournalState(path, held, size, problem=str(error))
    return JournalState(path, held, size, waiting, _time_of(first), unfinished, rejected)


def waiting(path: Path) -> Iterator[dict[str, Any]]:
    """The entries that wait, in order: `journal`, `seq` and `records`.

    Raises:
        UnreadableFile: SQLite cannot read the file; `rescued` may.

    """
    yield from _rows(path, _WAITING)


def rejected(path: Path) -> Iterator[dict[str, Any]]:
    """The entries that were set aside, with the `reason`.

    Raises:
        UnreadableFile: SQLite cannot read the file.

    """
    yield from _rows(path, _REJECTED)


def rescued(path: Path) -> Iterator[dict[str, Any]]:
    """Everything in a journal or what was one, waiting and rejected, as much as can be read.

    Raises:
        UnreadableFile: that is nothing.

    """
    found = 0
    problem: UnreadableFile | None = None
    for query in (_WAITING, _REJECTED):
        seen: set[int] = set()
        for order in ("", " DESC"):
            try:
                for row in _rows(path, query + order):
                    if row["seq"] in seen:
                        break
                    seen.add(row["seq"])
                    yield row
                break
            except UnreadableFile as error:
                problem = error
        found += len(seen)
    if problem is None:
        return
    for record in _torn(path):
        found += 1
        yield {"journal": path.name, "found": "in a broken file, perhaps shipped before", "records": [record]}
    if not found:
        raise problem


def _rows(path: Path, query: str) -> Iterator[dict[str, Any]]:
    try:
        with closing(_read_only(path)) as connection:
            for seq, records, *reason in connection.execute(query):
                row: dict[str, Any] = {"journal": path.name, "seq": seq}
                if reason:
                    row["reason"] = reason[0]
                yield row | {"records": _decoded(records)}
    except sqlite3.Error as error:
        raise UnreadableFile(f"{path}: {error}") from error


def _decoded(records: bytes) -> Any:
    try:
        return json.loads(records)
    except (ValueError, RecursionError):
        return records.decode("utf-8", "replace")


def _torn(path: Path) -> Iterator[dict[str, Any]]:
    """Records that stand whole in the bytes of a file or of its log, each once."""
    decoder = json.JSONDecoder()
    seen: set[str] = set()
    for part in (path, path.with_name(f"{path.name}-wal")):
        for text in _beginnings(part):
            try:
                record, end = decoder.raw_decode(text)
            except (ValueError, RecursionError):
                continue
            if text[:end] not in seen:
                seen.add(text[:end])
                yield record


def _beginnings(part: Path) -> Iterator[str]:
    """What stands where a record begins, and some more."""
    if not part.exists() or not part.stat().st_size:
        return
    with part.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in _RECORD.finditer(data):
            yield data[match.start() : match.start() + _LONGEST_RECORD].decode("utf-8", "replace")


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def _one(connection: sqlite3.Connection, query: str) -> int:
    (value,) = connection.execute(query).fetchone()
    return int(value)


def _size(path: Path) -> int:
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def _time_of(first: tuple[bytes] | None) -> datetime | None:
    if first is None:
        return None
    records = _decoded(first[0])
    record = records[0] if isinstance(records, list) and records else {}
    times = [record[name] for name in _TIMES if isinstance(record.get(name), str)]
    try:
        return datetime.fromisoformat(times[0]) if times else None
    except ValueError:
        return None
