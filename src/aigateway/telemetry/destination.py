"""Where log lines are written: a file, standard error or standard output."""

from __future__ import annotations

import os
import select
import stat
import threading

_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


class Destination:
    """An append-only place for bytes. `write` belongs to one thread; `reopen` may be called by another.

    Raises:
        OSError: on construction, when the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Standard streams are used as they are: under a service manager they may be sockets, which cannot be opened.
        standard = _STANDARD.get(path)
        self._owned = standard is None
        self._fd = _open(path) if standard is None else standard
        self._next: int | None = None
        self._lock = threading.Lock()
        self.is_terminal = os.isatty(self._fd)

    def write(self, data: bytes) -> int:
        """Append `data`, however long that takes; says how many bytes were taken.

        Raises:
            OSError: nothing was taken. When only the end could not be written, the next call tells.
        """
        fd = self._current()
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(fd, rest) :]
            except BlockingIOError:  # another process made the stream that we share non-blocking
                _wait_until_writable(fd)
            except OSError:
                if len(rest) == len(data):
                    raise
                break
        return len(data) - len(rest)

    def reopen(self) -> None:
        """Open a file by its name again, since another may have it by now; standard streams stay as they are.

        What is written from now on goes to the new file.

        Raises:
            OSError: it cannot be opened; the old file is used on.
        """
        if not self._owned:
            return
        fd = _open(self.path)
        with self._lock:
            unused, self._next = self._next, fd
        if unused is not None:
            os.close(unused)

    def close(self) -> None:
        """Close a file that this opened."""
        if self._owned:
            os.close(self._current())

    def _current(self) -> int:
        with self._lock:
            if self._next is not None:
                os.close(self._fd)
                self._fd, self._next = self._next, None
            return self._fd


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):  # noqa: PTH110, PTH116 - a path is text here
        # Open for reading as well, a pipe is there at once and stays: its reader may come late, and may come again.
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    # Only the owner may read: lines may hold prompts.
    return os.open(path, flags, 0o600)


def _wait_until_writable(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()
