"""Step 2: what is let in at all: how many requests at once, and how large a body."""

from __future__ import annotations

from collections.abc import Mapping

from aigateway.gateway.refusal import Refusal, stopping


class Admitter:
    """Counts requests in flight on this replica."""

    def __init__(self, max_concurrency: int | None, max_body_size: int) -> None:
        self._max_concurrency = max_concurrency
        self.max_body_size = max_body_size
        """Bytes."""
        self.in_flight = 0
        self.closing = False
        """Set when the server stops: nothing new is let in."""

    def close(self) -> None:
        """Let nothing new in from here on."""
        self.closing = True

    def enter(self) -> None:
        """Take a place for one request, which leaves it when it is over.

        Raises:
            Refusal: 503 when all places are taken or the gateway is stopping.

        """
        if self.closing:
            raise stopping()
        if self._max_concurrency is not None and self.in_flight >= self._max_concurrency:
            raise Refusal(
                503,
                "at capacity (--ai-gateway-max-concurrency). Try again in a moment.",
                headers=((b"retry-after", b"1"),),
            )
        self.in_flight += 1

    def leave(self) -> None:
        """Give the place back."""
        self.in_flight -= 1

    def check_announced_size(self, headers: Mapping[str, str]) -> None:
        """Refuse a body that says itself that it is too large, before it is read.

        Raises:
            Refusal: 413.

        """
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self.max_body_size:
            raise too_large(self.max_body_size)


def too_large(limit: int) -> Refusal:
    """The refusal of a body that is over the limit in bytes, as sent or once decoded."""
    return Refusal(413, f"the request body is over {limit} bytes (--ai-gateway-max-body-size). Send less.")
