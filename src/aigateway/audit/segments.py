"""The files of one journal: written one after the other, removed once all that is in them was shipped.

Each is made at its full length, so that a full disk is noticed before a write is torn. A file that somebody removes is
made anew from the one that is still open. Every method may raise OSError.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from aigateway.audit.frames import Damage, Frame, frames
from aigateway.telemetry.logging import get_logger

SEGMENT_BYTES = 4 * 1024 * 1024
PATTERN = "*.segment"
_COPIED_AT_ONCE = 1024 * 1024

_log = get_logger("audit.journal")


class Place(msgspec.Struct, frozen=True):
    """Where a frame stands."""

    segment: int
    at: int


@dataclass(slots=True)
class Segment:
    """An open file."""

    number: int
    path: Path
    descriptor: int
    inode: int
    size: int
    """Bytes written."""
    room: int
    """Bytes that it was made for."""
    last_seq: int = 0
    """The highest number in it."""


class Segments:
    """The files in a folder (mode 0700), which is made when it is missing; each file has mode 0600."""

    def __init__(self, folder: Path, *, hold: Callable[[], object], head: Callable[[], bytes]) -> None:
        """`hold` makes sure that the folder is ours before it is made anew; `head` is what each file begins with."""
        self._folder = folder
        self._hold = hold
        self._head = head
        self._segments: list[Segment] = []
        self._writing = False
        self._told: set[Place] = set()
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in sorted(folder.glob(PATTERN)):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            found = os.fstat(descriptor)
            number = int(path.stem)
            self._segments.append(Segment(number, path, descriptor, found.st_ino, found.st_size, found.st_size))

    @property
    def beginning(self) -> Place:
        """Where the oldest frame is, or will be."""
        return Place(self._segments[0].number if self._segments else 1, 0)

    @property
    def end(self) -> Place:
        """Where the next frame will be written, if it has room there."""
        last = self._segments[-1] if self._segments else None
        return Place(last.number, last.size) if last else Place(1, 0)

    def append(self, data: bytes, seq: int) -> None:
        """Write a frame. What was written survives the end of the process."""
        size = len(data)
        segment = self._segments[-1] if self._writing else self._begin(size)
        if segment.size + size > segment.room:
            segment = self._begin(size)
        _write(segment.descriptor, data, segment.size)
        segment.size += size
        segment.last_seq = max(segment.last_seq, seq)

    def read(self, place: Place) -> Iterator[tuple[Place, Frame]]:
        """The frames from a place on, each with the place behind it. Damage is set aside loudly and passed over."""
        for segment in list(self._segments):
            if segment.number < place.segment:
                continue
            at = place.at if segment.number == place.segment else 0
            content = os.pread(segment.descriptor, segment.size - at, at)
            for found in frames(content):
                if isinstance(found, Damage):
                    self._set_aside(segment, Place(segment.number, at + found.at), found.end - found.at)
                else:
                    segment.last_seq = max(found.seq, segment.last_seq)
                    yield Place(segment.number, at + found.end), found

    def forget(self, up_to: int) -> None:
        """Remove the files that hold no number beyond this one, but not the one that is written."""
        # It begins with what is open, which is nowhere else once the others are gone.
        for segment in self._segments[:-1] if self._writing else ():
            if segment.last_seq <= up_to:
                self._remove(segment)

    def restore(self) -> None:
        """Make anew what somebody removed: the system keeps a file for as long as it is open, but who would find it?"""
        removed = [segment for segment in self._segments if _inode(segment.path) != segment.inode]
        if not removed:
            return
        self._hold()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for segment in removed:
            _copy(segment)
        _log.error(
            "the journal was removed under the running server, and made anew with all that was in it",
            file=str(self._folder),
        )

    def close(self, *, keep: bool) -> None:
        """Close the files, and remove them unless they are to be kept."""
        for segment in list(self._segments):
            if not keep:
                self._remove(segment)
                continue
            if self._writing and segment is self._segments[-1]:
                os.ftruncate(segment.descriptor, segment.size)
            os.close(segment.descriptor)
        self._segments.clear()

    def _begin(self, needed: int) -> Segment:
        """Go on in a new file: nothing is ever added to a file of a process that died."""
        head = self._head()
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._folder / f"{number:010d}.segment"
        if not self._folder.exists():
            self._hold()
            self._folder.mkdir(mode=0o700)
        room = max(SEGMENT_BYTES, len(head) + needed)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _make_room(descriptor, room)
            _write(descriptor, head, 0)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        if self._writing:
            before = self._segments[-1]
            os.ftruncate(before.descriptor, before.size)
        begun = Segment(number, path, descriptor, os.fstat(descriptor).st_ino, len(head), room)
        self._segments.append(begun)
        self._writing = True
        return begun

    def _remove(self, segment: Segment) -> None:
        segment.path.unlink(missing_ok=True)
        os.close(segment.descriptor)
        self._segments.remove(segment)

    def _set_aside(self, segment: Segment, place: Place, size: int) -> None:
        """Keep the whole file under another name, for a person to look at."""
        if place in self._told:
            return
        self._told.add(place)
        mark = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        kept = self._folder.with_name(f"{self._folder.name}.broken-{segment.number}-{mark}")
        if not kept.exists():
            os.link(segment.path, kept)
        _log.error(
            "a part of a journal cannot be read and was set aside; records in it have not reached the database",
            file=str(kept),
            bytes=size,
            what_to_do="keep the file; 'aigateway journal export FILE' reads what can be read",
        )


def _write(descriptor: int, data: bytes, at: int) -> None:
    written = os.pwrite(descriptor, data, at)
    if written != len(data):
        os.pwrite(descriptor, bytes(written), at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _make_room(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        os.ftruncate(descriptor, size)


def _copy(segment: Segment) -> None:
    copy = segment.path.with_suffix(".copy")
    target = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _make_room(target, segment.room)
        for at in range(0, segment.size, _COPIED_AT_ONCE):
            _write(target, os.pread(segment.descriptor, min(_COPIED_AT_ONCE, segment.size - at), at), at)
        copy.rename(segment.path)
    except OSError:
        os.close(target)
        raise
    os.close(segment.descriptor)
    segment.descriptor, segment.inode = target, os.fstat(target).st_ino


def _inode(path: Path) -> int:
    """Which file bears a name; 0 for none."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - on the way of requests; a Path costs more than the question
    except FileNotFoundError:
        return 0
