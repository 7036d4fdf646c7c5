"""The journal: rows are durably on local disk before a client sees what they speak of.

One SQLite file in WAL mode and one writer thread. Everything that waits goes into one transaction (*group commit*), so
that a busy gateway pays one commit for many requests. A commit survives the end of the process, however it ends; after
a power failure the last moments may be missing, since waiting for the platter on every request would be felt.

    entries   what is still to be shipped, in order of arrival
    rejected  entries that the store will never take, set aside for a person to look at
    open      the interceptions that have begun and not ended: what is left here after a crash was interrupted
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from aigateway.audit.journal_file import JournalFile
from aigateway.store.records import AnyRecord, InterceptionEnd, InterceptionStart
from aigateway.telemetry.logging import get_logger

_LATE_SECONDS = 1.0
"""How often ends that could not be written are tried again."""
_LARGEST_BATCH = 8 * 1024 * 1024

_log = get_logger("audit.journal")

_encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(list[AnyRecord]).decode
"""Reads the rows of an entry back. Raises `msgspec.DecodeError`."""


class JournalUnavailable(Exception):
    """Rows could not be written (disk full, read-only, closed). The sentence says why."""


class Entry(NamedTuple):
    """One append, as it waits to be shipped."""

    seq: int
    records: list[AnyRecord]


class _Work(NamedTuple):
    """What the writer thread is asked to do, and the future that waits for it."""

    execute: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]
    announces: bool = False
    """Whether it brings new entries, which the shipper waits for."""
    ends: str | None = None
    """The interception that it ends."""


class Journal:
    """Append-only rows on local disk; made for one event loop, which must be the one that calls `open`."""

    def __init__(self, path: Path, *, max_size: int | None = None, hold: Callable[[], object] = lambda: None) -> None:
        """Take the file, the bytes that it may grow to, and what makes sure that the file is this process's.

        At its largest size it takes no new interceptions until rows were shipped. The ends of those that are on record
        are taken all the same, so it grows a little beyond.
        """
        self.path = path
        self._max_size = max_size
        self._hold = hold
        self._full = False
        self._late: list[_Work] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self.unrecorded = 0
        """Requests served without a record: none, since none is served that the journal does not keep."""
        self.failures = 0
        """Commits that failed since the start."""
        self.appended = asyncio.Event()
        """Set after every commit of new entries; the shipper clears it."""

    async def open(self) -> None:
        """Create or open the file (mode 0600).

        Raises:
            JournalUnavailable: the file cannot be made, opened or written.

        """
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._write_forever, args=(opened,), name="journal", daemon=True)
        self._thread.start()
        await opened

    async def close(self) -> None:
        """Write what waits, then close the file."""
        if self._thread is None:
            return
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._thread = None

    @property
    def failure(self) -> str | None:
        """Why the last write failed; None when it succeeded."""
        return self._failure

    def append(self, records: Sequence[AnyRecord]) -> asyncio.Future[None]:
        """Keep the rows of one interception, all or none; the future is done once they are committed.

        The future raises `JournalUnavailable` when they could not be written. Those that end an interception which is
        on record are written all the same as soon as that is possible, so that none stays open for ever.
        """
        body = _encode(records)
        begun = [(r.interception_id, r.started_at) for r in records if type(r) is InterceptionStart]
        ended = [(r.interception_id,) for r in records if type(r) is InterceptionEnd]
        ends = ended[0][0] if ended and not begun else None

        def execute(connection: sqlite3.Connection) -> None:
            if begun:
                self._check_room()
            connection.execute("INSERT INTO entries (records) VALUES (?)", (body,))
            if begun:
                connection.executemany("INSERT OR IGNORE INTO open VALUES (?, ?)", begun)
            if ended:
                connection.executemany("DELETE FROM open WHERE interception_id = ?", ended)

        return self._submit(execute, announces=True, ends=ends)

    async def entries(self, limit: int) -> list[Entry]:
        """The oldest entries in order of arrival, at most `limit`, and not many more than eight megabytes of them.

        An entry that cannot be read is set aside on the way.
        """

        def execute(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            rows: list[tuple[int, bytes]] = []
            size = 0
            for seq, body in connection.execute("SELECT seq, records FROM entries ORDER BY seq LIMIT ?", (limit,)):
                rows.append((seq, body))
                size += len(body)
                if size > _LARGEST_BATCH:
                    break
            return rows

        entries: list[Entry] = []
        for seq, body in await self._submit(execute):
            try:
                entries.append(Entry(seq, decode(body)))
            except msgspec.DecodeError as error:
                await self.reject(seq, f"cannot be read: {error}")
                _log.error("an entry of the journal cannot be read and was set aside in it", seq=seq, error=str(error))
        return entries

    async def discard(self, up_to: int) -> None:
        """Forget the entries that have been shipped: all with `seq <= up_to`."""
        await self._submit(lambda connection: connection.execute("DELETE FROM entries WHERE seq <= ?", (up_to,)))

    async def reject(self, seq: int, reason: str) -> None:
        """Set one entry aside: it stays on disk, and the entries behind it can be shipped."""

        def execute(connection: sqlite3.Connection) -> None:
            # Deleted first, so that a disk that is full has room for it.
            removed = connection.execute("DELETE FROM entries WHERE seq = ? RETURNING records", (seq,)).fetchall()
            connection.executemany(
                "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?)", [(seq, *r, reason) for r in removed]
            )

        await self._submit(execute)

    async def rejected(self) -> int:
        """How many entries were set aside and wait for a person to look at them."""
        (count,) = await self._submit(lambda connection: connection.execute("SELECT count(*) FROM rejected").fetchone())
        return int(count)

    async def unfinished(self) -> list[tuple[str, str]]:
        """Interceptions that have begun and not ended: `(interception id, started_at)`."""
        statement = "SELECT interception_id, started_at FROM open ORDER BY started_at"
        rows: list[tuple[str, str]] = await self._submit(lambda connection: connection.execute(statement).fetchall())
        return rows

    async def backlog(self) -> int:
        """How many entries wait to be shipped, those included that were just set aside among them.

        It looks at the ends only: counting millions of rows would hold up whoever waits for a commit.
        """
        statement = "SELECT coalesce((SELECT max(seq) FROM entries) - (SELECT min(seq) FROM entries) + 1, 0)"
        (count,) = await self._submit(lambda connection: connection.execute(statement).fetchone())
        return int(count)

    async def check_writable(self) -> None:
        """Write and commit.

        Raises:
            JournalUnavailable: the journal cannot be written, or takes nothing new.

        """

        def execute(connection: sqlite3.Connection) -> None:
            self._check_room()
            connection.execute("PRAGMA user_version = 1")

        await self._submit(execute)

    def _submit(
        self, execute: Callable[[sqlite3.Connection], Any], *, announces: bool = False, ends: str | None = None
    ) -> asyncio.Future[Any]:
        if self._loop is None:
            raise RuntimeError("the journal is not open")
        done: asyncio.Future[Any] = self._loop.create_future()
        if self._thread is None:
            done.set_exception(JournalUnavailable("the journal is closed"))
        else:
            self._queue.put(_Work(execute, done, announces, ends))
        return done

    # --- the writer thread ---

    def _write_forever(self, opened: asyncio.Future[None]) -> None:
        try:
            file = JournalFile(self.path, self._hold)
        except (sqlite3.Error, OSError) as error:
            self._tell([(_Work(_nothing, opened), JournalUnavailable(f"cannot open {self.path}: {error}"))])
            return
        self._tell([(_Work(_nothing, opened), None)])
        try:
            while self._write_batch(file):
                pass
        finally:
            file.close()

    def _check_room(self) -> None:
        if self._full:
            raise JournalUnavailable(
                "it is at its largest size (--ai-gateway-journal-max-size), for the database is away"
            )

    def _write_batch(self, file: JournalFile) -> bool:
        """Commit everything that waits as one transaction; False once the journal is to be closed."""
        batch: list[_Work] = []
        try:
            work = self._queue.get(timeout=_LATE_SECONDS if self._late else None)
            while work is not None:
                batch.append(work)
                work = self._queue.get_nowait()
        except queue.Empty:
            closing = False
        else:
            closing = True
        if batch:
            self._tell(self._commit(file, batch))
        if self._late and (self._failure is None or not batch):
            late, self._late = self._late, []
            self._tell(self._commit(file, late))
        return not closing

    def _commit(self, file: JournalFile, batch: list[_Work]) -> list[tuple[_Work, Any]]:
        try:
            file.restore()
            connection = file.connection
            connection.execute("BEGIN IMMEDIATE")
            self._full = self._max_size is not None and file.size >= self._max_size
            outcomes = [(work, work.execute(connection)) for work in batch]
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, and the thread must live on
            if file.connection.in_transaction:
                file.connection.execute("ROLLBACK")
            if len(batch) > 1:
                # One that cannot be done must not fail the others: the shipper's clearing up above all.
                return [outcome for work in batch for outcome in self._commit(file, [work])]
            self._failure = str(error)
            self.failures += 1
            reason = JournalUnavailable(f"cannot write {self.path.name}: {error}")
            self._late += [work for work in batch if work.ends and _is_open(file.connection, work.ends)]
            return [(work, reason) for work in batch]
        self._failure = None
        return outcomes

    def _tell(self, outcomes: list[tuple[_Work, Any]]) -> None:
        """Hand results back to the event loop, all in one wake-up."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve, outcomes)

    def _resolve(self, outcomes: list[tuple[_Work, Any]]) -> None:
        for work, outcome in outcomes:
            failed = isinstance(outcome, JournalUnavailable)
            if work.announces and not failed:
                self.appended.set()
            if work.done.done():
                continue
            if failed:
                work.done.set_exception(outcome)
            else:
                work.done.set_result(outcome)


def _nothing(_connection: sqlite3.Connection) -> None:
    """The work of opening: it is done already."""


def _is_open(connection: sqlite3.Connection, interception_id: str) -> bool:
    """Whether an interception is on record and has not ended; no when that cannot be read."""
    try:
        found = connection.execute("SELECT 1 FROM open WHERE interception_id = ?", (interception_id,)).fetchone()
    except sqlite3.Error:
        return False
    return found is not None
