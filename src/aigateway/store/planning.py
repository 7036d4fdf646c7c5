"""How PostgreSQL goes about a search."""

from __future__ import annotations

from sqlalchemy import Connection, text


def plan_for_values(connection: Connection) -> None:
    """Have what follows in this transaction planned for the values that are searched for.

    A statement that is asked often is otherwise planned once for all values: a rare word is then looked for in every
    document, which takes until the transaction is cut (PostgreSQL manual, `plan_cache_mode`).
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
