"""What calls to providers by aiohttp have in common."""

from __future__ import annotations

SET_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
"""Headers that aiohttp would add to those of the client."""


def header_text(value: bytes) -> str:
    """A header value as aiohttp wants it: it will encode UTF-8, so that UTF-8 goes out as it came in."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
