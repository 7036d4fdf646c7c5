"""The provider's side of a socket of the Responses API, where every message is one event.

developers.openai.com, "WebSocket mode".
"""

from __future__ import annotations

import msgspec

from aigateway.wire.facts import AnswerFacts
from aigateway.wire.lenient import Reader
from aigateway.wire.responses import ResponsesAnswer


class Head(msgspec.Struct):
    """What a message is, and whom it concerns."""

    type: str = ""
    stream_id: str = ""
    """The lane whose request it answers; empty for none."""


_HEAD = Reader(Head)


def head_of(message: bytes) -> Head:
    """Read the head of a message; an empty one if it has none."""
    return _HEAD.read(message) or Head()


class MessageObserver:
    """Reads one answer, message by message (`observer.Observer`)."""

    mid_event = False
    """Messages are whole."""

    def __init__(self) -> None:
        self._answer = ResponsesAnswer()

    @property
    def complete(self) -> bool:
        """True once the answer's own end was seen."""
        return self._answer.ended

    def feed(self, data: bytes, /) -> None:
        """Take one whole message."""
        try:
            self._answer.on_event(b"", data)
        except Exception as error:  # noqa: BLE001 - whatever a message holds, the relay goes on
            self._answer.note(f"A message could not be read ({error}).")

    def facts(self) -> AnswerFacts:
        """What is known so far."""
        return self._answer.facts()


def error_message(status: int, message: str, *, kind: str, lane: str = "") -> str:
    """Make the message that tells a client of an error of ours, as the provider would: `status` is the HTTP status."""
    error = {"type": kind, "code": kind, "message": message, "param": None}
    told = {"type": "error", "status": status, "error": error}
    return msgspec.json.encode(told | ({"stream_id": lane} if lane else {})).decode()
