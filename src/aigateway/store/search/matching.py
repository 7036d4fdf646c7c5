"""The condition that an interception's texts have certain phrases, in the words of either database.

What is asked for goes in as parameters, and has nothing but letters and digits between the marks that are set here:
no search can be an error of the database's own language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from aigateway.store.search.words import Phrase
from aigateway.store.tables import interceptions, search_documents


def has_phrases(phrases: Sequence[Phrase], visible_to: str | None) -> ColumnElement[bool]:
    """That an interception's texts have all of these phrases.

    Args:
        phrases: at least one.
        visible_to: the one user whose texts are looked at, so that a search costs and tells nothing about others'.
    """
    found = select(search_documents.c.interception_id).where(_Matches(phrases, visible_to))
    return interceptions.c.id.in_(found)


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

    def __init__(self, phrases: Sequence[Phrase], visible_to: str | None) -> None:
        column = search_documents.c
        whose = () if visible_to is None else (literal(f"'{lexeme(visible_to)}'"),)
        super().__init__(
            column.id, column.words, literal(_fts5(phrases, visible_to)), literal(_tsquery(phrases)), *whose
        )


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
    ident, _, query, *_ = (compiler.process(clause, **more) for clause in element.clauses)
    words = "aigateway_search_words"
    return f"{ident} IN (SELECT rowid FROM {words} WHERE {words} MATCH {query})"  # noqa: S608  # query is a parameter


@compiles(_Matches, "postgresql")
def _in_postgresql(element: _Matches, compiler: SQLCompiler, **more: Any) -> str:
    _, words, _, query, *whose = (compiler.process(clause, **more) for clause in element.clauses)
    asked = f"to_tsquery('pg_catalog.simple', {query})"
    return f"{words} @@ {f'(CAST({whose[0]} AS tsquery) && {asked})' if whose else asked}"
