"""A column by which no index shall be chosen.

SQLite has no statistics and takes any equality for rare; PostgreSQL takes conditions for independent that are not.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Integer, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from aigateway.store.types import UtcTime

_T = TypeVar("_T")


def unindexed(column: ColumnElement[_T]) -> ColumnElement[_T]:
    """The column's value (https://sqlite.org/optoverview.html, "Disqualifying WHERE Clause Terms Using Unary +")."""
    return _Unindexed(column)


class _Unindexed(FunctionElement[Any]):
    name = "aigateway_unindexed"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(_Unindexed, "sqlite")
def _in_sqlite(element: _Unindexed, compiler: SQLCompiler, **more: Any) -> str:
    return f"+{compiler.process(next(iter(element.clauses)), **more)}"


@compiles(_Unindexed, "postgresql")
def _in_postgresql(element: _Unindexed, compiler: SQLCompiler, **more: Any) -> str:
    column = compiler.process(next(iter(element.clauses)), **more)
    for kind, nothing in _NOTHING:
        if isinstance(element.type, kind):
            return f"({column} {nothing})"
    return column


_NOTHING: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (UtcTime, "+ interval '0'"),
    (Integer, "+ 0"),
    (String, "|| ''"),
)
"""What changes no value of a type, and is not taken away by PostgreSQL 18, as `nullif(…, NULL)` is; UUIDs have none."""
