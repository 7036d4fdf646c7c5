"""The hash chains of the record: each ended interception is a link of the chain of the replica that stored it.

    digest = SHA-256(digest of the link before it · all rows of the interception as they are stored)

Whatever is changed, removed or put in between makes the digests from there on wrong. What is derived from other rows
(threads, sessions) is not in the chain, since it changes when other rows arrive. A chain of its own, the ledger, says
which chains there are and which links retention has removed on purpose. `store.verification` checks all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Boolean, Connection, Table, delete, func, insert, select, update

from aigateway.store.bulk import Insert, Update, as_rows, of_ids
from aigateway.store.rows import CHILD_METADATA, CHILDREN, INTERCEPTION, Row, Whole, together
from aigateway.store.session_index import chunks
from aigateway.store.tables import chain_links, chains, interceptions
from aigateway.store.times import utc_now

_NIL = "00000000-0000-0000-0000-000000000000"

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode
_METADATA = INTERCEPTION.index("metadata")
_LONGEST_REMEMBERED = 512
"""Characters of JSON whose one form is kept."""
_LINK = ("chain_id", "position", "digest")
_LINKS = Insert(chain_links, (*_LINK, "interception_id"), _LINK[:2])
_SAYINGS = Insert(chain_links, (*_LINK, "detail"), _LINK[:2])
_HEADS = Update(chains, ("id", "length", "head"))


@dataclass(frozen=True, slots=True)
class Chain:
    """Whose chain: that of one data directory, shared by its workers."""

    id: str
    """A UUID."""
    name: str
    """For people: the host."""


LEDGER = Chain(_NIL, "ledger")
UNNAMED = Chain("00000000-0000-0000-0000-000000000001", "")
"""For those who store without being a replica: imports and tests."""


class Head(NamedTuple):
    """The end of a chain."""

    position: int
    digest: str


def ground(chain_id: str) -> str:
    """The digest before the first link."""
    return sha256(chain_id.encode()).hexdigest()


def next_digest(before: str, content: bytes) -> str:
    """The digest of a link."""
    return sha256(before.encode() + content).hexdigest()


def content_of(whole: Whole) -> bytes:
    """All rows of an interception, in one form whatever the database."""
    parts: list[object] = [_canonical(whole.interception, _METADATA)]
    for rows in whole.children:
        if len(rows) > 1:
            parts.append([_canonical(row, CHILD_METADATA) for row in sorted(rows, key=_first)])
        else:
            parts.append((_canonical(rows[0], CHILD_METADATA),) if rows else ())
    return _encode(parts)


def stored(connection: Connection, ids: Sequence[str]) -> dict[str, Whole]:
    """What the tables hold of these interceptions; those that are not there are left out."""
    found: dict[str, Whole] = {}
    for some in chunks(ids):
        begun = _stored(connection, interceptions, INTERCEPTION, "id", some)
        children = (_stored(connection, *child, "interception_id", some) for child in CHILDREN.items())
        found |= together(begun, children)
    return found


def extend(connection: Connection, chain: Chain, contents: Iterable[tuple[str, bytes]]) -> None:
    """Add links for interceptions that have ended: their ids and contents."""
    _append(connection, chain, contents, _LINKS)


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """Let the ledger know that retention removes these interceptions, and mark their links."""
    removed: list[tuple[str, int]] = []
    for some in chunks(ids):
        wanted = chain_links.c.interception_id.in_(some)
        links = select(chain_links.c.chain_id, chain_links.c.position).where(wanted)
        removed += [(row.chain_id, row.position) for row in connection.execute(links)]
        connection.execute(update(chain_links).where(wanted).values(purged=True))
    if not removed:
        return
    ranges = {
        chain_id: list(_ranges([position for _, position in links]))
        for chain_id, links in groupby(sorted(removed), key=_first)
    }
    _tell(connection, {"purged": ranges})
    for chain_id in ranges:
        _shorten(connection, chain_id)


def head(connection: Connection, chain_id: str) -> Head | None:
    """The end of a chain; None when there is no such chain."""
    for length, digest in of_ids(connection, chains, "length, head", (chain_id,)):
        return Head(length, digest)
    return None


def _append(connection: Connection, chain: Chain, new: Iterable[tuple[str, bytes]], links: Insert) -> None:
    """Add links, each for something and its content."""
    rows: list[Row] = []
    before = None
    for what, content in new:
        if before is None:
            before = head(connection, chain.id) or _begin(connection, chain)
            position, digest = before
        position, digest = position + 1, next_digest(digest, content)
        rows.append((chain.id, position, digest, what))
    if rows:
        links.write(connection, rows)
        _HEADS.write(connection, [(chain.id, position, digest)])


def _begin(connection: Connection, chain: Chain) -> Head:
    first = Head(0, ground(chain.id))
    connection.execute(
        insert(chains).values(id=chain.id, name=chain.name, begun_at=utc_now(), length=0, head=first.digest)
    )
    if chain != LEDGER:
        _tell(connection, {"chain": chain.id})
    return first


def _tell(connection: Connection, what: Mapping[str, Any]) -> None:
    """Put something on the ledger."""
    detail = _encode(what)
    _append(connection, LEDGER, [(detail.decode(), detail)], _SAYINGS)


def _shorten(connection: Connection, chain_id: str) -> None:
    """Remove the links at the beginning that were purged, but for the last of them, from which the others go on."""
    column = chain_links.c
    mine = column.chain_id == chain_id
    kept = select(func.min(column.position)).where(mine, column.purged.is_(False)).scalar_subquery()
    newest = select(func.max(column.position)).where(mine).scalar_subquery()
    connection.execute(delete(chain_links).where(mine, column.position < func.coalesce(kept - 1, newest)))


def _ranges(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending positions as ranges, both ends included."""
    for _, run in groupby(enumerate(positions), key=lambda one: one[1] - one[0]):
        members = [position for _, position in run]
        yield members[0], members[-1]


def _stored(
    connection: Connection, table: Table, columns: tuple[str, ...], key: str, ids: Sequence[str]
) -> Iterable[Row]:
    """Rows in the form of `store.rows`, as the database itself writes it: quicker than through SQLAlchemy's objects."""
    flags = _flags(table, columns)
    found = of_ids(connection, table, as_rows(connection, table, columns), ids, key)
    return (_with_flags(row, flags) for row in found) if flags else map(tuple, found)


def _with_flags(row: Sequence[Any], flags: Sequence[int]) -> Row:
    values = list(row)
    for place in flags:
        values[place] = None if values[place] is None else bool(values[place])
    return tuple(values)


@lru_cache
def _flags(table: Table, columns: tuple[str, ...]) -> list[int]:
    return [place for place, name in enumerate(columns) if isinstance(table.c[name].type, Boolean)]


def _canonical(row: Row, metadata: int) -> Sequence[object]:
    """A row's values, with the JSON at that place in one form."""
    values = list(row)
    if text := values[metadata]:
        values[metadata] = _remembered_form(text) if len(text) <= _LONGEST_REMEMBERED else _one_form(text)
    return values


def _one_form(text: str) -> msgspec.Raw:
    """JSON with sorted keys and one form of numbers."""
    return msgspec.Raw(_encode(_number(_decode(text))))


_remembered_form = lru_cache(maxsize=2048)(_one_form)
"""The same; few different texts make most of the record."""


def _number(value: Any) -> Any:
    """JSON with one form for numbers that are equal: PostgreSQL writes 1e3 as 1000, and 1e30 with all its digits."""
    if type(value) is float and value.is_integer():
        return int(Decimal(repr(value)))
    if type(value) is dict:
        return {key: _number(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_number(inner) for inner in value]
    return value


def _first(row: Sequence[Any]) -> Any:
    return row[0]
