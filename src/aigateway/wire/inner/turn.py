"""What every API's turn is to those who drive it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LARGEST_ANSWER = 64 * 1024 * 1024
"""Most bytes of one answer that are kept, to be fed back or told to the client at its end."""


class Untellable(Exception):
    """The answer cannot be told on; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A call that the client does not see."""

    call_id: str
    name: str
    arguments: str
    """As the model wrote them: JSON text, if it did well."""
    raw: bytes
    """The block, entry or item that stands for it in a request."""
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a held call is answered with."""

    call: HeldCall
    texts: tuple[str, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """One answer that came to its end."""

    calls: tuple[HeldCall, ...] = ()
    """Those to be made now: none where the answer was cut short."""
    client_calls: tuple[str, ...] = ()
    """The ids of those that the client has to answer: with any of them the turn is the client's."""
    said: tuple[bytes, ...] = ()
    """The answer as the next request repeats it: messages, or items."""
    response_id: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether the model waits for the gateway alone."""
        return bool(self.calls) and not self.client_calls


class Turn(Protocol):
    """Tells the client one answer of all those that the provider gives. Right for any way of cutting them."""

    @property
    def finished(self) -> bool:
        """Whether the present answer's own end was seen."""

    def feed(self, data: bytes, /) -> bytes:
        """Take the next bytes of the present answer; give those that the client may have now, whole events only.

        Raises:
            Untellable: see there.

        """

    def round(self) -> Round:
        """What the present answer came to; once no more bytes of it come."""

    def next_answer(self) -> bytes:
        """The turn goes on with another answer; give what was still held back of this one."""

    def ending(self) -> bytes:
        """The turn is over: the rest for the client, or all of it where nothing could be told before."""
