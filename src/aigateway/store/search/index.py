"""Keeps the index of full-text search up with the record: behind it by a moment, and never in its way.

Whoever writes records calls `follow` in the same transaction. In SQLite it takes short texts in at once, since they are
at hand; of all others it only notes which interceptions have them. `advance`, called again and again in the background,
takes these in some at a time, each time in a transaction: what it has not committed is still noted. What was on record
before there was an index is taken in last, the newest first, and while that lasts `is_complete` says so. What is purged
leaves the index in the transaction that purges it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, literal, or_, select, tuple_, update

from aigateway.store.bulk import Insert, delete_ids, of_ids, sqlite_of
from aigateway.store.rows import CHILDREN, INTERCEPTION, Whole
from aigateway.store.search import documents
from aigateway.store.search.documents import Document
from aigateway.store.search.words import BREAK, LONGEST, words
from aigateway.store.tables import (
    interceptions,
    model_thoughts,
    search_documents,
    search_queue,
    search_tasks,
    tool_usages,
    user_prompts,
)
from aigateway.store.turns import Turn, has, wait_for
from aigateway.store.types import time_of

_MOST_BYTES = 500_000
"""A `tsvector` has at most a megabyte, which is twice what so many bytes of words can come to."""
_PAGES_AT_ONCE = 500
"""Of FTS5's tables, about 2 MB."""


TEXTS = {
    "prompt": (user_prompts, "prompt"),
    "thought": (model_thoughts, "content"),
    "tool": (tool_usages, "tool || ' ' || input"),
}
"""What can be found: the table, and the text in SQL."""
_BEHIND = select(or_(*(exists(select(literal(1)).select_from(table)) for table in (search_queue, search_tasks))))
"""Made once, since it is asked twice a second for as long as the server runs."""
_QUEUE = Insert(search_queue, ("interception_id",))
_BETWEEN = f" {BREAK} "
_MOST_AT_ONCE = 500_000
"""Characters that are taken in by the transaction that writes them; others that write wait some 50 ms meanwhile."""
_STARTED_AT = INTERCEPTION.index("started_at")
_TOOL, _INPUT = (CHILDREN[tool_usages].index(name) for name in ("tool", "input"))


class _Task(StrEnum):
    BACKFILL = "backfill"
    """Take in what was there before the index; its place is the last interception that was looked at."""
    SQUEEZE = "squeeze"
    """Write FTS5's tables anew without the words that were removed; the next one is that this has begun."""
    SQUEEZING = "squeezing"


def follow(connection: Connection, *, ended: Iterable[Whole], written: Collection[str]) -> None:
    """Take in what is at hand and short, and note what else is to be taken in.

    Args:
        connection: the transaction that writes their records.
        ended: those that have ended now.
        written: others, of which texts have come. What has not ended yet will be taken in when it does.
    """
    left = _MOST_AT_ONCE if connection.dialect.name == "sqlite" else -1
    short: list[Document] = []
    queued: list[str] = []
    for interception, (prompts, _, tools, thoughts) in ended:
        texts = [row[-1] for row in (*prompts, *thoughts)]
        if tools:
            texts += [f"{row[_TOOL]} {row[_INPUT]}" for row in tools]
        size = sum(map(len, texts))
        if texts and size <= min(left, LONGEST):
            left -= size
            ident, initiator_id = interception[:2]
            short.append(
                Document(ident, initiator_id, time_of(interception[_STARTED_AT]), _BETWEEN.join(map(words, texts)))
            )
        elif texts:
            queued.append(interception[0])
    if not _are_added(connection, short):
        queued += [document.interception_id for document in short]
    there = of_ids(connection, interceptions, "id, ended_at IS NOT NULL", written)
    queued += [str(ident) for ident, is_ended in there if is_ended]
    _QUEUE.write(connection, [(ident,) for ident in queued])


def note_missing(connection: Connection, since: datetime) -> None:
    """Note what began since a time and is not in the index, such as what a server of the version before has written."""
    column = interceptions.c
    missing = select(column.id).where(column.started_at >= since, column.ended_at.is_not(None), ~_is_in)
    connection.execute(insert(search_queue).from_select(["interception_id"], missing))
    documents.prefer_secure_removal(connection)


def is_behind(connection: Connection) -> bool:
    """Whether there is something for `advance` to do. A single statement."""
    return bool(connection.execute(_BEHIND).scalar())


def is_complete(connection: Connection) -> bool:
    """Whether what is on record can be found, but for what came in this moment."""
    backfill = select(search_tasks.c.name).where(search_tasks.c.name == _Task.BACKFILL)
    return connection.execute(backfill).first() is None


def advance(connection: Connection, limit: int) -> int:
    """Do some of what there is to do, at most `limit` interceptions of it.

    Returns:
        How much it was; 0 when nothing is left, or when another replica is at it.
    """
    if not has(connection, Turn.INDEX):
        return 0
    queued = connection.execute(select(search_queue).order_by(search_queue.c.id).limit(limit)).all()
    if queued:
        _take_in(connection, sorted({row.interception_id for row in queued}))
        delete_ids(connection, search_queue, [row.id for row in queued])
        return len(queued)
    tasks = {row.name: row for row in connection.execute(select(search_tasks))}
    if _Task.BACKFILL in tasks:
        return _backfill(connection, tasks[_Task.BACKFILL], limit)
    if tasks:
        return _squeeze(connection, begun=_Task.SQUEEZING in tasks)
    return 0


def skip(connection: Connection) -> str | None:
    """Give up the one interception that `advance` would begin with; says which that is."""
    queued = connection.execute(select(search_queue).order_by(search_queue.c.id).limit(1)).first()
    if queued:
        connection.execute(delete(search_queue).where(search_queue.c.id == queued.id))
        return str(queued.interception_id)
    task = connection.execute(select(search_tasks).where(search_tasks.c.name == _Task.BACKFILL)).first()
    rows = _older(connection, task, 1) if task else []
    for row in rows:
        _go_on_from(connection, row)
    return str(rows[0].id) if rows else None


def forget(connection: Connection, interception_ids: Sequence[str]) -> None:
    """Take out what is purged in this transaction."""
    # Whoever is taking in one of these is waited for: it would come into the index after it was taken out.
    wait_for(connection, Turn.INDEX)
    delete_ids(connection, search_queue, interception_ids, key="interception_id")
    removed = documents.remove(connection, interception_ids)
    if removed and documents.keeps_what_is_removed(connection):
        _begin(connection, _Task.SQUEEZE)


def _are_added(connection: Connection, new: Sequence[Document]) -> bool:
    """Write documents to SQLite; what it refuses leaves no trace, since no record must be held up by its texts."""
    if not new:
        return True
    sqlite = sqlite_of(connection)
    sqlite.execute("SAVEPOINT texts")
    try:
        documents.add(connection, new)
    except Exception:
        if not sqlite.in_transaction:
            raise  # All was undone, as it is when the disk is full.
        sqlite.execute("ROLLBACK TO texts")
        return False
    sqlite.execute("RELEASE texts")
    return True


_is_in = exists().where(search_documents.c.interception_id == interceptions.c.id)


def _begin(connection: Connection, task: _Task) -> None:
    there = exists().where(search_tasks.c.name == task)
    connection.execute(insert(search_tasks).from_select(["name"], select(literal(task.value)).where(~there)))


def _backfill(connection: Connection, task: Any, limit: int) -> int:
    """Take in the next slice; some of it may be in the index already."""
    rows = _older(connection, task, limit)
    if not rows:
        connection.execute(delete(search_tasks).where(search_tasks.c.name == _Task.BACKFILL))
        return 1
    _take_in(connection, [row.id for row in rows if not row.is_in])
    _go_on_from(connection, rows[-1])
    return len(rows)


def _older(connection: Connection, task: Any, limit: int) -> Sequence[Any]:
    """The next interceptions to look at, newest first."""
    column = interceptions.c
    query = select(column.id, column.started_at, _is_in.label("is_in")).where(column.ended_at.is_not(None))
    if task.started_at is not None:
        place = (literal(task.started_at, column.started_at.type), literal(task.interception_id, column.id.type))
        query = query.where(tuple_(column.started_at, column.id) < tuple_(*place))
    return connection.execute(query.order_by(column.started_at.desc(), column.id.desc()).limit(limit)).all()


def _go_on_from(connection: Connection, row: Any) -> None:
    place = {"started_at": row.started_at, "interception_id": row.id}
    connection.execute(update(search_tasks).where(search_tasks.c.name == _Task.BACKFILL).values(place))


def _squeeze(connection: Connection, *, begun: bool) -> int:
    """Go on with what may take long in a large index. What is removed meanwhile begins it again."""
    if not begun:
        connection.execute(
            update(search_tasks).where(search_tasks.c.name == _Task.SQUEEZE).values(name=_Task.SQUEEZING)
        )
    if not documents.squeeze(connection, _PAGES_AT_ONCE if begun else -_PAGES_AT_ONCE) and begun:
        connection.execute(delete(search_tasks).where(search_tasks.c.name == _Task.SQUEEZING))
    return 1


def _take_in(connection: Connection, ids: Sequence[str]) -> None:
    """Write the documents of ended interceptions that are there."""
    texts = _texts(connection, ids)
    documents.put(
        connection,
        [
            Document(str(ident), str(initiator_id), time_of(started_at), _words(texts[str(ident)]))
            for ident, initiator_id, started_at in of_ids(
                connection, interceptions, "id, initiator_id, started_at", texts
            )
        ],
    )


def _texts(connection: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """All texts of interceptions: the prompt, thoughts, and tools with their input."""
    found: dict[str, list[str]] = defaultdict(list)
    for table, text in TEXTS.values():
        columns = f"interception_id, substr({text}, 1, {LONGEST}), created_at, id"
        rows = of_ids(connection, table, columns, ids, key="interception_id")
        for ident, beginning, _, _ in sorted(rows, key=lambda row: (row[2], str(row[3]))):
            found[str(ident)].append(beginning)
    return found


def _words(texts: Sequence[str]) -> str:
    left = LONGEST
    found = []
    for text in texts:
        found.append(words(text[:left]))
        left = max(0, left - len(text))
    return _BETWEEN.join(found).encode()[:_MOST_BYTES].decode(errors="ignore")
