"""Which interception answers which: a request that submits a tool's result continues the one that called the tool.

Control-plane spec 4.3, and only among the interceptions of one person. Replicas ship their rows in their own time, so a
child may arrive before its parent: it is linked when the parent's tool call arrives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from aigateway.store.session_index import SessionKey, sessions_of
from aigateway.store.tables import interceptions, tool_usages

_ASKED_AT_ONCE = 1000
"""Values in one statement; PostgreSQL takes 65,535, SQLite fewer."""


@dataclass(frozen=True, slots=True)
class _Link:
    child: str
    parent: str
    root: str
    """The root that the parent has in the tables: its own root, or itself."""


def link(connection: Connection, started: Sequence[str], called: Sequence[str]) -> dict[str, SessionKey]:
    """Link what the new rows made linkable.

    Args:
        connection: a transaction that sees the new rows.
        started: ids of new interceptions that answer a tool call.
        called: ids of new tool calls.

    Returns:
        The interceptions whose thread is another one now, each with the session in which it was before.
    """
    if not started and not called:
        return {}
    roots: dict[str, str] = {}
    links: list[_Link] = []
    for found in _linkable(connection, started, called):
        root = _follow(found.root, roots)
        if root == found.child:
            continue  # The parent descends from this very child; hostile ids must not make a circle.
        roots[found.child] = root
        links.append(found)
    if not links:
        return {}
    before = sessions_of(connection, _with_descendants(connection, [found.child for found in links]))
    connection.execute(
        update(interceptions)
        .where(interceptions.c.id == bindparam("child"))
        .values(thread_parent_id=bindparam("parent"), thread_root_id=bindparam("root")),
        [{"child": found.child, "parent": found.parent, "root": _follow(found.root, roots)} for found in links],
    )
    connection.execute(
        update(interceptions)
        .where(interceptions.c.thread_root_id == bindparam("former"))
        .values(thread_root_id=bindparam("root")),
        [{"former": found.child, "root": _follow(found.root, roots)} for found in links],
    )
    return before


def _with_descendants(connection: Connection, children: Sequence[str]) -> list[str]:
    found = set(children)
    for wanted in _any_of(interceptions.c.thread_root_id, children):
        found.update(connection.execute(select(interceptions.c.id).where(wanted)).scalars())
    return sorted(found)


def _follow(root: str, roots: dict[str, str]) -> str:
    while root in roots:
        root = roots[root]
    return root


def _linkable(connection: Connection, started: Sequence[str], called: Sequence[str]) -> list[_Link]:
    """Interceptions without a parent whose tool call is known by now, each with the caller of the newest such call.

    Some providers number their calls from zero in every answer, so only calls made before the child started count.
    """
    child, caller = interceptions.alias("child"), interceptions.alias("caller")
    parent_id = (
        select(tool_usages.c.interception_id)
        .join(caller, caller.c.id == tool_usages.c.interception_id)
        .where(
            tool_usages.c.provider_tool_call_id == child.c.correlating_tool_call_id,
            tool_usages.c.created_at <= child.c.started_at,
            caller.c.initiator_id == child.c.initiator_id,
            caller.c.id != child.c.id,
        )
        .order_by(tool_usages.c.created_at.desc(), tool_usages.c.id.desc())
        .limit(1)
        .correlate(child)
        .scalar_subquery()
    )
    parent = interceptions.alias("parent")
    found: dict[tuple[datetime, str], _Link] = {}
    for wanted in chain(_any_of(child.c.id, started), _any_of(child.c.correlating_tool_call_id, called)):
        pairs = (
            select(child.c.id, child.c.started_at, parent_id.label("parent_id"))
            .where(child.c.thread_parent_id.is_(None), wanted)
            .subquery()
        )
        query = select(pairs.c.id, pairs.c.started_at, parent.c.id.label("parent_id"), parent.c.thread_root_id)
        for row in connection.execute(query.join(parent, parent.c.id == pairs.c.parent_id)):
            root = row.thread_root_id or row.parent_id
            found[row.started_at, row.id] = _Link(child=row.id, parent=row.parent_id, root=root)
    return [found[key] for key in sorted(found)]


def _any_of(column: ColumnElement[str], values: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    for at in range(0, len(values), _ASKED_AT_ONCE):
        yield column.in_(values[at : at + _ASKED_AT_ONCE])
