"""The list of sessions: who did what with which client, newest first."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.roles import Permission
from aigateway.api import session_shapes
from aigateway.api.meaning import SESSIONS, meant
from aigateway.api.search import BadSearch
from aigateway.api.shapes import INCOMPLETE
from aigateway.store import facets, sessions
from aigateway.store.facets import Facet
from aigateway.store.sessions import SessionPage
from aigateway.web import filters, histogram
from aigateway.web.histogram import Bar
from aigateway.web.paging import Window
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

PATH = "/ai-gateway/sessions"
_PAGE = 25
_MENU = 30
_Menus = dict[str, tuple[str, list[str]]]
"""What there is to filter by: label and values, by key of the search."""
_MENUS = {Facet.CLIENT: "Client", Facet.MODEL: "Model", Facet.PROVIDER_NAME: "Provider"}
_Look = tuple[SessionPage, _Menus, list[Bar]]


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
        bars: list[Bar] = []
        now = renderer.clock()
        try:
            if not error:
                wanted = await meant(found.meant(now), actor, site.accounts.people, SESSIONS)
                span = histogram.span(found, now)

                def look(connection: Connection) -> _Look:
                    rows = sessions.page(connection, wanted, after=None, offset=window.offset, limit=_PAGE)
                    if request.state.json:
                        return rows, {}, []
                    drawn = histogram.seen(lambda step: sessions.begun(connection, wanted, step), span, now)
                    return rows, _menus(connection, wanted.visible_to), drawn

                page, menus, bars = await site.store.read(look)
                if sees_all and not request.state.json:
                    menus = {"initiator": ("Person", await _usernames(site, actor)), **menus}
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
            incomplete=None if page.is_complete else INCOMPLETE,
            filter=found,
            q=found.q or request.query_params.get("q", ""),
            ranges=filters.RANGES,
            menus=menus,
            bars=bars,
            sessions=page.sessions,
            snippets=page.snippets,
            pages=window.pages(request, page.count),
            sees_all=sees_all,
            live=window.page == 1,
        )

    return [Route(PATH, listed, methods=["GET"])]


async def _usernames(site: Site, actor: Actor) -> list[str]:
    page = await site.accounts.people.page(actor, search="", after_id=None, offset=0, limit=_MENU)
    return [user.username for user in page.users]


def _menus(connection: Connection, visible_to: str | None) -> _Menus:
    """What there is to filter by: key, label, values."""
    return {
        facet.value: (
            label,
            facets.values(connection, facet, visible_to=visible_to, prefix="", offset=0, limit=_MENU),
        )
        for facet, label in _MENUS.items()
    }
