"""The dashboard as one ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aigateway.accounts.errors import AccountError
from aigateway.api.errors import STATUSES
from aigateway.api.search import BadSearch
from aigateway.store.engine import StoreUnavailable
from aigateway.web import (
    account,
    cli_auth,
    connect,
    home,
    interceptions,
    people,
    providers,
    session,
    sessions,
    settings,
    setup,
    signin,
    theme,
    tokens,
    tools,
)
from aigateway.web.assets import PREFIX, Assets
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site
from aigateway.web.walls import Walls

_OLD_PLACES = {"/aibridge/sessions": "/ai-gateway/sessions", "/ai-gateway": "/ai-gateway/sessions"}
"""Addresses that people may have kept, and where the page is."""


def create_web(site: Site) -> ASGIApp:
    """Every page of a site. Whoever is not signed in is sent to sign in, except on the pages in `walls.OPEN`."""
    assets = Assets()
    renderer = Renderer(assets, clock=site.accounts.people.clock)
    routes = [Route(PREFIX + "{name}", assets.serve)]
    for pages in (
        signin,
        setup,
        account,
        cli_auth,
        home,
        interceptions,
        connect,
        tools,
        tokens,
        people,
        providers,
        settings,
        sessions,
        session,
    ):
        routes += pages.routes(site, renderer)
    routes += theme.routes()
    if site.oidc is not None:
        from aigateway.web import oidc  # noqa: PLC0415  # with the libraries that only it needs

        routes += oidc.routes(site, renderer, site.oidc)
    routes += [Route(old, _moved(new)) for old, new in _OLD_PLACES.items()]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        kind: _Refusals(renderer).answer for kind in (AccountError, BadSearch, StoreUnavailable, HTTPException)
    }
    pages_app = Starlette(routes=routes, exception_handlers={**handlers, Exception: _Refusals(renderer).mistake})
    pages_app.router.redirect_slashes = False
    return Walls(pages_app, site)


def _moved(place: str) -> Callable[[Request], Awaitable[Response]]:
    async def move(_request: Request) -> Response:
        return RedirectResponse(place, 308)

    return move


class _Refusals:
    """How pages say no."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def answer(self, request: Request, error: Exception) -> Response:
        """What went wrong, in a sentence for people."""
        status, message = _said(error)
        headers = getattr(error, "headers", None)
        if request.state.json:
            return JSONResponse({"message": message}, status, headers)
        answer = self._renderer.answer(
            request, "error", dict, status=status, title=HTTPStatus(status).phrase, message=message
        )
        answer.headers.update(headers or {})
        return answer

    async def mistake(self, request: Request, _error: Exception) -> Response:
        """For mistakes of ours: the framework raises the error again, and the walls log it."""
        apology = HTTPException(500, "The server made a mistake. It is in the server's log. Trying again may help.")
        return await self.answer(request, apology)


def _said(error: Exception) -> tuple[int, str]:
    if isinstance(error, AccountError):
        return STATUSES[type(error)], str(error)
    if isinstance(error, BadSearch):
        return 400, str(error)
    if isinstance(error, StoreUnavailable):
        return 503, "The database is away. Try again in a moment; the server's log says why."
    if isinstance(error, HTTPException):
        known = {404: "There is no such page, or none that you may see.", 405: "This page takes no such request."}
        plain = HTTPStatus(error.status_code).phrase
        return error.status_code, known.get(error.status_code, plain) if error.detail == plain else error.detail
    return 500, "The server made a mistake."
