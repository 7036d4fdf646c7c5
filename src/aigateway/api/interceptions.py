"""`/api/v2/ai-gateway/interceptions` and, under its older name, `/api/v2/aibridge/interceptions`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Missing
from aigateway.accounts.people import People
from aigateway.accounts.roles import Permission
from aigateway.api import search, shapes
from aigateway.api.asking import Cursor, Limit, Offset, SignedIn
from aigateway.api.errors import refusal
from aigateway.api.search import BadSearch
from aigateway.store import interceptions
from aigateway.store.engine import Store
from aigateway.store.interceptions import InterceptionFilter, UnknownCursor

_EXACT = frozenset({"provider", "provider_name", "model", "client"})
_KEYS = _EXACT | {"initiator", "started_after", "started_before"}


def router(store: Store, people: People) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/api/v2/ai-gateway/interceptions")
    @routes.get("/api/v2/aibridge/interceptions")
    async def list_interceptions(
        actor: SignedIn,
        q: Annotated[str, Query(max_length=4096)] = "",
        limit: Limit = 100,
        offset: Offset = 0,
        after_id: Cursor = None,
    ) -> Any:
        if after_id and offset:
            return _bad("offset", "Use either offset or after_id.")
        wanted = await meant(q, actor, people)
        after = after_id.lower() if after_id else None
        try:
            page = await store.read(interceptions.page, wanted, after_id=after, offset=offset, limit=limit)
        except UnknownCursor:
            return _bad("after_id", "There is no such interception that you may see.")
        return shapes.interceptions(page)

    return routes


async def meant(q: str, actor: Actor, people: People) -> InterceptionFilter:
    """What a search means for this actor. Members see their own interceptions, silently.

    Raises:
        BadSearch: it means nothing.
    """
    values = search.parse(q, keys=_KEYS, default="initiator")
    times = {key: search.time(key, values[key]) for key in ("started_after", "started_before") if key in values}
    if len(times) == 2 and times["started_before"] < times["started_after"]:
        raise BadSearch("started_before", "started_before is earlier than started_after.")
    initiator = values.get("initiator")
    try:
        initiator_id = None if initiator is None else await people.initiator_id(actor, initiator)
    except Missing as error:
        raise BadSearch("initiator", str(error)) from error
    sees_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)
    return InterceptionFilter(
        visible_to=None if sees_all else actor.user_id,
        initiator_id=initiator_id,
        started_after=times.get("started_after"),
        started_before=times.get("started_before"),
        **{key: values[key] for key in _EXACT & values.keys()},
    )


def _bad(parameter: str, text: str) -> JSONResponse:
    return refusal(400, "The page cannot be found.", validations=[(parameter, text)])
