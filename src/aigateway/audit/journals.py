"""The folder of journals: one file for each process, so that no two wait for each other, and none is left behind.

    0.sqlite3   the rows
    0.lock      held by the process that writes them, for as long as it lives, and holding its pid

A process takes the first journal that nobody holds, or makes one. What a process that died left is adopted: by the
next process that starts, or by a living one on the same host. A file that SQLite cannot read is set aside under
another name, loudly, and never deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aigateway.audit.journal import JournalUnavailable
from aigateway.audit.journal_file import PARTS
from aigateway.telemetry.logging import get_logger

_MOST_JOURNALS = 1024
_log = get_logger("audit.journals")


@dataclass(slots=True)
class Claim:
    """A journal that this process holds until `release`, or until it ends, however it ends."""

    path: Path
    _lock: int

    def renew(self) -> None:
        """Hold it still, though somebody may have removed its lock or the whole folder.

        Raises:
            OSError: the folder cannot be made, or another process took the name meanwhile.

        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._lock), self.path.with_suffix(".lock").stat()):
                return
        lock = _lock(self.path)
        if lock is None:
            raise BlockingIOError(f"{self.path} was removed, and another process took its name")
        os.close(self._lock)
        self._lock = lock

    def release(self) -> None:
        """Let others have it."""
        os.close(self._lock)

    def remove(self) -> None:
        """Delete a journal that has nothing left to tell, and let go of its name."""
        for suffix in PARTS:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.release()


class Journals:
    """The journals under one folder (made with mode 0700)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self) -> Claim:
        """The first journal that nobody holds, be it old or new; a broken one is set aside first.

        Raises:
            JournalUnavailable: the folder cannot be made or written.

        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(_MOST_JOURNALS):
                if claim := self._try(self.folder / f"{number}.sqlite3"):
                    return claim
        except OSError as error:
            raise JournalUnavailable(f"cannot use {self.folder}: {error.strerror}") from error
        raise JournalUnavailable(f"all {_MOST_JOURNALS} journals in {self.folder} are in use")

    def orphans(self) -> Iterator[Claim]:
        """Each journal that nobody holds, held now: what a process that died has left."""
        for path in self.paths():
            if claim := self._try(path):
                yield claim

    def paths(self) -> list[Path]:
        """Every journal, held or not."""
        return sorted(path for path in self.folder.glob("*.sqlite3") if path.stem.isdecimal())

    def broken(self) -> list[Path]:
        """What was set aside, for a person to look at."""
        return sorted(self.folder.glob("*.broken-*"))

    def _try(self, path: Path) -> Claim | None:
        lock = _lock(path)
        if lock is None:
            return None
        if path.exists() and (reason := why_broken(path)):
            self._set_aside(path, reason)
        return Claim(path, lock)

    def _set_aside(self, path: Path, reason: str) -> None:
        mark = datetime.now(UTC).strftime("broken-%Y%m%dT%H%M%SZ")
        for suffix in PARTS:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(path.with_name(f"{path.stem}.{mark}{suffix}"))
        _log.error(
            "a journal cannot be read and was set aside; records in it have not reached the database",
            file=str(path.with_name(f"{path.stem}.{mark}")),
            error=reason,
            what_to_do="keep the file; 'aigateway journal export FILE' reads what can be read",
        )


def _lock(path: Path) -> int | None:
    """The descriptor of a journal's lock, with our pid in it; None while somebody else holds it."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return lock


def holder(path: Path) -> int | None:
    """The pid of the process that holds a journal; None when nobody does."""
    try:
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() else -1
    finally:
        os.close(lock)
    return None


def why_broken(path: Path) -> str | None:
    """What SQLite says is wrong with a file; None when it can be read."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)
