"""Documents of the index: one for each ended interception that has texts, written and removed in either database.

In SQLite, FTS5 keeps nothing but words and where they are (`aigateway_search_words`, found by a document's id), and a
document keeps its own words packed, because FTS5 has to be told them when they are to be forgotten. In PostgreSQL a
document's words are a `tsvector`.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Connection, Text, bindparam, func, insert, select, text

from aigateway.store.bulk import Insert, delete_ids, of_ids, sqlite_of
from aigateway.store.rows import Row
from aigateway.store.search.matching import IN_A_MICROSECOND, first_id, lexeme, owner
from aigateway.store.tables import search_documents

_SECURE_SINCE = (3, 42)
"""SQLite that removes a word from its place in FTS5's own tables at once."""
_WORTH_COMPRESSING = 512
"""Bytes. Beginning to compress costs as much as some hundreds of them."""
_COMPRESSED = b"\x78"
"""How what zlib makes begins (RFC 1950 section 2.2)."""

_DOCUMENTS = Insert(search_documents, ("id", "interception_id", "words"), conflict="")
_first = itemgetter(0)


class Document(NamedTuple):
    """What an interception can be found by."""

    interception_id: str
    initiator_id: str
    started_at: datetime
    words: str


def put(connection: Connection, documents: Sequence[Document]) -> None:
    """Write documents, in the place of those that their interceptions have."""
    remove(connection, [document.interception_id for document in documents])
    with_ids = _with_free_ids(connection, documents)
    if connection.dialect.name == "sqlite":
        _write_to_sqlite(connection, with_ids)
    elif with_ids:
        words: Any = func.to_tsvector("pg_catalog.simple", bindparam("text")).op("||")(
            func.array_to_tsvector(bindparam("who", type_=ARRAY(Text)))
        )
        connection.execute(
            insert(search_documents).values(words=words),
            [
                {"id": ident, "interception_id": of, "text": text, "who": [lexeme(initiator_id)]}
                for ident, (of, initiator_id, _, text) in with_ids
            ],
        )


def add(connection: Connection, documents: Sequence[Document]) -> None:
    """Write documents of interceptions that have none to SQLite.

    Raises:
        sqlite3.IntegrityError: one has the id of another already, which `put` would see to.
    """
    _write_to_sqlite(connection, [(_likely_id(document), document) for document in documents])


def remove(connection: Connection, interception_ids: Sequence[str]) -> int:
    """Remove the documents of interceptions; says how many there were."""
    forgets = connection.dialect.name == "sqlite"
    columns = "id, words" if forgets else "id"
    there = of_ids(connection, search_documents, columns, interception_ids, key="interception_id")
    if forgets:
        _forget_words(connection, there)
    delete_ids(connection, search_documents, [row[0] for row in there])
    return len(there)


def interceptions_of(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The interceptions that these documents, at most as many as `chunks` yields, are of."""
    column = search_documents.c
    query = select(column.id, column.interception_id).where(column.id.in_(ids))
    return {row.id: row.interception_id for row in connection.execute(query)}


def keeps_what_is_removed(connection: Connection) -> bool:
    """Whether words of documents that were removed are still in the file, though nobody finds them; see `squeeze`."""
    if connection.dialect.name != "sqlite":
        return False  # PostgreSQL's VACUUM sees to it, as for all tables.
    secure = text("SELECT v FROM aigateway_search_words_config WHERE k = 'secure-delete'")
    return not connection.execute(secure).scalar()


def prefer_secure_removal(connection: Connection) -> None:
    """Let FTS5 remove words from its tables at once, where SQLite is new enough."""
    if connection.dialect.name == "sqlite" and sqlite3.sqlite_version_info >= _SECURE_SINCE:
        connection.execute(
            text("INSERT INTO aigateway_search_words (aigateway_search_words, rank) VALUES ('secure-delete', 1)")
        )


def squeeze(connection: Connection, pages: int) -> bool:
    """Write some pages of FTS5's tables anew, without what was removed.

    Args:
        connection: a transaction.
        pages: about how many; below 0 for the first time, to begin with everything that is there now.

    Returns:
        Whether there is more to do.
    """
    count = text("SELECT total_changes()")
    before = connection.execute(count).scalar_one()
    connection.execute(
        text("INSERT INTO aigateway_search_words (aigateway_search_words, rank) VALUES ('merge', :pages)"),
        {"pages": pages},
    )
    # https://sqlite.org/fts5.html#the_merge_command
    return bool(connection.execute(count).scalar_one() - before > 1)


def _with_free_ids(connection: Connection, documents: Sequence[Document]) -> list[tuple[int, Document]]:
    """Ids in the order of time, so that the newest are found first and a time is a range of them."""
    wanted = [first_id(one.started_at) for one in documents]
    column = search_documents.c.id
    taken = {ident for (ident,) in of_ids(connection, search_documents, "id", wanted)}
    found: list[tuple[int, Document]] = []
    for ident, document in zip(wanted, documents, strict=True):
        free = ident
        if free in taken:
            near = select(column).where(column.between(ident, ident + IN_A_MICROSECOND))
            taken.update(connection.execute(near).scalars())
            while free in taken:
                free += 1
        taken.add(free)
        found.append((free, document))
    return found


def _likely_id(document: Document) -> int:
    """An id of its moment that hardly any other has: the last of its digits are those of the interception's id."""
    return first_id(document.started_at) + int(document.interception_id[-3:], 16) % IN_A_MICROSECOND


def _write_to_sqlite(connection: Connection, documents: Iterable[tuple[int, Document]]) -> None:
    rows: list[Row] = []
    indexed: list[Row] = []
    # In the order of their ids: FTS5 begins another piece of its index at each that is smaller than the last.
    for ident, (interception_id, initiator_id, _, words) in sorted(documents, key=_first):
        who = owner(initiator_id)
        rows.append((ident, interception_id, _packed(who, words)))
        indexed.append((ident, who, words))
    if not rows:
        return
    _DOCUMENTS.write(connection, rows)
    # One by one: FTS5 begins another piece for each statement of many rows.
    sqlite_of(connection).executemany(
        "INSERT INTO aigateway_search_words (rowid, who, words) VALUES (?, ?, ?)", indexed
    )


def _forget_words(connection: Connection, rows: Sequence[Any]) -> None:
    forgotten = [(ident, *_unpacked(words)) for ident, words in rows]
    if forgotten:
        connection.exec_driver_sql(
            "INSERT INTO aigateway_search_words (aigateway_search_words, rowid, who, words) VALUES ('delete', ?, ?, ?)",
            forgotten,
        )


def _packed(who: str, words: str) -> bytes:
    """Compressed where that is worth it; an owner, which is hexadecimal, never begins as zlib's format does."""
    plain = f"{who} {words}".encode()
    return zlib.compress(plain, 1) if len(plain) > _WORTH_COMPRESSING else plain


def _unpacked(words: bytes) -> tuple[str, str]:
    plain = zlib.decompress(words) if words.startswith(_COMPRESSED) else words
    who, _, rest = plain.decode().partition(" ")
    return who, rest
