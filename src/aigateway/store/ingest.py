"""Takes rows of the record into the tables, in one transaction, so that taking them twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from aigateway.store import activity_sums, rows, session_index, session_sums
from aigateway.store.bulk import Insert, Update, as_rows, of_ids, storable
from aigateway.store.chain import UNNAMED, Chain, content_of, extend, stored
from aigateway.store.lineage import link
from aigateway.store.records import (
    AnyRecord,
    InterceptionEnd,
    InterceptionStart,
    ToolUsage,
)
from aigateway.store.rows import Row, Use, Whole, together
from aigateway.store.search import index
from aigateway.store.tables import interceptions, token_usages
from aigateway.store.turns import Turn, wait_for
from aigateway.store.types import without_nul

_INTERCEPTIONS = Insert(interceptions, rows.INTERCEPTION)
_ENDS = Update(interceptions, rows.ENDED, "ended_at IS NULL")
_SESSION, _ANSWERS, _STARTED_AT = map(
    rows.INTERCEPTION.index, ("client_session_id", "correlating_tool_call_id", "started_at")
)
_CHILDREN = tuple(Insert(table, columns) for table, columns in rows.CHILDREN.items())
_USAGES = list(rows.CHILDREN).index(token_usages)


@dataclass(slots=True)
class _Batch:
    """Records, sorted."""

    starts: dict[str, InterceptionStart] = field(default_factory=dict)
    ends: dict[str, InterceptionEnd] = field(default_factory=dict)
    """The first one of each interception: it is the one that counts."""
    children: tuple[list[Row], ...] = field(default_factory=lambda: tuple([] for _ in _CHILDREN))
    calls: list[str] = field(default_factory=list)
    """Ids of tool calls."""
    with_texts: set[str] = field(default_factory=set)
    """Interceptions of which texts have come."""

    @property
    def used_late(self) -> set[str]:
        """Interceptions whose usage has come without a start or an end: they may have ended before."""
        return {row[1] for row in self.children[_USAGES]} - self.starts.keys() - self.ends.keys()


class _Known(NamedTuple):
    """What the table says of an interception."""

    ended: bool
    hint: str
    metadata: str | None
    started_at: str


def apply(connection: Connection, records: Sequence[AnyRecord], replica: Chain = UNNAMED) -> None:
    """Write `records` (at most some thousands) into the tables, and what has ended into the hash chain of the replica.

    A row that is there already stays as it is, and an end is taken only once. A row may come before or after the others
    of its interception, except that an end must not come before its start in an earlier call.
    """
    # In turns, so that replicas that ship at the same time neither lock each other out nor overlook the thread that one
    # side began and the other goes on with.
    wait_for(connection, Turn.INGEST)
    batch = _sorted(records)
    known = _known(connection, batch.starts.keys() | batch.ends.keys())
    new = [start for ident, start in batch.starts.items() if ident not in known]
    begun = storable(
        connection,
        interceptions,
        rows.INTERCEPTION,
        [rows.interception(start, batch.ends.get(start.interception_id)) for start in new],
    )
    ended = [
        rows.ended(end, known[ident].hint, known[ident].metadata)
        for ident, end in batch.ends.items()
        if ident in known and not known[ident].ended
    ]
    _INTERCEPTIONS.write(connection, begun)
    children = [
        storable(connection, insert.table, insert.columns, observed)
        for insert, observed in zip(_CHILDREN, batch.children, strict=True)
    ]
    for insert, observed in zip(_CHILDREN, children, strict=True):
        insert.write(connection, observed)
    _ENDS.write(connection, ended)
    over = together((row for row in begun if row[0] in batch.ends), children)
    over |= stored(connection, [row[0] for row in ended])
    extend(connection, replica, ((ident, content_of(over[ident])) for ident in batch.ends if ident in over))
    before = link(connection, started=_answering(batch.starts.values()), called=_called(connection, batch))
    _note_sessions(connection, over.values())
    session_index.follow(connection, before)
    session_index.note(connection, list(batch.used_late))
    activity_sums.forget(connection, _counting_anew(connection, batch, begun, known))
    batch.with_texts.difference_update(over, (row[0] for row in begun))
    index.follow(connection, ended=over.values(), written=batch.with_texts)


def _sorted(records: Iterable[AnyRecord]) -> _Batch:
    batch = _Batch()
    for record in records:
        if type(record) is InterceptionStart:
            batch.starts.setdefault(record.interception_id, record)
        elif type(record) is InterceptionEnd:
            batch.ends.setdefault(record.interception_id, record)
        else:
            place, as_row = rows.CHILD_ROWS[type(record)]
            batch.children[place].append(as_row(record))
            if place != _USAGES:
                batch.with_texts.add(record.interception_id)
            if type(record) is ToolUsage and record.tool_call_id:
                batch.calls.append(record.tool_call_id[: rows.LONGEST_INDEXED])
    return batch


def _known(connection: Connection, ids: Iterable[str]) -> dict[str, _Known]:
    columns = "id, ended_at IS NOT NULL, credential_hint, CAST(metadata AS TEXT)"
    columns = f"{columns}, {as_rows(connection, interceptions, ('started_at',))}"
    return {
        str(ident): _Known(bool(ended), *others)
        for ident, ended, *others in of_ids(connection, interceptions, columns, ids)
    }


def _counting_anew(
    connection: Connection, batch: _Batch, begun: Sequence[Row], known: Mapping[str, _Known]
) -> set[str]:
    """When that began whose figures may be others now, as the tables have it."""
    times = {row[_STARTED_AT] for row in begun if row[0] in batch.ends}
    times.update(known[ident].started_at for ident in batch.ends if ident in known)
    column = as_rows(connection, interceptions, ("started_at",))
    times.update(row[0] for row in of_ids(connection, interceptions, column, batch.used_late))
    return times


def _answering(starts: Iterable[InterceptionStart]) -> list[str]:
    """Those that answer a tool call, and so may go on with a thread."""
    return [start.interception_id for start in starts if start.correlating_tool_call_id]


def _called(connection: Connection, batch: _Batch) -> list[str]:
    """The ids of new tool calls as the table has them."""
    return [without_nul(call) for call in batch.calls] if connection.dialect.name == "postgresql" else batch.calls


def _note_sessions(connection: Connection, over: Iterable[Whole]) -> None:
    """Take what has ended into the tables of sessions: without asking, where the start tells the session."""
    told: list[Use] = []
    asked: list[str] = []
    alone: list[Whole] = []
    for whole in over:
        row = whole.interception
        if row[_SESSION]:
            told.append(rows.use(row))
        elif row[_ANSWERS]:
            asked.append(row[0])
        else:
            alone.append(whole)
    told += session_sums.begin(connection, alone)
    session_index.take_in(connection, told)
    session_index.note(connection, asked)
