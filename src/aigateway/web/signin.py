"""Signing in with a password, and out."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts.errors import NotSignedIn
from aigateway.api.guard import SESSION_COOKIE
from aigateway.api.throttle import Throttle
from aigateway.web import forms
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site
from aigateway.web.walls import is_secure

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A path of this server: two slashes, or one that browsers take for one, would begin another server's name."""


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""
    throttle = Throttle()

    def form(request: Request, *, email: str = "", error: str = "", status: int = 200) -> Response:
        return signin_page(site, renderer, request, email=email, error=error, status=status)

    async def ask(request: Request) -> Response:
        if request.state.actor is not None:
            return RedirectResponse(local(request.query_params.get("next", "")), 303)
        if not await site.accounts.people.is_anybody_there():
            return RedirectResponse("/setup", 303)
        return form(request)

    async def enter(request: Request) -> Response:
        sent = await forms.read(request)
        email = sent["email"].strip()
        key = (request.client.host if request.client else "", email[:254].lower())
        if wait := throttle.attempt(key):
            seconds = math.ceil(wait)
            answer = form(request, email=email, error=f"Too many tries. Wait {seconds} s.", status=429)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        try:
            token = await site.accounts.sign_in.login(email, sent["password"])
        except NotSignedIn as error:
            return form(request, email=email, error=str(error), status=401)
        throttle.succeeded(key)
        return signed_in(token, local(sent["next"]), secure=is_secure(request))

    async def leave(request: Request) -> Response:
        await forms.read(request)
        await site.accounts.sign_in.logout(request.state.actor)
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(SESSION_COOKIE)
        return answer

    return [
        Route("/signin", ask, methods=["GET"]),
        Route("/signin", enter, methods=["POST"]),
        Route("/signout", leave, methods=["POST"]),
    ]


def signin_page(
    site: Site, renderer: Renderer, request: Request, *, email: str = "", error: str = "", status: int = 200
) -> Response:
    """The page that asks who somebody is."""
    wanted = local(request.query_params.get("next", ""))
    oidc = site.oidc.text if site.oidc else ""
    return renderer.answer(
        request,
        "signin",
        lambda: {"signed_in": False, "message": error} if error else {"signed_in": False},
        status=status,
        email=email,
        next=wanted,
        error=error,
        oidc=oidc,
        passwords_of_owners_only=site.accounts.sign_in.owners_only,
    )


def signed_in(token: str, place: str, *, secure: bool) -> Response:
    """Send a browser to a page with its session's cookie, which it is to show over TLS only when `secure`."""
    answer = RedirectResponse(place, 303)
    answer.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="lax", secure=secure, path="/")
    return answer


def local(place: str) -> str:
    """A place to go to after signing in; the first page for what is not one of this server's."""
    return place if _LOCAL.fullmatch(place) and not urlsplit(place).netloc else "/"
