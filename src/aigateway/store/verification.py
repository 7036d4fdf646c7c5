"""What `aigateway audit verify` asks the database: a bounded piece at a time, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, Table, and_, exists, func, select

from aigateway.store.chain import LEDGER, Head, content_of, stored
from aigateway.store.rows import CHILDREN
from aigateway.store.tables import chain_links, chains, interceptions

_decode = msgspec.json.Decoder().decode
_ROWS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class ChainState:
    """A chain as the table of chains has it."""

    id: str
    name: str
    begun_at: datetime
    head: Head
    newest: int
    """The position of its newest link."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link, and what the digest is of."""

    position: int
    digest: str
    interception_id: str | None
    purged: bool
    content: bytes | None
    """None when its interception is not there."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says."""

    chains: frozenset[str]
    purged: dict[str, list[tuple[int, int]]]
    """Ranges of positions, by chain, both ends included."""

    def lets_go(self, chain_id: str, first: int, last: int) -> bool:
        """Whether retention has removed all links of a range."""
        for begin, end in sorted(self.purged.get(chain_id, ())):
            if begin <= first <= end:
                first = end + 1
        return first > last


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a table."""

    last: str | None
    """The id where it ends; None when it is the last piece."""
    strange: Sequence[tuple[str, datetime]]
    """Rows in it that no link and no interception vouches for: the id, and the time."""


def survey(connection: Connection) -> tuple[list[ChainState], Ledger]:
    """All chains and what the ledger says, as they are at one moment."""
    return states(connection), ledger(connection)


def states(connection: Connection) -> list[ChainState]:
    """All chains, the ledger first."""
    newest = select(func.max(chain_links.c.position)).where(chain_links.c.chain_id == chains.c.id).scalar_subquery()
    query = select(chains, newest.label("newest")).order_by(chains.c.begun_at, chains.c.id)
    found = [
        ChainState(row.id, row.name, row.begun_at, Head(row.length, row.head), row.newest or 0)
        for row in connection.execute(query)
    ]
    return sorted(found, key=lambda chain: chain.id != LEDGER.id)


def ledger(connection: Connection) -> Ledger:
    """What the ledger says now."""
    known: set[str] = set()
    purged: dict[str, list[tuple[int, int]]] = {}
    query = select(chain_links.c.detail).where(chain_links.c.chain_id == LEDGER.id).order_by(chain_links.c.position)
    for (detail,) in connection.execute(query):
        said: Any = _decode(detail) if detail else {}
        if "chain" in said:
            known.add(said["chain"])
        for chain_id, ranges in said.get("purged", {}).items():
            purged.setdefault(chain_id, []).extend((first, last) for first, last in ranges)
    return Ledger(frozenset(known), purged)


def links(connection: Connection, chain_id: str, after: int, limit: int) -> list[Link]:
    """The next links of a chain behind a position, with what each stands for."""
    column = chain_links.c
    query = (
        select(column.position, column.digest, column.interception_id, column.detail, column.purged)
        .where(column.chain_id == chain_id, column.position > after)
        .order_by(column.position)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    found = stored(connection, [row.interception_id for row in rows if row.interception_id])
    contents = {ident: content_of(whole) for ident, whole in found.items()}
    return [
        Link(
            row.position,
            row.digest,
            row.interception_id,
            row.purged,
            contents.get(row.interception_id) if row.interception_id else (row.detail or "").encode(),
        )
        for row in rows
    ]


def unchained(connection: Connection, after: str | None) -> Slice:
    """Ended interceptions that are in no chain, among the next rows."""
    linked = exists().where(chain_links.c.interception_id == interceptions.c.id, chain_links.c.purged.is_(False))
    wanted = and_(interceptions.c.ended_at.is_not(None), ~linked)
    return _slice(
        connection, interceptions, after, select(interceptions.c.id, interceptions.c.started_at).where(wanted)
    )


def stray(connection: Connection, table: Table, after: str | None) -> Slice:
    """Rows of a child table that belong to no interception, among the next ones."""
    known = exists().where(interceptions.c.id == table.c.interception_id)
    return _slice(connection, table, after, select(table.c.id, table.c.created_at).where(~known))


def child_tables() -> tuple[Table, ...]:
    """The tables of what was observed in interceptions."""
    return tuple(CHILDREN)


def unfinished(connection: Connection) -> int:
    """Interceptions that have not ended, and so are in no chain yet."""
    return connection.execute(
        select(func.count()).select_from(interceptions).where(interceptions.c.ended_at.is_(None))
    ).scalar_one()


def _slice(connection: Connection, table: Table, after: str | None, query: Select[Any]) -> Slice:
    edge = select(table.c.id).order_by(table.c.id).offset(_ROWS_AT_ONCE - 1).limit(1)
    if after is not None:
        edge = edge.where(table.c.id > after)
        query = query.where(table.c.id > after)
    last = connection.execute(edge).scalar()
    if last is not None:
        query = query.where(table.c.id <= last)
    return Slice(last, [tuple(row) for row in connection.execute(query.order_by(table.c.id))])
