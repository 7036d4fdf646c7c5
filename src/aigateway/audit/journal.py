"""The journal: rows are durably on local disk before a client sees what they speak of.

Append-only files, written by the event loop itself: handing a row to another thread and hearing of it costs many times
what the write costs. A write survives the end of the process, however it ends; after a power failure the last moments
may be missing, since waiting for the platter on every request would be felt.

What waits to be shipped is held in memory as well, up to a limit, so that it is read from the disk only when the store
was away or a process died.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from aigateway.audit import rejected
from aigateway.audit.frames import Kind, frame
from aigateway.audit.opened import Opened
from aigateway.audit.segments import Place, Segments
from aigateway.store.records import AnyRecord, InterceptionEnd, InterceptionStart
from aigateway.telemetry.logging import get_logger

_LATE_SECONDS = 1.0
"""How often ends that could not be written are tried again."""
_LOOK_SECONDS = 0.05
"""How often it is looked whether somebody removed the files: asking costs as much as a write."""
_SLOW_SECONDS = 0.25
"""A write that takes longer is told in the log: nobody is served meanwhile."""
_LARGEST_BATCH = 8 * 1024 * 1024
_MOST_HELD = 4000
"""Entries in memory."""
_READ_AT_ONCE = 200
"""Entries that are read from the disk before anybody else gets a turn."""

_log = get_logger("audit.journal")

_ENTRY = Kind.ENTRY
_encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(list[AnyRecord]).decode
"""Reads the rows of an entry back. Raises `msgspec.DecodeError`."""


class JournalUnavailable(Exception):
    """Rows could not be written (disk full, read-only, closed). The sentence says why."""


class Entry(msgspec.Struct, frozen=True):
    """One append, as it waits to be shipped."""

    seq: int
    records: Sequence[AnyRecord]
    size: int
    """Bytes on disk."""


class Journal:
    """Append-only rows on local disk; made for one event loop, which must be the one that calls `open`."""

    def __init__(self, path: Path, *, max_size: int | None = None, hold: Callable[[], object] = lambda: None) -> None:
        """Take the folder, the bytes that may wait in it, and what makes sure that the folder is this process's.

        At its largest size it takes no new interceptions until rows were shipped. The ends of those that are on record
        are taken all the same, so it grows a little beyond.
        """
        self.path = path
        self._max_size = max_size
        self._hold = hold
        self._files: Segments | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = Opened()
        self._last = 0
        self._shipped = 0
        self._bytes = 0
        self._held: deque[Entry] = deque()
        self._held_bytes = 0
        self._unread: Place | None = None
        """Where the entries are that wait and are not held; None when all are."""
        self._set_aside: set[int] = set()
        self._late: list[Sequence[AnyRecord]] = []
        self._looked = 0.0
        self.failure: str | None = None
        """Why the last write failed; None when it succeeded."""
        self.unrecorded = 0
        """Requests served without a record: none, since none is served that the journal does not keep."""
        self.failures = 0
        """Writes that failed since the start."""
        self.slowest_write = 0.0
        """Seconds; the reader sets it back."""
        self.appended = asyncio.Event()
        """Set after every new entry; the shipper clears it."""

    async def open(self) -> None:
        """Create or open the folder (mode 0700), and see what is in it.

        Raises:
            JournalUnavailable: the folder cannot be made, opened or written.

        """
        self._loop = asyncio.get_running_loop()
        self._kept: asyncio.Future[None] = self._loop.create_future()
        self._kept.set_result(None)
        try:
            self._files = Segments(self.path, hold=self._hold, head=self._head)
            await asyncio.to_thread(self._recover, self._files)
        except OSError as error:
            self._files = None
            raise JournalUnavailable(f"cannot open {self.path}: {error.strerror}") from error

    async def close(self) -> None:
        """Close the files; they are removed when they have nothing left to tell."""
        if self._files is None:
            return
        self._write_late()
        files, self._files = self._files, None
        files.close(keep=bool(self._last > self._shipped or self._opened.ids))

    def append(self, records: Sequence[AnyRecord]) -> asyncio.Future[None]:
        """Keep the rows of one interception, all or none; the future is done, since they are on disk already.

        The future raises `JournalUnavailable` when they could not be written. Those that end an interception which is
        on record are written all the same as soon as that is possible, so that none stays open for ever.
        """
        try:
            self._append(records)
        except JournalUnavailable as error:
            if self._files is not None and self._ends_what_is_open(records):
                self._write_later(records)
            return self._failed(error)
        if self._late:
            self._write_late()  # What could be written just now can be so again.
        return self._kept

    async def entries(self, limit: int) -> list[Entry]:
        """The oldest entries in order of arrival, at most `limit`, and not many more than eight megabytes of them.

        An entry that cannot be read is set aside on the way.
        """
        files = self._open_files()
        while self._unread is not None and not self._held_enough(limit):
            self._read_on(files, self._unread, min(limit - len(self._held), _READ_AT_ONCE))
            await asyncio.sleep(0)
        found: list[Entry] = []
        size = 0
        for entry in self._held:
            if len(found) == limit or size > _LARGEST_BATCH:
                break
            if entry.seq not in self._set_aside:
                found.append(entry)
                size += entry.size
        if not found and self._unread is None and self._last > self._shipped:
            await self.discard(self._last)  # All that waited was set aside.
        return found

    async def discard(self, up_to: int) -> None:
        """Forget the entries that have been shipped: all with `seq <= up_to`."""
        files = self._open_files()
        while self._held and self._held[0].seq <= up_to:
            self._let_go(self._held.popleft())
        self._shipped = max(self._shipped, up_to)
        self._set_aside = {seq for seq in self._set_aside if seq > up_to}
        with suppress(JournalUnavailable):
            # Where it cannot be written, entries are shipped again after a crash, which changes nothing.
            self._write(frame(Kind.SHIPPED, self._shipped, b""), 0)
        with suppress(OSError):
            files.forget(self._shipped)

    async def reject(self, seq: int, reason: str) -> None:
        """Set one entry aside: it stays on disk, and the entries behind it can be shipped."""
        body = next((_encode(entry.records) for entry in self._held if entry.seq == seq), b"null")
        self._keep_rejected(seq, reason, body)
        if self._held and self._held[0].seq == seq:
            await self.discard(seq)

    async def rejected(self) -> int:
        """How many entries were set aside and wait for a person to look at them."""
        return sum(1 for _ in rejected.lines(self.path))

    async def unfinished(self) -> list[tuple[str, str]]:
        """Interceptions that have begun and not ended: `(interception id, started_at)`."""
        return sorted(self._opened.ids.items(), key=lambda one: one[1])

    async def backlog(self) -> int:
        """How many entries wait to be shipped, those included that were just set aside among them."""
        return self._last - self._shipped

    async def check_writable(self) -> None:
        """Write.

        Raises:
            JournalUnavailable: the journal cannot be written, or takes nothing new.

        """
        self._check_room()
        self._write(frame(Kind.SHIPPED, self._shipped, b""), 0)
        self._write_late()

    def _append(self, records: Sequence[AnyRecord]) -> None:
        files = self._open_files()
        if self._max_size is not None and type(records[0]) is InterceptionStart:
            self._check_room()
        seq = self._last + 1
        data = frame(_ENTRY, seq, _encode(records))
        size = len(data)
        if self._unread is None and self._held_enough(_MOST_HELD):
            place = files.end
            self._write(data, seq)
            self._unread = place
        else:
            self._write(data, seq)
            if self._unread is None:
                self._held.append(Entry(seq, records, size))
                self._held_bytes += size
        self._last = seq
        self._bytes += size
        self._opened.note(records)
        self.appended.set()

    def _write(self, data: bytes, seq: int) -> None:
        """Write a frame.

        Raises:
            JournalUnavailable: that failed.

        """
        files = self._open_files()
        began = time.monotonic()
        try:
            if began - self._looked >= _LOOK_SECONDS:
                self._looked = began
                files.restore()
            files.append(data, seq)
        except OSError as error:
            self.failure = error.strerror or str(error)
            self.failures += 1
            raise JournalUnavailable(f"cannot write {self.path.name}: {self.failure}") from error
        self.failure = None
        took = time.monotonic() - began
        if took > self.slowest_write:
            self.slowest_write = took
            if took > _SLOW_SECONDS:
                _log.warning("a write to the journal was slow, and held up everybody", seconds=round(took, 3))

    def _open_files(self) -> Segments:
        if self._files is None:
            raise JournalUnavailable("the journal is closed")
        return self._files

    def _failed(self, error: JournalUnavailable) -> asyncio.Future[None]:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(error)
        return failed

    def _check_room(self) -> None:
        if self._max_size is not None and self._bytes >= self._max_size:
            raise JournalUnavailable(
                f"cannot write {self.path.name}: it is at its largest size (--ai-gateway-journal-max-size), "
                "for the database is away"
            )

    # --- what is in memory ---

    def _held_enough(self, most: int) -> bool:
        return len(self._held) >= most or self._held_bytes > _LARGEST_BATCH

    def _hold_on_to(self, entry: Entry) -> None:
        self._held.append(entry)
        self._held_bytes += entry.size

    def _let_go(self, entry: Entry) -> None:
        self._held_bytes -= entry.size
        self._bytes -= entry.size

    # --- what is on disk ---

    def _head(self) -> bytes:
        """What each file begins with, so that the ones before it can be removed."""
        return frame(Kind.OPEN, self._last, self._opened.encoded()) + frame(Kind.SHIPPED, self._shipped, b"")

    def _recover(self, files: Segments) -> None:
        """See what a process before this one has left."""
        sizes: deque[tuple[int, int]] = deque()
        for _, found in files.read(files.beginning):
            if found.kind == Kind.ENTRY:
                self._opened.note_encoded(found.payload)
                sizes.append((found.seq, found.size))
            elif found.kind == Kind.OPEN:
                self._opened.take_over(found.payload)
            elif found.kind == Kind.SHIPPED:
                self._shipped = max(self._shipped, found.seq)
            if found.kind != Kind.SHIPPED:
                self._last = max(self._last, found.seq)
            while sizes and sizes[0][0] <= self._shipped:
                sizes.popleft()
        set_aside = {line["seq"] for line in rejected.lines(self.path)}
        self._last = max(self._last, self._shipped, *set_aside)
        self._bytes = sum(size for _, size in sizes)
        self._set_aside = {seq for seq in set_aside if seq > self._shipped}
        self._unread = files.beginning if sizes else None
        if not sizes:
            self._shipped = self._last

    def _read_on(self, files: Segments, place: Place, most: int) -> None:
        """Take up to `most` entries from the disk into memory."""
        for behind, found in files.read(place):
            place = behind
            if found.kind == Kind.ENTRY and found.seq > self._shipped:
                self._take_up(found.seq, found.payload, found.size)
                most -= 1
            if most <= 0 or self._held_bytes > _LARGEST_BATCH:
                break
        else:
            self._unread = None
            return
        self._unread = place

    def _take_up(self, seq: int, body: bytes, size: int) -> None:
        if seq in self._set_aside:
            self._bytes -= size
            return
        try:
            self._hold_on_to(Entry(seq, decode(body), size))
        except msgspec.DecodeError as error:
            self._bytes -= size
            self._keep_rejected(seq, f"cannot be read: {error}", body)
            _log.error("an entry of the journal cannot be read and was set aside in it", seq=seq, error=str(error))

    def _keep_rejected(self, seq: int, reason: str, body: bytes) -> None:
        try:
            rejected.add(self.path, seq, reason, body)
        except OSError as error:
            raise JournalUnavailable(f"cannot write {self.path.name}: {error.strerror}") from error
        self._set_aside.add(seq)

    # --- ends that could not be written ---

    def _ends_what_is_open(self, records: Sequence[AnyRecord]) -> bool:
        last = records[-1]
        return type(last) is InterceptionEnd and last.interception_id in self._opened.ids

    def _write_later(self, records: Sequence[AnyRecord]) -> None:
        self._late.append(records)
        if len(self._late) == 1 and self._loop is not None:
            self._loop.call_later(_LATE_SECONDS, self._write_late)

    def _write_late(self) -> None:
        late, self._late = self._late, []
        for number, records in enumerate(late):
            try:
                self._append(records)
            except JournalUnavailable:
                if self._files is not None:
                    for again in late[number:]:
                        self._write_later(again)
                return
