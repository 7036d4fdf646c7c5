"""`/sessions/export` and `/interceptions/export`: everything that a search selects, as CSV or JSON lines.

Rows are read and sent some hundred at a time, so that an export of any size needs no more memory than a page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from aigateway.accounts.actor import Actor
from aigateway.api import documents, session_shapes, shapes
from aigateway.api.asking import Search, SignedIn
from aigateway.api.csv_rows import INTERCEPTION, SESSION, Columns, cell
from aigateway.api.meaning import SESSIONS, meant
from aigateway.api.services import Serving
from aigateway.store import interceptions, sessions
from aigateway.store.search.matching import MOST_EXPORTED
from aigateway.telemetry.logging import get_logger

_log = get_logger("api")
_READ_AT_ONCE = 250


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSONL = "jsonl"


_MEDIA_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSONL: "application/jsonl"}
_Format = Annotated[Format, Query(alias="format", description="`csv` for spreadsheets, `jsonl` for programs.")]

_GAPS = {"X-AI-Gateway-Incomplete": shapes.INCOMPLETE}
"""Said of an export whose search could not look everywhere yet."""

Shaped = list[dict[str, Any]]
Pages = AsyncIterator[Shaped]


routes = APIRouter()
"""They come before those that take an id at the same place."""


@routes.get("/interceptions/export", summary="Export requests", tags=["Interceptions"], responses=documents.EXPORT)
async def export_interceptions(
    services: Serving, actor: SignedIn, q: Search = "", chosen: _Format = Format.CSV
) -> StreamingResponse:
    """All requests that `q` selects, newest first. In CSV, cells that a spreadsheet would run begin with `'`."""
    wanted = replace(await meant(q, actor, services.accounts.people), most_with_texts=MOST_EXPORTED)

    async def read(after: interceptions.Cursor | None) -> tuple[Shaped, interceptions.Cursor | None]:
        found = await services.store.read(interceptions.below, wanted, after=after, limit=_READ_AT_ONCE)
        rows = found.interceptions
        shaped = [shapes.interception(row, found) for row in rows]
        return shaped, (rows[-1]["started_at"], rows[-1]["id"]) if rows else None

    gaps = {} if await services.store.read(wanted.is_answered_in_full) else _GAPS
    return await _stream("interceptions", chosen, read, INTERCEPTION, actor, gaps)


@routes.get("/sessions/export", summary="Export sessions", tags=["Sessions"], responses=documents.EXPORT)
async def export_sessions(
    services: Serving, actor: SignedIn, q: Search = "", chosen: _Format = Format.CSV
) -> StreamingResponse:
    """All sessions that `q` selects, newest first. In CSV, cells that a spreadsheet would run begin with `'`."""
    wanted = replace(await meant(q, actor, services.accounts.people, SESSIONS), most_with_texts=MOST_EXPORTED)

    async def read(after: sessions.Place | None) -> tuple[Shaped, sessions.Place | None]:
        found = await services.store.read(sessions.below, wanted, after=after, limit=_READ_AT_ONCE)
        shaped = [session_shapes.session(one) for one in found]
        return shaped, (found[-1].started_at, found[-1].id, found[-1].initiator_id) if found else None

    gaps = {} if await services.store.read(wanted.is_answered_in_full) else _GAPS
    return await _stream("sessions", chosen, read, SESSION, actor, gaps)


async def _stream(
    name: str,
    chosen: Format,
    read: Callable[[Any], Awaitable[tuple[Shaped, Any]]],
    columns: Columns,
    actor: Actor,
    more: Mapping[str, str],
) -> StreamingResponse:
    first, place = await read(None)  # Before the answer begins, so that a database that is away is told as such.

    async def pages() -> Pages:
        rows, after = first, place
        while rows:
            yield rows
            rows, after = await read(after)

    _log.info("record exported", what=name, format=chosen.value, username=actor.username)
    body = _csv(pages(), columns) if chosen is Format.CSV else _json_lines(pages())
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{chosen.value}"',
        "X-Content-Type-Options": "nosniff",
        **more,
    }
    return StreamingResponse(body, media_type=_MEDIA_TYPES[chosen], headers=headers)


async def _json_lines(pages: Pages) -> AsyncIterator[bytes]:
    async for rows in pages:
        yield b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


async def _csv(pages: Pages, columns: Columns) -> AsyncIterator[bytes]:
    yield _lines([list(columns)])
    async for rows in pages:
        yield _lines([[cell(value_of(row)) for value_of in columns.values()] for row in rows])


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
