"""The heads that clients sent lately: who sends the same again, but for the length of the body, need not be parsed."""

from __future__ import annotations

import asyncio

from aigateway.gateway.head import Head

_MOST = 500
_LARGEST = 8 * 1024
"""Bytes of a head that is kept."""
_KEPT_SECONDS = 60.0
"""There are tokens in them, so that nothing is kept for long."""
_MOST_DIGITS = 15
_ON_THEIR_OWN = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
"""Headers that say more of how a request is to be read than its length does."""
_NAMES = (b"-length: ", b"-Length: ")
_BEFORE_DIGITS = b"\r\ncontent-length: "


Seen = tuple[bytes, int, bytes, int]
"""What a connection's next request begins with, as far as one can tell without parsing it.

The text of the head without the digits of its length nor what ends it, where in it the digits were, the digits, and
where in what came the body begins.
"""


def seen(data: bytes) -> Seen | None:
    """Look for a whole head with a length."""
    ends = data.find(b"\r\n\r\n")
    if ends < 0:
        return None
    for name in _NAMES:
        place = data.find(name, 0, ends) + len(name)
        if place >= len(name):
            stop = data.find(b"\r", place)
            digits = data[place:stop]
            if digits.isdigit() and len(digits) <= _MOST_DIGITS:
                return data[:place] + data[stop:ends], place, digits, ends + 4
            return None
    return None


class Heads:
    """Heads by their text. What is here was parsed, and is a head with a length, on a connection that is kept."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}
        self.get = self._heads.get
        self._forgetting: asyncio.TimerHandle | None = None

    def keep(self, seen: Seen, head: Head) -> None:
        """Keep a head as it was parsed, where nobody could parse its text in another way. Its length is left out."""
        text, place, digits, _ = seen
        headers = head.headers
        lines = len(headers)
        if (
            len(text) > _LARGEST
            or not text[:place].lower().endswith(_BEFORE_DIGITS)
            or not text.count(b"\r\n") == text.count(b"\n") == text.count(b"\r") == lines
            or [value for name, value in headers if name == b"content-length"] != [digits]
            or any(name in _ON_THEIR_OWN for name, _ in headers)
        ):
            return
        if len(self._heads) >= _MOST:
            self._heads.clear()
        if self._forgetting is None:
            self._forgetting = asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._forget)
        kept = tuple(header for header in headers if header[0] != b"content-length")
        self._heads[text] = Head(head.method, head.raw_path, head.path, head.query, kept)

    def _forget(self) -> None:
        self._forgetting = None
        self._heads.clear()
