"""Column types that mean the same in SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, LargeBinary, String, Uuid
from sqlalchemy.types import TypeDecorator, TypeEngine

from aigateway.store.times import rfc3339


class Json(TypeDecorator[Any]):
    """Any JSON value; `JSONB` in PostgreSQL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The dialect's own type."""
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import JSONB  # noqa: PLC0415  # slow to import, and SQLite needs none

            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(JSON(none_as_null=True))


class Uuid36(TypeDecorator[str]):
    """A UUID, in Python always text of 36 characters; a native `uuid` in PostgreSQL."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """The dialect's own type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid(as_uuid=False))
        return dialect.type_descriptor(String(36))


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime; `timestamptz` in PostgreSQL, fixed-width RFC 3339 text in SQLite."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The dialect's own type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """What the driver is given."""
        if value is None or dialect.name == "postgresql":
            return value
        return rfc3339(value)

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """What Python is given."""
        return None if value is None else time_of(value)


def time_of(value: datetime | str) -> datetime:
    """A time as the driver of either database gives it."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class Words(TypeDecorator[Any]):
    """The words of a text, as the index of either database needs them: a `tsvector`, or bytes in SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The dialect's own type."""
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import TSVECTOR  # noqa: PLC0415  # as above

            return dialect.type_descriptor(TSVECTOR())
        return dialect.type_descriptor(LargeBinary())


def without_nul(value: Any) -> Any:
    """`value`, with U+FFFD in place of each NUL character in it, which PostgreSQL has no place for.

    PostgreSQL manual, sections 8.3 (character types) and 8.14 (JSON types).
    """
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(inner) for inner in value]
    return value
