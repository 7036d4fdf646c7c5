"""What differs between the two databases, apart from what SQLAlchemy knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

Changes = AbstractAsyncContextManager[AsyncIterator[str]]
"""While it is open, the iterator yields each change that `store.changes` describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database that can be connected to, and the ways in which it is used."""

    engine: Engine
    asking: Mapping[str, Any]
    """Execution options of single statements, of transactions that read, and of those that write."""
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]
    writers: int
    """Writing transactions at the same time."""
    migrate: Callable[[Engine], None]
    """Bring the schema up to date; safe when several processes do it at once. Raises StoreTooNew, StoreRefused."""
    read_limit: float | None
    """Seconds after which a transaction that reads is cut, and one that writes; None where nothing can hang."""
    write_limit: float | None
    hang_up: Callable[[Connection], None]
    """Cut a connection from another thread, so that whoever waits on it fails at once."""
    listen: Callable[[], Changes] | None
    """Hear of changes that other processes make; None where nobody tells."""
