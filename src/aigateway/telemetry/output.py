"""Entries on their way to a destination: whoever logs never waits for it, and what is lost is counted and told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from aigateway.telemetry.destination import Destination
from aigateway.telemetry.entry import Entry

_MAX_ENTRIES = 20_000
_MAX_SIZE = 32 * 1024 * 1024
"""Characters of text in the entries that wait. One entry alone may be larger."""
_CHUNK = 256 * 1024
"""Characters that go out in one write: the thread that writes asks for the interpreter once, not once an entry."""
_SMALL = frozenset({int, bool, float, type(None)})
"""Kinds of values that are no texts, and hold none: asking what else a value is costs more than counting a text."""
_PAUSE_SECONDS = 60.0
"""Between two warnings of losses."""
_CLOSE_SECONDS = 2.0


class Output:
    """A bounded queue and the thread that empties it into a destination."""

    def __init__(
        self, destination: Destination, encode: Callable[[Entry], bytes], on_loss: Callable[[Output, str], None]
    ) -> None:
        """Take where entries go, in which form, and whom to tell (at most once a minute, with the reason) of losses."""
        self.destination = destination
        self.accepted = 0
        """Entries taken into the queue."""
        self.done = 0
        """Those of them that are written, or lost."""
        self.lost = 0
        """Entries that could not be written, or did not fit into the queue."""
        self._encode = encode
        self._on_loss = on_loss
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Entry, int]] = deque()
        self._size = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._untold = 0
        self._told_others = self._told_here = float("-inf")
        self._torn = False

    def put(self, *entries: Entry) -> None:
        """Have them written soon. Never waits and never raises; an entry that does not fit is lost."""
        lost = 0
        with self._changed:
            asleep = not self._waiting
            for entry in entries:
                size = _size(entry)
                full = len(self._waiting) >= _MAX_ENTRIES or self._size + size > _MAX_SIZE
                if self._closing or (full and self._waiting):
                    lost += 1
                    continue
                self._waiting.append((entry, size))
                self._size += size
                self.accepted += 1
            if asleep and self._waiting:
                self._start()
                self._changed.notify_all()
        if lost:
            self._lose(lost, "it does not keep up")

    @property
    def congested(self) -> bool:
        """Whether so much waits that it may soon be too much."""
        return len(self._waiting) > _MAX_ENTRIES // 2 or self._size > _MAX_SIZE // 2

    @property
    def missing(self) -> int:
        """Entries that are not written, or lost without a word of it at the destination."""
        with self._changed:
            return self.accepted - self.done + self._untold

    def flush(self, within_seconds: float) -> None:
        """Wait until everything is written."""
        with self._changed:
            self._changed.wait_for(lambda: self.done == self.accepted, within_seconds)

    def close(self) -> None:
        """Take no more, and give what waits two seconds to be written; what takes longer is still written, later."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify_all()
        if thread is None:
            self.destination.close()
        else:
            thread.join(_CLOSE_SECONDS)

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: a destination that hangs must not keep the program from ending.
            self._thread = threading.Thread(target=self._write_forever, name="log", daemon=True)
            self._thread.start()

    def _lose(self, count: int, reason: str) -> None:
        now = time.monotonic()
        with self._changed:
            self.lost += count
            self._untold += count
            due = now - self._told_others >= _PAUSE_SECONDS
            if due:
                self._told_others = now
        if due:
            self._on_loss(self, reason)

    # --- the thread ---

    def _write_forever(self) -> None:
        while (entries := self._take()) is not None:
            if self._write(entries):
                self._tell_here()
            with self._changed:
                self.done += len(entries)
                self._changed.notify_all()
        with contextlib.suppress(OSError):
            self.destination.close()

    def _take(self) -> list[Entry] | None:
        """The next entries; none when it is time to tell of losses; None at the end."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                if not self._changed.wait(_PAUSE_SECONDS if self._untold else None):
                    return []
            taken: list[Entry] = []
            size = 0
            while self._waiting and size < _CHUNK:
                entry, entry_size = self._waiting.popleft()
                taken.append(entry)
                size += entry_size
            self._size -= size
            return taken

    def _write(self, entries: Sequence[Entry]) -> bool:
        """Whether all of them were written."""
        lines: list[bytes] = []
        for entry in entries:
            try:
                lines.append(self._encode(entry))
            except Exception as error:  # noqa: BLE001 - no value that somebody logs may end the log
                self._lose(1, f"an entry cannot be written down: {error}")
        try:
            missing = self._append(lines)
        except OSError as error:
            self._lose(len(lines), str(error.strerror or error))
            return False
        if missing:
            self._lose(missing, "it is full")
        return not missing

    def _append(self, lines: Sequence[bytes]) -> int:
        """Write whole lines; says how many were not. A line that is torn is ended before the next begins."""
        data = b"".join([b"\n" if self._torn else b"", *lines])
        before = len(data)
        taken = self.destination.write(data)
        missing, self._torn = 0, False
        while taken < before and missing < len(lines):
            missing += 1
            before -= len(lines[-missing])
            self._torn = taken != before
        return missing

    def _tell_here(self) -> None:
        """Once it can be written again: how much is missing here."""
        now = time.monotonic()
        untold = self._untold
        if not untold or now - self._told_here < _PAUSE_SECONDS:
            return
        try:
            self._append([self._encode(losses("log entries were lost", self, lost=untold))])
        except OSError:
            return
        with self._changed:
            self._untold -= untold
            self._told_here = now


def losses(message: str, output: Output, **fields: object) -> Entry:
    """An entry that tells of the losses of an output."""
    return Entry(
        time_ns=time.time_ns(),
        level="WARN",
        message=message,
        caller="telemetry/output.py",
        func="losses",
        logger_names=("telemetry",),
        fields={"destination": output.destination.path, **fields},
    )


def _size(entry: Entry) -> int:
    """About how many characters an entry holds."""
    size = 200 + len(entry.message)
    for value in entry.fields.values():
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind not in _SMALL and isinstance(value, Mapping):
            size += sum(len(item) if isinstance(item, str) else 20 for item in value.values())
    return size
