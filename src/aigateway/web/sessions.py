"""The list of sessions: who did what with which client, newest first."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.roles import Permission
from aigateway.api import session_shapes
from aigateway.api.meaning import SESSIONS, meant
from aigateway.api.search import BadSearch
from aigateway.store import facets, sessions
from aigateway.store.facets import Facet
from aigateway.store.sessions import SessionPage
from aigateway.web import filters
from aigateway.web.paging import Window
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

PATH = "/ai-gateway/sessions"
_PAGE = 25
_MENU = 30
_Menus = dict[str, tuple[str, list[str]]]
"""What there is to filter by: label and values, by key of the search."""
_MENUS = {Facet.CLIENT: "Client", Facet.MODEL: "Model", Facet.PROVIDER_NAME: "Provider"}


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def listed(request: Request) -> Response:
        actor = request.state.actor
        sees_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)
        found, error = filters.read(
            request.query_params, PATH, keys=SESSIONS.keys, default=SESSIONS.default, range_="24h"
        )
        window = Window.of(request, _PAGE)
        page = SessionPage(0, [])
        menus: _Menus = {}
        try:
            if not error:
                wanted = await meant(found.meant(renderer.clock()), actor, site.accounts.people, SESSIONS)

                def look(connection: Connection) -> tuple[SessionPage, _Menus]:
                    rows = sessions.page(connection, wanted, after=None, offset=window.offset, limit=_PAGE)
                    return rows, {} if request.state.json else _menus(connection, wanted.visible_to)

                page, menus = await site.store.read(look)
        except BadSearch as refused:
            error = str(refused)
        if error and request.state.json:
            raise BadSearch("q", error)
        return renderer.answer(
            request,
            "sessions",
            lambda: session_shapes.sessions(page),
            status=400 if error else 200,
            error=error,
            filter=found,
            q=request.query_params.get("q", ""),
            ranges=filters.RANGES,
            menus=menus,
            sessions=page.sessions,
            pages=window.pages(request, page.count),
            sees_all=sees_all,
            live=window.page == 1,
        )

    return [Route(PATH, listed, methods=["GET"])]


def _menus(connection: Connection, visible_to: str | None) -> _Menus:
    """What there is to filter by: key, label, values."""
    return {
        facet.value: (
            label,
            facets.values(connection, facet, visible_to=visible_to, prefix="", offset=0, limit=_MENU),
        )
        for facet, label in _MENUS.items()
    }
