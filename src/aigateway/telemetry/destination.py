"""Where log lines are written: a file, standard error or standard output."""

from __future__ import annotations

import os
import threading

_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


class Destination:
    """An append-only place for whole entries. Writing never raises: a log that cannot be written stops nobody's work.

    Raises:
        OSError: on construction, when the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        # Standard streams are used as they are: under a service manager they may be sockets, which cannot be opened.
        standard = _STANDARD.get(path)
        self._owned = standard is None
        # Only the owner may read: lines may hold prompts.
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if standard is None else standard
        self._lock = threading.Lock()
        self.is_terminal = os.isatty(self._fd)
        self.lost = 0
        """Entries that could not be written."""

    def write(self, entry: bytes) -> None:
        """Append one entry, whole; entries of several threads do not mix."""
        with self._lock:
            try:
                rest = memoryview(entry)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:
                self.lost += 1

    def close(self) -> None:
        """Close a file that this opened."""
        if self._owned:
            os.close(self._fd)
