"""Journals of the version before: SQLite databases `<number>.sqlite3`, which are turned into files and shipped.

Of one that SQLite cannot read, rows are looked for from both ends, and then in the bare bytes: those may be torn, or
may have been shipped before.
"""

from __future__ import annotations

import json
import mmap
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from aigateway.audit import rejected
from aigateway.audit.frames import Kind, frame
from aigateway.audit.segments import Segments
from aigateway.telemetry.logging import get_logger

SUFFIX = ".sqlite3"
PARTS = ("", "-wal", "-shm")
"""What SQLite adds to the name of a file for the files beside it."""
WAITING = "SELECT seq, records FROM entries ORDER BY seq"
REJECTED = "SELECT seq, records, reason FROM rejected ORDER BY seq"
_OPEN = "SELECT interception_id, started_at FROM open"
_RECORD = re.compile(rb'\{"record_type":"')
_LONGEST_RECORD = 1024 * 1024
"""Bytes of one record that are looked at in a broken file."""

_log = get_logger("audit.journals")


class UnreadableFile(Exception):
    """A file has nothing that can be read as a journal. The sentence says why."""


def convert(old: Path, folder: Path) -> None:
    """Move all that is in an SQLite journal, which nobody else holds, into the files of a journal; then remove it.

    One that cannot be read is set aside. Interrupted, it begins anew: what was moved twice is shipped twice, which
    changes nothing.

    Raises:
        OSError: the files cannot be written.

    """
    if reason := why_broken(old):
        set_aside(old, reason)
        return
    with closing(_read_only(old)) as database:
        opened = msgspec.json.encode(dict(database.execute(_OPEN).fetchall()))
        files = Segments(folder, hold=lambda: None, head=lambda: frame(Kind.OPEN, 0, b"{}"))
        seq = _last(files)
        for _, records in database.execute(WAITING):
            seq += 1
            files.append(frame(Kind.ENTRY, seq, records), seq)
        # Behind the entries: it says what is open when all of them are told.
        files.append(frame(Kind.OPEN, seq, opened), seq)
        files.close(keep=True)
        for _, records, why in database.execute(REJECTED):
            seq += 1
            rejected.add(folder, seq, why, records)
    remove(old)
    _log.info("a journal of a version before was taken over", file=str(old))


def remove(old: Path) -> None:
    """Delete an SQLite journal."""
    for suffix in PARTS:
        old.with_name(old.name + suffix).unlink(missing_ok=True)


def set_aside(old: Path, reason: str) -> None:
    """Give a file that SQLite cannot read another name, loudly."""
    mark = datetime.now(UTC).strftime("broken-%Y%m%dT%H%M%SZ")
    for suffix in PARTS:
        part = old.with_name(old.name + suffix)
        if part.exists():
            part.rename(old.with_name(f"{old.stem}.{mark}{suffix}"))
    _log.error(
        "a journal cannot be read and was set aside; records in it have not reached the database",
        file=str(old.with_name(f"{old.stem}.{mark}")),
        error=reason,
        what_to_do="keep the file; 'aigateway journal export FILE' reads what can be read",
    )


def why_broken(old: Path) -> str | None:
    """What SQLite says is wrong with a file; None when it can be read."""
    try:
        with closing(sqlite3.connect(old)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)


def rescued(path: Path) -> Iterator[dict[str, Any]]:
    """Everything in an SQLite journal or what was one, waiting and rejected, as much as can be read.

    Raises:
        UnreadableFile: that is nothing.

    """
    found = 0
    problem: UnreadableFile | None = None
    for query in (WAITING, REJECTED):
        seen: set[int] = set()
        for order in ("", " DESC"):
            try:
                for row in rows(path, query + order):
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


def decoded(records: bytes) -> Any:
    """The rows of an entry, or the text that should have been rows."""
    try:
        return json.loads(records)
    except (ValueError, RecursionError):
        return records.decode("utf-8", "replace")


def _last(files: Segments) -> int:
    return max((found.seq for _, found in files.read(files.beginning)), default=0)


def rows(path: Path, query: str) -> Iterator[dict[str, Any]]:
    """What `WAITING` or `REJECTED` finds in an SQLite journal.

    Raises:
        UnreadableFile: SQLite cannot read it.

    """
    try:
        with closing(_read_only(path)) as connection:
            for seq, records, *reason in connection.execute(query):
                row: dict[str, Any] = {"journal": path.name, "seq": seq}
                if reason:
                    row["reason"] = reason[0]
                yield row | {"records": decoded(records)}
    except sqlite3.Error as error:
        raise UnreadableFile(f"{path}: {error}") from error


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
