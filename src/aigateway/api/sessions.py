"""`/sessions`: what belongs together, and one of them thread by thread (control-plane spec 3.2 and 3.3)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from aigateway.accounts.errors import Missing
from aigateway.api import documents, session_shapes
from aigateway.api.answers import answer, no_page
from aigateway.api.asking import Cursor, Limit, Offset, Search, SignedIn, Text
from aigateway.api.meaning import SESSIONS, meant, visible_to
from aigateway.api.services import Serving
from aigateway.store import sessions
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.session_detail import SessionDetail, ThreadRange, UnknownThread, detail
from aigateway.store.sessions import SessionPage, SharedSessionId, UnknownSession

Whose = Annotated[
    Text | None,
    Query(max_length=256, description="Whose session: user name, UUID or `me`. Needed where people share the id."),
]
_SHARED = "Several people have a session with this id. Say whose is meant, by user name or UUID."


routes = APIRouter(tags=["Sessions"])


@routes.get("/sessions", summary="List sessions", responses=documents.of(documents.SessionList))
async def list_sessions(
    services: Serving,
    actor: SignedIn,
    q: Search = "",
    limit: Limit = 100,
    offset: Offset = 0,
    after_session_id: Annotated[
        Text | None, Query(max_length=256, description="Go on after this session, the last one of the page before.")
    ] = None,
    after_initiator: Whose = None,
) -> Response:
    """Sessions with at least one ended request that `q` selects, newest first.

    A word without a key is refused here. Members see their own sessions, auditors and owners all.
    """
    if after_session_id is not None and offset:
        return no_page("offset", "Use either offset or after_session_id.")
    wanted = await meant(q, actor, services.accounts.people, SESSIONS)
    whose = await services.accounts.people.initiator_id(actor, after_initiator) if after_initiator else None
    try:
        page = await services.store.read(_page, wanted, after_session_id, whose, offset=offset, limit=limit)
    except UnknownSession:
        return no_page("after_session_id", "There is no such session that you may see.")
    except SharedSessionId:
        return no_page("after_initiator", _SHARED)
    return answer(session_shapes.sessions(page))


@routes.get(
    "/sessions/{session_id:path}",
    summary="Show a session",
    responses=documents.of(documents.SessionDetail, documents.NOT_FOUND),
)
async def show_session(
    services: Serving,
    actor: SignedIn,
    session_id: Text,
    initiator: Whose = None,
    after_id: Cursor = None,
    before_id: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many threads at most.")] = 50,
    *,
    include_side_requests: Annotated[
        bool, Query(description="Show titles, probes and other requests that a client made for itself as well.")
    ] = False,
) -> Response:
    """A session and its threads, oldest first; the id of any request in it will do.

    A thread is a prompt and the requests that answer the tool calls which it led to. `agentic_actions` are those
    in which the model called tools, `answers` the others; ordered by `started_at` they are what happened.
    """
    if after_id and before_id:
        return no_page("before_id", "Use either after_id or before_id.")
    wanted = ThreadRange(
        after_id=after_id.lower() if after_id else None,
        before_id=before_id.lower() if before_id else None,
        limit=limit,
        side_requests=include_side_requests,
    )
    whose = await services.accounts.people.initiator_id(actor, initiator) if initiator else None
    try:
        found = await services.store.read(_detail, session_id, visible_to(actor), whose, wanted)
    except UnknownSession as error:
        raise Missing("There is no such session that you may see.") from error
    except SharedSessionId:
        return no_page("initiator", _SHARED)
    except UnknownThread:
        return no_page("after_id" if after_id else "before_id", "There is no such thread in this session.")
    return answer(session_shapes.detail(found))


def _page(
    connection: Connection,
    wanted: InterceptionFilter,
    after_id: str | None,
    after_initiator_id: str | None,
    *,
    offset: int,
    limit: int,
) -> SessionPage:
    after = None
    if after_id is not None:
        after = sessions.find(connection, after_id, visible_to=wanted.visible_to, initiator_id=after_initiator_id)
    return sessions.page(connection, wanted, after=after, offset=offset, limit=limit)


def _detail(
    connection: Connection, ref: str, visible: str | None, initiator_id: str | None, wanted: ThreadRange
) -> SessionDetail:
    key = sessions.find(connection, ref, visible_to=visible, initiator_id=initiator_id)
    return detail(connection, key, wanted)
