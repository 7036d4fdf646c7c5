"""What the turns of all three APIs share where they are told as streams."""

from __future__ import annotations

from abc import ABC, abstractmethod

from aigateway.wire.inner.events import RawEvent, RawEvents
from aigateway.wire.inner.turn import LARGEST_ANSWER, Round, Untellable


class StreamTurn(ABC):
    """See `Turn`. Events are told as they come; from the first that ends an answer on they wait until more is known."""

    def __init__(self) -> None:
        self.finished = False
        self.changed = False
        """Whether the client's stream is another than the provider's."""
        self._closing = False
        self._ending: list[RawEvent] = []
        self._events = RawEvents()
        self._late = b""
        self._kept = 0

    def feed(self, data: bytes, /) -> bytes:
        """See `Turn`."""
        return b"".join([self._take(event) for event in self._events.feed(data)])

    def round(self) -> Round:
        """See `Turn`."""
        self._late = b"".join([self._take(event) for event in self._events.end()])
        return self._round()

    def next_answer(self) -> bytes:
        """See `Turn`."""
        carried = self._carried()
        late = self._late + b"\n\n" if self._late else b""
        self._reset()
        self.finished = self._closing = False
        self.changed = True
        self._ending = []
        self._events = RawEvents()
        self._late = b""
        self._kept = 0
        return late + carried

    def ending(self) -> bytes:
        """See `Turn`."""
        closing = (self._closed(event) for event in self._ending) if self.changed else (e.block for e in self._ending)
        return self._late + b"".join(closing)

    def close(self) -> None:
        """The present event ends the answer: it and those behind it wait."""
        self._closing = True

    def keep(self, data: bytes) -> bytes:
        """Count what is kept of this answer."""
        self._kept += len(data)
        if self._kept > LARGEST_ANSWER:
            raise Untellable("the answer is too large to be fed back")
        return data

    def _take(self, event: RawEvent) -> bytes:
        shown = self._tell(event)
        if self._closing:
            self._ending.append(event)
            return b""
        return shown

    @abstractmethod
    def _tell(self, event: RawEvent) -> bytes:
        """Take one event; give what the client may have of it."""

    @abstractmethod
    def _round(self) -> Round:
        """See `round`."""

    @abstractmethod
    def _reset(self) -> None:
        """The turn goes on: remember what counts of this answer, and forget the rest."""

    @abstractmethod
    def _closed(self, event: RawEvent) -> bytes:
        """One event of the ending, as the client gets it at the end of a changed stream."""

    def _carried(self) -> bytes:
        """What the client should have of the ending although the turn goes on."""
        return b""
