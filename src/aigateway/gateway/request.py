"""What the first steps know of a request, handed on to the later ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from aigateway.accounts.actor import Actor
from aigateway.gateway.route import Route

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was let in: routed, attributed and whole."""

    method: str
    query: str
    headers: Mapping[str, str]
    """Lower-case names; several values of one name are joined with a comma."""
    raw_headers: Sequence[tuple[bytes, bytes]]
    """As they came."""
    body: bytes
    """As it came."""
    route: Route
    actor: Actor
    byok: bool


def header_map(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by lower-case name, for reading."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    return headers if len(headers) == len(raw) else _joined(raw)


def _joined(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
