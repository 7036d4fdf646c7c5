"""What the first steps know of a request, handed on to the later ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from aigateway.accounts.actor import Actor
from aigateway.gateway.head import Head
from aigateway.gateway.route import Route

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Request(msgspec.Struct):
    """A request that was let in: routed, attributed and whole. Nothing of it changes but that its body is let go."""

    head: Head
    body: bytes
    """As it came; empty once it was let go."""
    route: Route
    actor: Actor
    byok: bool

    def let_body_go(self) -> None:
        """It was sent, and nobody needs it while the answer comes, which may take an hour."""
        self.body = b""

    @property
    def method(self) -> str:
        """As it came."""
        return self.head.method

    @property
    def query(self) -> str:
        """As it came."""
        return self.head.query.decode("latin-1")

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; several values of one name are joined with a comma."""
        return self.head.mapped

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """As they came."""
        return self.head.headers
