"""Server-sent events with the bytes that they were made of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aigateway.wire.inner.turn import Untellable
from aigateway.wire.sse import LARGEST_EVENT, SseSplitter

_END = re.compile(rb"\n\r?\n|\r\r")


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event, or a comment, or whatever stands between two blank lines."""

    block: bytes
    """All of it, with its end."""
    name: bytes = b""
    data: bytes = b""

    def with_data(self, data: bytes) -> bytes:
        """The event with other data, and else as it came."""
        if data == self.data:
            return self.block
        if self.block.count(self.data) == 1:
            return self.block.replace(self.data, data)
        name = b"event: " + self.name + b"\n" if self.name else b""
        return b"".join((name, b"data: ", data, b"\n\n"))


class RawEvents:
    """Splits a stream, cut anywhere, into events; joined they are the stream."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self._splitter = SseSplitter()

    def feed(self, data: bytes) -> list[RawEvent]:
        """Take the next bytes; give the events that they end."""
        held = self._held
        held += data
        events = []
        begin = 0
        while end := _END.search(held, max(begin, self._searched)):
            events.append(self._event(bytes(held[begin : end.end()])))
            begin = self._searched = end.end()
        del held[:begin]
        # An end may begin in what was seen already.
        self._searched = max(0, len(held) - 2)
        if len(held) > LARGEST_EVENT:
            raise Untellable("an event of the answer is too large")
        return events

    def end(self) -> list[RawEvent]:
        """The last event, if it has no blank line after it; no bytes come any more."""
        rest = bytes(self._held)
        self._held.clear()
        self._searched = 0
        return [self._event(rest, b"\n\n")] if rest else []

    def _event(self, block: bytes, missing: bytes = b"") -> RawEvent:
        found = self._splitter.feed(block + missing)
        name, data = found[0] if found else (b"", b"")
        return RawEvent(block, name, data)
