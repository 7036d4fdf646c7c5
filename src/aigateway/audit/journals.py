"""The folder of journals: one for each process, so that no two wait for each other, and none is left behind.

    0/        the files of a journal (`audit.segments`), and what the store refused of it (`audit.rejected`)
    0.lock    held by the process that writes them, for as long as it lives, and holding its pid

A process takes the first journal that nobody holds, or makes one. What a process that died left is adopted: by the
next process that starts, or by a living one on the same host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aigateway.audit import old_journals
from aigateway.audit.journal import JournalUnavailable

_MOST_JOURNALS = 1024


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
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def convert(self) -> None:
        """Take over what a version before has left under this name.

        Raises:
            JournalUnavailable: the files cannot be written.

        """
        old = _old(self.path)
        try:
            if old.exists():
                old_journals.convert(old, self.path)
        except OSError as error:
            raise JournalUnavailable(f"cannot take over {old}: {error.strerror}") from error


class Journals:
    """The journals under one folder (made with mode 0700)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self) -> Claim:
        """The first journal that nobody holds, be it old or new; those of a version before are left to be adopted.

        Raises:
            JournalUnavailable: the folder cannot be made or written.

        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(_MOST_JOURNALS):
                path = self.folder / str(number)
                if not _old(path).exists() and (claim := _try(path)):
                    return claim
        except OSError as error:
            raise JournalUnavailable(f"cannot use {self.folder}: {error.strerror}") from error
        raise JournalUnavailable(f"all {_MOST_JOURNALS} journals in {self.folder} are in use")

    def orphans(self) -> Iterator[Claim]:
        """Each journal that nobody holds, held now: what a process that died has left."""
        for path in self.paths():
            if claim := _try(path):
                yield claim

    def paths(self) -> list[Path]:
        """Every journal, held or not."""
        found = {path.with_suffix("") for path in self.folder.glob(f"*{old_journals.SUFFIX}")}
        found |= {path for path in self.folder.glob("*") if path.is_dir()}
        return sorted((path for path in found if path.name.isdecimal()), key=lambda path: int(path.name))

    def broken(self) -> list[Path]:
        """What was set aside, for a person to look at."""
        return sorted(self.folder.glob("*.broken-*"))


def _try(path: Path) -> Claim | None:
    lock = _lock(path)
    return None if lock is None else Claim(path, lock)


def _old(path: Path) -> Path:
    """Where the version before kept the journal of this name."""
    return path.with_suffix(old_journals.SUFFIX)


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
