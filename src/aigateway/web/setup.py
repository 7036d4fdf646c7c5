"""The first page of a new server: whoever comes first makes the account that owns it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts.errors import AccountError, Conflict
from aigateway.accounts.new_user import NewUser
from aigateway.api.errors import STATUSES
from aigateway.web import forms
from aigateway.web.rendering import Renderer
from aigateway.web.signin import signed_in
from aigateway.web.site import Site
from aigateway.web.walls import is_secure


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""
    accounts = site.accounts
    shown: dict[str, Any] = {"oidc": site.oidc.text if site.oidc else "", "is_exposed": site.is_exposed}

    async def ask(request: Request) -> Response:
        if await accounts.people.is_anybody_there():
            return RedirectResponse("/signin", 303)
        return renderer.answer(request, "setup", lambda: {"set_up": False}, username="", email="", **shown)

    async def found(request: Request) -> Response:
        sent = await forms.read(request)
        username, email = sent["username"].strip(), sent["email"].strip()
        try:
            await accounts.people.create_first(NewUser(username=username, email=email, password=sent["password"]))
        except Conflict:
            return RedirectResponse("/signin", 303)
        except AccountError as error:
            status = STATUSES[type(error)]
            return renderer.answer(
                request, "setup", dict, status=status, error=str(error), username=username, email=email, **shown
            )
        token = await accounts.sign_in.login(email, sent["password"])
        return signed_in(token, "/connect", secure=is_secure(request))

    return [Route("/setup", ask, methods=["GET"]), Route("/setup", found, methods=["POST"])]
