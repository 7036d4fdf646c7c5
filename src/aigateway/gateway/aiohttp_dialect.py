"""What calls to providers by aiohttp have in common: proxies, header values, and words for errors."""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SET_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
"""Headers that aiohttp would add to those of the client."""


class Proxies:
    """The proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), as it was when this was made."""

    def __init__(self) -> None:
        self._proxies = getproxies()

    def of(self, url: str) -> str | None:
        """The proxy for a URL; None for none."""
        if not self._proxies:
            return None
        parts = urlsplit(url)
        if proxy_bypass(parts.netloc):
            return None
        return self._proxies.get(parts.scheme) or self._proxies.get("all")


def header_text(value: bytes) -> str:
    """A header value as aiohttp wants it: it will encode UTF-8, so that UTF-8 goes out as it came in."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def words(error: BaseException) -> str:
    """An error's words without the URL or the address that asyncio and aiohttp put into them."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__
