"""One's own account: who one is here, one's password, and how one signs in."""

from __future__ import annotations

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts.errors import AccountError
from aigateway.accounts.people import ME
from aigateway.accounts.roles import DISPLAY_NAMES, Role
from aigateway.api import shapes
from aigateway.api.errors import STATUSES
from aigateway.api.throttle import Throttle
from aigateway.store import user_links
from aigateway.web import forms
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

_DONE = {
    "password": "Your password is changed. Your other sessions are ended.",
    "connected": "Your account is connected. You can sign in this way from now on.",
}


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""
    accounts = site.accounts
    throttle = Throttle()

    async def show(request: Request, *, status: int = 200, **view: Any) -> Response:
        user = await accounts.people.get(request.state.actor, ME)
        connected = await site.store.read(user_links.is_linked, user.id)
        done = next((text for name, text in _DONE.items() if name in request.query_params), "")
        return renderer.answer(
            request,
            "account",
            lambda: shapes.user(user) | {"connected": connected},
            status=status,
            user=user,
            role_names=[DISPLAY_NAMES[Role(role)] for role in user.roles or (Role.MEMBER,)],
            connected=connected,
            oidc=site.oidc.text if site.oidc else "",
            **{"done": done} | view,
        )

    async def change_password(request: Request) -> Response:
        sent = await forms.read(request)
        actor = request.state.actor
        # Whoever finds somebody else's browser open must not guess on.
        if wait := throttle.attempt(actor.user_id):
            seconds = math.ceil(wait)
            return await show(request, status=429, done="", error=f"Too many tries. Wait {seconds} s.")
        if sent["new"] != sent["again"]:
            return await show(request, status=400, done="", error="The new password is not the same both times.")
        try:
            await accounts.password_change.change(actor, ME, sent["new"], sent["old"])
        except AccountError as error:
            return await show(request, status=STATUSES[type(error)], done="", error=str(error))
        throttle.succeeded(actor.user_id)
        return RedirectResponse("/account?password=1", 303)

    return [
        Route("/account", show, methods=["GET"]),
        Route("/account/password", change_password, methods=["POST"]),
    ]
