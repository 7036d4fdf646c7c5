"""Taking turns between all who use one database: PostgreSQL's advisory locks (manual, section 13.3.5).

In SQLite nothing is needed: a transaction that writes is the only one from its start.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import Connection, func, select


class Turn(IntEnum):
    """What one transaction at a time may do. The numbers are PostgreSQL's keys, and stay as they are."""

    PURGE = 0x61696777
    MIGRATE = 0x61696778
    INGEST = 0x61696779
    PEOPLE = 0x6169677A
    INDEX = 0x6169677B


def wait_for(connection: Connection, turn: Turn) -> None:
    """Wait until no other transaction has the turn, and have it until this one ends. It sees what they committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(int(turn))))


def has(connection: Connection, turn: Turn) -> bool:
    """Have the turn until this transaction ends, unless another one has it."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(int(turn)))).scalar())
