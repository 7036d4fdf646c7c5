"""Points in time: aware datetimes in Python, RFC 3339 text with microseconds and `Z` everywhere else."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """The fixed-width text of an aware `moment`, so that text order is time order.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("A time without a zone has no place in the record.")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
