"""What the simulator remembers of each request."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(slots=True)
class ReceivedRequest:
    """A request as it arrived, before anything was decoded; a message on a WebSocket has the method `MESSAGE`."""

    method: str
    path: str
    """Path and query, as sent."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case (the HTTP parser's doing), values and order as sent."""
    body: bytes
    outcome: str = "pending"
    """`answered`, `broken` (as the scenario wanted), or `client_gone` once the answer is over."""

    @property
    def sha256(self) -> str:
        """The body's digest in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), None)
