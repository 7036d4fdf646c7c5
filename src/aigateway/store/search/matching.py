"""The condition that an interception's texts have certain phrases, in the words of either database.

What is asked for goes in as parameters, and has nothing but letters and digits between the marks that are set here:
no search can be an error of the database's own language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from sqlalchemy import BigInteger, ColumnElement, Connection, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from aigateway.store.search.words import Phrase
from aigateway.store.tables import interceptions, search_documents

MOST = 5_000
"""Of more interceptions that match, the newest ones are found: a word of every day is in hundreds of thousands."""
MOST_EXPORTED = 20_000
"""The same for an export, which nobody waits for."""
IN_A_MICROSECOND = 1024
"""Documents that may begin in one microsecond, as far as their ids are concerned."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is looked for in texts, and in whose, of which time: of the newest `most` that have it, the others."""

    phrases: tuple[Phrase, ...]
    """At least one; all have to be there."""
    visible_to: str | None
    """The one user whose texts are looked at, so that a search costs and tells nothing about others'."""
    after: datetime | None = None
    before: datetime | None = None
    most: int = MOST

    def is_in(self) -> ColumnElement[bool]:
        """That an interception has it."""
        return interceptions.c.id.in_(select(search_documents.c.interception_id).where(self.is_document()))

    def is_document(self) -> ColumnElement[bool]:
        """That it is found by a document."""
        return _Matches(self, self.most)

    def is_too_common(self, connection: Connection) -> bool:
        """Whether more have it than are found."""
        counted = select(func.count()).select_from(search_documents).where(_Matches(self, self.most + 1))
        return connection.execute(counted).scalar_one() > self.most

    @property
    def ids(self) -> tuple[int, int]:
        """Between which ids the documents of its time are."""
        last = _LARGEST if self.before is None else first_id(self.before + timedelta(microseconds=1))
        return (0 if self.after is None else first_id(self.after)), last


def first_id(moment: datetime) -> int:
    """The smallest id of a document of this moment: ids go with the time at which interceptions started."""
    since = moment - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * IN_A_MICROSECOND


def owner(initiator_id: str) -> str:
    """The word by which FTS5 finds whose a document is."""
    return initiator_id.replace("-", "")


def lexeme(initiator_id: str) -> str:
    """The same for PostgreSQL, which keeps all in one vector: none of our words has a colon."""
    return f"by:{initiator_id}"


class _Matches(FunctionElement[bool]):
    """That a row of `aigateway_search_documents` matches."""

    name = "aigateway_matches"
    type = Boolean()
    inherit_cache = True

    def __init__(self, looked: Looked, most: int) -> None:
        phrases, visible_to = looked.phrases, looked.visible_to
        whose = () if visible_to is None else (literal(f"'{lexeme(visible_to)}'"),)
        numbers = (literal(number, BigInteger) for number in (*looked.ids, most))
        asked = (literal(_fts5(phrases, visible_to)), literal(_tsquery(phrases)))
        super().__init__(search_documents.c.id, *numbers, *asked, *whose)

    def self_group(self, against: object = None) -> Self:  # noqa: ARG002  # SQLAlchemy's signature
        """As it is: compared with 1, as SQLAlchemy does it for SQLite, it would be asked of each row in turn."""
        return self


def _fts5(phrases: Sequence[Phrase], visible_to: str | None) -> str:
    parts = [f'words : "{" ".join(phrase.words)}"{" *" if phrase.begins else ""}' for phrase in phrases]
    if visible_to is not None:
        parts.insert(0, f'who : "{owner(visible_to)}"')
    return " AND ".join(parts)


def _tsquery(phrases: Sequence[Phrase]) -> str:
    return " & ".join(_followed(phrase) for phrase in phrases)


def _followed(phrase: Phrase) -> str:
    quoted = [f"'{word}'" for word in phrase.words]
    return f"({' <-> '.join(quoted)}{':*' if phrase.begins else ''})"


@compiles(_Matches, "sqlite")
def _in_sqlite(element: _Matches, compiler: SQLCompiler, **more: Any) -> str:
    ident, first, last, most, query, *_ = (compiler.process(clause, **more) for clause in element.clauses)
    words = "aigateway_search_words"
    found = f"{words} MATCH {query} AND rowid BETWEEN {first} AND {last} ORDER BY rowid DESC LIMIT {most}"
    return f"{ident} IN (SELECT rowid FROM {words} WHERE {found})"  # noqa: S608  # all are parameters


@compiles(_Matches, "postgresql")
def _in_postgresql(element: _Matches, compiler: SQLCompiler, **more: Any) -> str:
    ident, first, last, most, _, query, *whose = (compiler.process(clause, **more) for clause in element.clauses)
    asked = f"to_tsquery('pg_catalog.simple', {query})"
    if whose:
        asked = f"(CAST({whose[0]} AS tsquery) && {asked})"
    found = f"words @@ {asked} AND id BETWEEN {first} AND {last} ORDER BY id DESC LIMIT {most}"
    return f"{ident} IN (SELECT id FROM aigateway_search_documents WHERE {found})"  # noqa: S608  # all are parameters
