"""Light, dark, or as the person's system has it: kept in a cookie of the browser's own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.web import forms
from aigateway.web.rendering import THEME_COOKIE, THEMES
from aigateway.web.signin import local
from aigateway.web.walls import is_secure

_A_YEAR = 365 * 86400


def routes() -> list[Route]:
    """The form that every page has."""

    async def choose(request: Request) -> Response:
        sent = await forms.read(request)
        answer = RedirectResponse(local(sent["next"]), 303)
        if sent["theme"] in THEMES:
            secure = is_secure(request)
            answer.set_cookie(
                THEME_COOKIE, sent["theme"], max_age=_A_YEAR, httponly=True, samesite="lax", secure=secure, path="/"
            )
        return answer

    return [Route("/theme", choose, methods=["POST"])]
