"""`/interceptions`: requests on record, and one of them whole (control-plane spec 3.1)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aigateway.accounts.errors import Missing
from aigateway.api import documents, shapes
from aigateway.api.answers import answer, no_page
from aigateway.api.asking import Cursor, Ident, Limit, Offset, Search, SignedIn
from aigateway.api.meaning import meant, visible_to
from aigateway.api.services import Serving
from aigateway.store import interceptions
from aigateway.store.interceptions import UnknownCursor

__all__ = ["meant", "routes"]


routes = APIRouter(tags=["Interceptions"])


@routes.get("/interceptions", summary="List requests", responses=documents.of(documents.InterceptionList))
async def list_interceptions(
    services: Serving, actor: SignedIn, q: Search = "", limit: Limit = 100, offset: Offset = 0, after_id: Cursor = None
) -> Response:
    """Ended requests, newest first, with what was observed in each.

    A word without a key is taken as `initiator`. Members see their own requests, auditors and owners all.
    """
    if after_id and offset:
        return no_page("offset", "Use either offset or after_id.")
    wanted = await meant(q, actor, services.accounts.people)
    after = after_id.lower() if after_id else None
    try:
        page = await services.store.read(interceptions.page, wanted, after_id=after, offset=offset, limit=limit)
    except UnknownCursor:
        return no_page("after_id", "There is no such interception that you may see.")
    return answer(shapes.interceptions(page))


@routes.get(
    "/interceptions/{interception_id}",
    summary="Show a request",
    responses=documents.of(documents.WholeInterception, documents.NOT_FOUND),
)
async def show_interception(services: Serving, actor: SignedIn, interception_id: Ident) -> Response:
    """One request whole: everything that was observed, thoughts included. It may still be under way.

    Its id is in the header `X-AI-Gateway-Interception-Id` of the answer that the client got.
    """
    found = await services.store.read(interceptions.one, interception_id.lower(), visible_to=visible_to(actor))
    if not found.interceptions:
        raise Missing("There is no such interception that you may see.")
    return answer(shapes.interception(found.interceptions[0], found))
