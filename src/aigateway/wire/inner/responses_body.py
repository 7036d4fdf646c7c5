"""A turn of the Responses API that is told as one response."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aigateway.wire.answers import members
from aigateway.wire.inner.body import BodyTurn
from aigateway.wire.inner.pieces import added
from aigateway.wire.inner.responses import is_held, of_the_first, read_item, read_response, round_of, told_response
from aigateway.wire.inner.turn import Round


class ResponsesBody(BodyTurn):
    """See `Turn`."""

    def __init__(self, held: Collection[str]) -> None:
        """Take the names of the tools whose calls are held back."""
        super().__init__()
        self._held = held
        self._first: dict[str, bytes] = {}
        self._output: list[bytes] = []
        self._usage: dict[str, Any] = {}

    def round(self) -> Round:
        """See `Turn`."""
        told = read_response(self.body)
        items = [bytes(raw) for raw in told.output or ()]
        self.changed |= any(is_held(read_item(raw), self._held) for raw in items)
        return round_of(items, self._held, told.id or "", completed=told.status in {None, "completed"})

    def _shown(self) -> list[bytes]:
        items = (bytes(raw) for raw in read_response(self.body).output or ())
        return [raw for raw in items if not is_held(read_item(raw), self._held)]

    def _remember(self) -> None:
        self._first = self._first or of_the_first(self.body)
        self._output += self._shown()
        self._usage = added(self._usage, members(read_response(self.body).usage))

    def _merged(self) -> bytes:
        return told_response(self.body, self._first, [*self._output, *self._shown()], self._usage)
