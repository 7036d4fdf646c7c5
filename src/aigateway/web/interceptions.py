"""The flat list of interceptions, and each of them whole."""

from __future__ import annotations

import re
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.roles import Permission
from aigateway.api import shapes
from aigateway.api.meaning import INTERCEPTIONS, meant
from aigateway.api.search import BadSearch
from aigateway.store import interceptions
from aigateway.store.interceptions import InterceptionPage, Interceptions
from aigateway.store.observed import Row
from aigateway.store.times import rfc3339
from aigateway.web import filters
from aigateway.web.paging import Window
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

PATH = "/ai-gateway/interceptions"
_PAGE = 50
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def listed(request: Request) -> Response:
        actor = request.state.actor
        found, error = filters.read(request.query_params, PATH, keys=INTERCEPTIONS.keys, default=INTERCEPTIONS.default)
        window = Window.of(request, _PAGE)
        page = InterceptionPage(0, [])
        try:
            if not error:
                wanted = await meant(found.meant(renderer.clock()), actor, site.accounts.people)
                page = await site.store.read(
                    interceptions.page, wanted, after_id=None, offset=window.offset, limit=_PAGE
                )
        except BadSearch as refused:
            error = str(refused)
        if error and request.state.json:
            raise BadSearch("q", error)
        return renderer.answer(
            request,
            "interceptions",
            lambda: shapes.interceptions(page),
            status=400 if error else 200,
            error=error,
            incomplete=None if page.is_complete else shapes.INCOMPLETE,
            filter=found,
            q=found.q or request.query_params.get("q", ""),
            ranges=filters.RANGES,
            page=page,
            pages=window.pages(request, page.count),
            sees_all=_sees_all(actor),
            live=window.page == 1,
        )

    async def whole(request: Request) -> Response:
        ident = request.path_params["id"].lower()
        actor = request.state.actor
        found = Interceptions([])
        if _UUID.fullmatch(ident):
            visible_to = None if _sees_all(actor) else actor.user_id
            found = await site.store.read(interceptions.one, ident, visible_to=visible_to)
        if not found.interceptions:
            raise HTTPException(404, "There is no such interception that you may see.")
        return renderer.answer(
            request,
            "interception",
            lambda: shapes.interception(found.interceptions[0], found),
            seen=found,
            row=found.interceptions[0],
            facts=_facts(found.interceptions[0]),
        )

    return [Route(PATH, listed, methods=["GET"]), Route(PATH + "/{id}", whole, methods=["GET"])]


def _sees_all(actor: Actor) -> bool:
    return roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _facts(row: Row) -> list[tuple[str, str]]:
    """The raw columns and metadata, by name."""
    hidden = {"username", "name", "avatar_url", "metadata"}
    facts = [(name, _said(value)) for name, value in row.items() if name not in hidden and value is not None]
    return facts + [(f"metadata.{name}", str(value)) for name, value in sorted((row["metadata"] or {}).items())]
