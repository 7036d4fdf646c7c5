"""The seam to the upstream: two methods and what they raise, so that the HTTP client can be chosen by measurement.

UpstreamError
├── Unreachable       no connection: refused, no such host, TLS failed
├── ConnectTimeout    no connection within the time
├── Disconnected      the connection ended before an answer began
└── Truncated         the connection ended before the answer did
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Awaitable
from typing import Protocol

from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest


class UpstreamError(Exception):
    """The provider could not be called, or stopped in the middle. The sentence holds no URL and no secret."""


class Unreachable(UpstreamError):
    """No connection. Nothing was sent."""


class ConnectTimeout(UpstreamError):
    """No connection within the time. Nothing was sent."""


class Disconnected(UpstreamError):
    """The connection ended after the request was (partly) sent and before an answer began."""

    def __init__(self, message: str, *, stale: bool) -> None:
        super().__init__(message)
        self.stale = stale
        """The connection had been used before and ended at once: the provider had closed it meanwhile."""


class Truncated(UpstreamError):
    """The connection ended before the answer did."""


class Transport(Protocol):
    """Sends requests to providers."""

    def send(self, request: UpstreamRequest) -> Awaitable[UpstreamAnswer]:
        """Send, and wait for the answer's headers. Raises `UpstreamError`."""

    async def close(self) -> None:
        """Close every connection."""


def words(error: BaseException) -> str:
    """An error's words without the URL or the address that libraries put into them."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__
