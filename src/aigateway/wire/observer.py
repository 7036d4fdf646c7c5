"""The one interface of everything that watches an answer go by."""

from __future__ import annotations

from typing import Protocol

from aigateway.wire.facts import AnswerFacts


class Observer(Protocol):
    """Reads an answer beside the relay. Sans-io, never raises, bounded in memory, right for any way of cutting."""

    @property
    def complete(self) -> bool:
        """True once the answer's own end was seen; nothing that matters for the record comes after it."""

    @property
    def mid_event(self) -> bool:
        """True while nothing that is appended could be understood: inside an event, a JSON body, a content coding."""

    def feed(self, data: bytes, /) -> None:
        """Take the next bytes, cut anywhere."""

    def facts(self) -> AnswerFacts:
        """What is known so far; call it when `complete` is True, or when no more bytes come."""
