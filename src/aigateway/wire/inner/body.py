"""What the turns of all three APIs share where they are told as one JSON body."""

from __future__ import annotations

from abc import ABC, abstractmethod

from aigateway.wire.inner.turn import LARGEST_ANSWER, Round, Untellable


class BodyTurn(ABC):
    """See `Turn`. Nothing is told before the end."""

    def __init__(self) -> None:
        self.finished = False
        """Never known before the last byte."""
        self.changed = False
        self._collected = bytearray()

    @property
    def body(self) -> bytes:
        """The present answer as it came."""
        return bytes(self._collected)

    def feed(self, data: bytes, /) -> bytes:
        """See `Turn`."""
        if len(self._collected) + len(data) > LARGEST_ANSWER:
            raise Untellable("the answer is too large")
        self._collected += data
        return b""

    def next_answer(self) -> bytes:
        """See `Turn`."""
        self._remember()
        self.changed = True
        self._collected = bytearray()
        return b""

    def ending(self) -> bytes:
        """See `Turn`."""
        return self._merged() if self.changed else self.body

    @abstractmethod
    def round(self) -> Round:
        """See `Turn`."""

    @abstractmethod
    def _remember(self) -> None:
        """The turn goes on: remember what the client gets of this answer."""

    @abstractmethod
    def _merged(self) -> bytes:
        """One body that stands for all answers."""
