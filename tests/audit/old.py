"""An SQLite journal as the version before left it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import msgspec

_SCHEMA = """
CREATE TABLE entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, records BLOB NOT NULL);
CREATE TABLE rejected (seq INTEGER PRIMARY KEY, records BLOB NOT NULL, reason TEXT NOT NULL);
CREATE TABLE open (interception_id TEXT PRIMARY KEY, started_at TEXT NOT NULL) WITHOUT ROWID;
"""


def old_journal(path, entries, *, opened=(), refused=()):
    """Make one: entries of records, pairs of id and start, and pairs of records and a reason."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("PRAGMA journal_mode = WAL")
        rows.executescript(_SCHEMA)
        rows.executemany("INSERT INTO entries (records) VALUES (?)", [(msgspec.json.encode(one),) for one in entries])
        rows.executemany("INSERT INTO open VALUES (?, ?)", opened)
        rows.executemany(
            "INSERT INTO rejected VALUES (?, ?, ?)",
            [(1000 + number, msgspec.json.encode(one), why) for number, (one, why) in enumerate(refused)],
        )
        rows.commit()
