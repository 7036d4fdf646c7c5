"""The columns that hold sealed secrets, and what is done with all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Connection, Table, and_, delete, select, update

from aigateway.store.envelope import Keyring, Sealed
from aigateway.store.tables import external_auth_links

_BATCH = 500


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed secrets, and the one beside it that names the key."""

    table: Table
    name: str

    @property
    def data(self) -> Column[bytes]:
        """What is sealed."""
        return self.table.c[self.name]

    @property
    def key_id(self) -> Column[str]:
        """The key's id."""
        return self.table.c[f"{self.name}_key_id"]

    def place(self, *row: str) -> str:
        """What a secret is bound to: the table, the column and the row's primary key."""
        return "\0".join((self.table.name, self.name, *row))


TOKENS = SealedColumn(external_auth_links, "oauth_tokens")
COLUMNS = (TOKENS,)
"""Every column of sealed secrets. A new one is added here, and is rotated and cleared with the others."""


def key_ids(connection: Connection) -> frozenset[str]:
    """The keys that something in the database was sealed with."""
    found: set[str] = set()
    for column in COLUMNS:
        found.update(connection.execute(select(column.key_id).distinct()).scalars())
    return frozenset(found)


def reseal(connection: Connection, keyring: Keyring) -> int:
    """Seal a batch of what was sealed with another key anew, with the key that seals now.

    Returns:
        How many secrets it was; 0 when none is left.

    Raises:
        KeyMissing, SealBroken: one cannot be opened; nothing of this batch is changed then.
    """
    return next((count for column in COLUMNS if (count := _reseal(connection, column, keyring))), 0)


def clear(connection: Connection) -> int:
    """Delete every row that holds a sealed secret, and say how many there were."""
    return sum(connection.execute(delete(column.table)).rowcount for column in COLUMNS)


def _reseal(connection: Connection, column: SealedColumn, keyring: Keyring) -> int:
    row = [*column.table.primary_key.columns]
    old = select(*row, column.data, column.key_id).where(column.key_id != keyring.sealing).limit(_BATCH)
    count = 0
    for *ident, data, key in connection.execute(old).all():
        place = column.place(*ident)
        sealed = keyring.seal(keyring.unseal(Sealed(data, key), place), place)
        # A server that runs may have written new ones meanwhile; those win.
        same = and_(column.data == data, *(part == value for part, value in zip(row, ident, strict=True)))
        changed = update(column.table).where(same).values({column.data: sealed.data, column.key_id: sealed.key_id})
        count += 1
        connection.execute(changed)
    return count
