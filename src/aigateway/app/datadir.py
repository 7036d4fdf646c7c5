"""The data directory, held by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DataDirError(Exception):
    """The data directory cannot be used. The sentence says why, and names the option."""


@contextmanager
def hold(path: Path) -> Iterator[int]:
    """Make the directory (mode 0700) and hold it until the block ends, however the process ends.

    The descriptor keeps it held in every process that has it.

    Raises:
        DataDirError: it cannot be made or written, or another process holds it.

    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirError(
            f"--data-dir (CODER_AI_GATEWAY_DATA_DIR): cannot use {path}: {error.strerror}. "
            "Name a directory that this user may write."
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise DataDirError(
                f"--data-dir (CODER_AI_GATEWAY_DATA_DIR): {path} is in use by another server (pid {holder}). "
                "Stop that one, or give this one a directory of its own."
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield lock
    finally:
        os.close(lock)
