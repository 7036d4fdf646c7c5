"""Writing many rows by few statements: what SQLAlchemy does for each value costs more than the database itself.

SQLite is spoken to past SQLAlchemy, which costs several times a statement of few rows; its errors are `sqlite3.Error`.
It gets the values of many rows in one statement, so that its library works on them in one go, while other threads run.
PostgreSQL gets all rows as one JSON text. Rows are as in `store.rows`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Dialect, Table

from aigateway.store.rows import Row, Value
from aigateway.store.types import Json, UtcTime, Uuid36, without_nul

_SIZES = (128, 64, 32, 16, 8, 4, 2, 1)
"""Rows in one statement: few sizes, so that SQLite's driver keeps all of them prepared."""
_IN_JSON = "IN (SELECT value FROM json_each(?))"
_NUL = b"\\u0000"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Insert:
    """Adds rows to a table.

    `conflict` says what is done about those whose `keys` are there already; where it is empty, they are refused.
    """

    table: Table
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ("id",)
    conflict: str = "DO NOTHING"

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Add `rows`."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            _write_json(connection, _insert_json(self, connection.dialect), self.table, self.columns, rows)
            return
        sqlite = sqlite_of(connection)
        at = 0
        for size in _SIZES:
            while len(rows) - at >= size:
                values: list[Value] = []
                for row in rows[at : at + size]:
                    values += row
                sqlite.execute(_insert_values(self, size), values)
                at += size


@dataclass(frozen=True, slots=True)
class Update:
    """Changes rows of a table, those that meet a condition: the first column says which, the others the new values."""

    table: Table
    columns: tuple[str, ...]
    condition: str = ""

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Change `rows`."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            _write_json(connection, _update_json(self, connection.dialect), self.table, self.columns, rows)
            return
        key, *changed = self.columns
        sets = ", ".join(f"{name} = ?" for name in changed)
        met = f" AND {self.condition}" if self.condition else ""
        statement = f"UPDATE {self.table.name} SET {sets} WHERE {key} = ?{met}"  # noqa: S608  # our names
        sqlite_of(connection).executemany(statement, [(*row[1:], row[0]) for row in rows])


def storable(connection: Connection, table: Table, columns: Sequence[str], rows: list[Row]) -> list[Row]:
    """The rows as the database will give them back."""
    if connection.dialect.name != "postgresql" or _NUL not in _encode(rows):
        return rows
    return [tuple(_without_nul(table, name, value) for name, value in zip(columns, row, strict=True)) for row in rows]


def of_ids(
    connection: Connection, table: Table, columns: str, ids: Iterable[str | int], key: str = "id"
) -> Sequence[Any]:
    """These columns of the rows whose `key` is among `ids`."""
    wanted = list(ids)
    if not wanted:
        return []
    query = f"SELECT {columns} FROM {table.name} WHERE {key}"  # noqa: S608  # our names
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(f"{query} = ANY(%s::{_array_of(table, key)})", (wanted,)).all()
    return sqlite_of(connection).execute(f"{query} {_IN_JSON}", (_encode(wanted).decode(),)).fetchall()


def delete_ids(connection: Connection, table: Table, ids: Iterable[str | int], key: str = "id") -> None:
    """Delete the rows whose `key` is among `ids`."""
    wanted = list(ids)
    if not wanted:
        return
    statement = f"DELETE FROM {table.name} WHERE {key}"  # noqa: S608  # our names
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"{statement} = ANY(%s::{_array_of(table, key)})", (wanted,))
    else:
        sqlite_of(connection).execute(f"{statement} {_IN_JSON}", (_encode(wanted).decode(),))


def sqlite_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, in the same transaction."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def as_rows(connection: Connection, table: Table, columns: tuple[str, ...]) -> str:
    """The columns as SQL that gives their values in the form of `store.rows`; SQLite's flags are 0 and 1."""
    return _as_rows(table, columns, connection.dialect.name)


@lru_cache
def _as_rows(table: Table, columns: tuple[str, ...], dialect: str) -> str:
    return ", ".join(_as_row(table, name, dialect) for name in columns)


def _array_of(table: Table, key: str) -> str:
    return "uuid[]" if isinstance(table.c[key].type, Uuid36) else "bigint[]"


def _as_row(table: Table, name: str, dialect: str) -> str:
    kind = table.c[name].type
    if dialect != "postgresql":
        return name  # SQLite keeps all of them in that form.
    if isinstance(kind, UtcTime):
        return f"""to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"{name}::text" if isinstance(kind, Json | Uuid36) else name


def _into(insert: Insert) -> str:
    return f"INSERT INTO {insert.table.name} ({', '.join(insert.columns)})"


def _on_conflict(insert: Insert) -> str:
    return f"ON CONFLICT ({', '.join(insert.keys)}) {insert.conflict}" if insert.conflict else ""


@lru_cache
def _insert_values(insert: Insert, rows: int) -> str:
    row = f"({', '.join('?' * len(insert.columns))})"
    return f"{_into(insert)} VALUES {', '.join([row] * rows)} {_on_conflict(insert)}"


@lru_cache
def _insert_json(insert: Insert, dialect: Dialect) -> str:
    read = ", ".join(_read(insert.table, name) for name in insert.columns)
    rows = _rows_of_json(insert.table, insert.columns, dialect)
    return f"{_into(insert)} SELECT {read} FROM {rows} {_on_conflict(insert)}"  # noqa: S608  # our names


@lru_cache
def _update_json(update: Update, dialect: Dialect) -> str:
    table, (key, *changed) = update.table, update.columns
    sets = ", ".join(f"{name} = {_read(table, name)}" for name in changed)
    rows = _rows_of_json(table, update.columns, dialect)
    met = f" AND t.{update.condition}" if update.condition else ""
    return f"UPDATE {table.name} AS t SET {sets} FROM {rows} WHERE t.{key} = r.{key}{met}"  # noqa: S608  # our names


def _rows_of_json(table: Table, columns: Sequence[str], dialect: Dialect) -> str:
    shape = ", ".join(f"{name} {_type(table, name, dialect)}" for name in columns)
    return f"json_to_recordset(%s::json) AS r({shape})"


def _type(table: Table, name: str, dialect: Dialect) -> str:
    """The column's type; JSON travels as text, as it is in the rows."""
    kind = table.c[name].type
    return "text" if isinstance(kind, Json) else kind.compile(dialect=dialect)


def _read(table: Table, name: str) -> str:
    return f"r.{name}::jsonb" if isinstance(table.c[name].type, Json) else f"r.{name}"


def _write_json(
    connection: Connection, statement: str, table: Table, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    text = _encode([dict(zip(columns, row, strict=True)) for row in storable(connection, table, columns, list(rows))])
    connection.exec_driver_sql(statement, (text.decode(),))


def _without_nul(table: Table, name: str, value: Value) -> Value:
    """The value as PostgreSQL can keep it."""
    if isinstance(value, str) and isinstance(table.c[name].type, Json):
        return _encode(without_nul(_decode(value))).decode()
    return without_nul(value)  # type: ignore[no-any-return]
