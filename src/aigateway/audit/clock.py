"""The form in which the record keeps times."""

from __future__ import annotations

from datetime import datetime


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`, fixed width, so that text order is time order."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"
