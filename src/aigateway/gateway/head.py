"""The head of a request, and what follows from it alone.

Clients send the same head again and again, but for the length of the body. Requests with the same head share one, so
that what the steps make of it is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from aigateway.gateway.authenticate import Shown, shown
from aigateway.gateway.route import Route
from aigateway.providers.credential import Credential
from aigateway.providers.headers import OwnHeaders
from aigateway.providers.upstream import LastingHeaders


class Sent(msgspec.Struct, frozen=True):
    """What goes up with a head, and what it depends on besides."""

    url: str
    headers: LastingHeaders
    credential: Credential
    own: OwnHeaders


class Head:
    """One head, of one request or of many."""

    __slots__ = (
        "credential",
        "headers",
        "mapped",
        "method",
        "path",
        "query",
        "raw_path",
        "route",
        "sent",
        "shown",
    )

    def __init__(
        self, method: str, raw_path: bytes, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Take the path as it came and decoded, and the headers with lower-case names."""
        self.method = method
        self.raw_path = raw_path
        self.path = path
        self.query = query
        self.headers = headers
        self.mapped: Mapping[str, str] = header_map(headers)
        """The headers by name, for reading."""
        self.shown: Shown = shown(self.mapped)
        """The gateway tokens among the headers."""
        self.route: Route | None = None
        """Where requests with this head go, once that is found and nothing in the head speaks against it."""
        self.credential: Credential | None = None
        """What requests with it show the provider, where no other can have to stand in for that, once it is found."""
        self.sent: Sent | None = None
        """What went up with it the last time."""


def header_map(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by lower-case name, for reading; several values of one name are joined with a comma."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    return headers if len(headers) == len(raw) else _joined(raw)


def _joined(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
