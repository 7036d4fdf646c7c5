"""Splitting a stream into server-sent events (WHATWG HTML, "Server-sent events", 9.2.6), cut anywhere."""

from __future__ import annotations

LARGEST_EVENT = 32 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


Event = tuple[bytes, bytes]
"""One event: its name (empty for a plain message) and its data lines, joined with newlines."""


class SseSplitter:
    """Takes bytes as they come and gives whole events.

    Lines may end with LF, CRLF or CR. Comments, unknown fields and events without data are left out. An event of more
    than `LARGEST_EVENT` bytes is skipped and counted in `oversize`; reading goes on after it.
    """

    __slots__ = ("_after_cr", "_buffer", "_searched", "_skipping", "_started", "oversize")

    def __init__(self) -> None:
        self.oversize = 0
        self._buffer = bytearray()
        self._searched = 0
        self._after_cr = False
        self._skipping = False
        self._started = False

    @property
    def mid_event(self) -> bool:
        """Whether bytes of an event that is not yet ended have come."""
        return self._skipping or bool(self._buffer.strip(b"\n"))

    @property
    def between_events(self) -> bool:
        """Whether the next bytes begin an event, and not the first one."""
        return self._started and not (self._buffer or self._skipping or self._after_cr)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; give the events that they end."""
        # `find` costs half of `in`, which first tries whether it was given a number.
        if self._after_cr or data.find(b"\r") >= 0:
            data = self._with_line_feeds(data)
        if self._buffer:
            self._buffer += data
            if self._buffer.find(b"\n\n", self._searched) < 0:
                self._keep(self._buffer)
                return []
            data = bytes(self._buffer)
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        if self._skipping and blocks:
            self._skipping = False
            del blocks[0]
        if rest or self._buffer:
            self._keep(bytearray(rest))
        return self._events(blocks)

    def end(self) -> list[Event]:
        """Give the last event, if it has no blank line after it; no bytes come any more."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        return [] if self._skipping or not rest else self._events([rest])

    def _keep(self, rest: bytearray) -> None:
        """Keep the start of an event, or of one that is too large only what tells where it ends."""
        if len(rest) > LARGEST_EVENT:
            self.oversize += not self._skipping
            self._skipping = True
        if self._skipping:
            del rest[:-1]
        self._buffer = rest
        self._searched = max(0, len(rest) - 1)

    def _with_line_feeds(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _events(self, blocks: list[bytes]) -> list[Event]:
        if blocks and not self._started:
            self._started = True
            blocks[0] = blocks[0].removeprefix(_BOM)
        events = []
        for block in blocks:
            if len(block) > LARGEST_EVENT:
                self.oversize += 1
            elif (event := _parse(block)) is not None:
                events.append(event)
        return events


def _parse(block: bytes) -> Event | None:
    """Read the lines of one event; the two usual forms at once, any other line by line."""
    name, body = b"", block
    if body[:6] == b"event:":
        head, _, body = body.partition(b"\n")
        name = head[6:].strip()
    if body[:5] == b"data:" and body.find(b"\n") < 0:
        data = body[6:] if body[5:6] == b" " else body[5:]
        return None if not data or data.isspace() else (name, data)
    return _parse_lines(block)


def _parse_lines(block: bytes) -> Event | None:
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.strip()
    joined = b"\n".join(data)
    return None if not joined or joined.isspace() else (name, joined)
