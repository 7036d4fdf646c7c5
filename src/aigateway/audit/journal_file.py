"""The file of a journal: made, opened and measured; and made anew when somebody removes it under a running server."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from aigateway.telemetry.logging import get_logger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, records BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS rejected (seq INTEGER PRIMARY KEY, records BLOB NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS open (interception_id TEXT PRIMARY KEY, started_at TEXT NOT NULL) WITHOUT ROWID;
"""
_BUSY_TIMEOUT_SECONDS = 5.0
PARTS = ("", "-wal", "-shm")
"""What SQLite adds to the name of a file for the files beside it."""

_log = get_logger("audit.journal")


class JournalFile:
    """An open file (mode 0600), for one thread."""

    def __init__(self, path: Path, hold: Callable[[], object]) -> None:
        """Create or open it; `hold` is called before it is made anew, and makes sure that it is ours.

        Raises:
            sqlite3.Error, OSError: it cannot be made, opened or written.

        """
        self._path = path
        self._hold = hold
        self.connection = _open(path)
        self._identity = self._look()

    @property
    def size(self) -> int:
        """Bytes in use, without the pages that are free for what comes."""
        read = self.connection.execute
        (pages,), (free,), (page_size,) = (
            read(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * page_size)

    def restore(self) -> None:
        """Make the file anew if somebody removed it, with all that was in it.

        The system keeps a file that was removed for as long as it is open, but nobody would find it after a crash.

        Raises:
            sqlite3.Error, OSError: it cannot be made.

        """
        if self._look() == self._identity:
            return
        self._hold()
        copy = self._path.with_suffix(".copy")
        for suffix in PARTS:
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        copy.touch(mode=0o600)
        target = sqlite3.connect(copy)
        try:
            self.connection.backup(target)
        finally:
            target.close()
        self.connection.close()
        for suffix in PARTS:
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        copy.rename(self._path)
        self.connection = _open(self._path)
        self._identity = self._look()
        _log.error(
            "the journal was removed under the running server, and made anew with all that was in it",
            file=str(self._path),
        )

    def close(self) -> None:
        """Close it; what was committed is in the file."""
        self.connection.close()

    def _look(self) -> tuple[int, int]:
        """Which files bear our names now; 0 for none."""
        return _inode(str(self._path)), _inode(f"{self._path}-wal")


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - twice a commit; a Path costs more than the question
    except FileNotFoundError:
        return 0


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(_SCHEMA)
    return connection
