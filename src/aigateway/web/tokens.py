"""Tokens: one's own, and everybody's for owners."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.errors import AccountError, Invalid
from aigateway.accounts.people import ME
from aigateway.accounts.roles import Permission
from aigateway.api import shapes
from aigateway.api.errors import STATUSES
from aigateway.web import forms
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""
    keys = site.accounts.keys

    async def show(request: Request, *, status: int = 200, **view: Any) -> Response:
        actor = request.state.actor
        everybodys = bool(request.query_params.get("all")) and roles.allows(actor.roles, Permission.MANAGE_ALL_TOKENS)
        found = await keys.tokens(actor, ME, include_expired=True, include_all=everybodys)
        found.reverse()
        return renderer.answer(
            request,
            "tokens",
            lambda: [shapes.token(key, username) for key, username in found],
            status=status,
            tokens=found,
            everybodys=everybodys,
            now=renderer.clock(),
            longest=site.accounts.keys.limits.max_lifetime.total_seconds() / 86400,
            default=site.accounts.keys.limits.default_lifetime.total_seconds() / 86400,
            **{"made": "", "name": "", **view},
        )

    async def create(request: Request) -> Response:
        sent = await forms.read(request)
        name = sent["name"].strip()
        try:
            made = await keys.create_token(request.state.actor, ME, name, lifetime(sent["days"]))
        except AccountError as error:
            return await show(request, status=STATUSES[type(error)], error=str(error), name=name)
        # No redirect: this answer is the only one that can show the token.
        return await show(request, status=201, made=made, name=name)

    async def remove(request: Request) -> Response:
        sent = await forms.read(request)
        try:
            await keys.remove(request.state.actor, sent["user"] or ME, sent["key"])
        except AccountError as error:
            return await show(request, status=STATUSES[type(error)], error=str(error))
        return RedirectResponse("/tokens?all=1" if sent["all"] else "/tokens", 303)

    return [
        Route("/tokens", show, methods=["GET"]),
        Route("/tokens", create, methods=["POST"]),
        Route("/tokens/remove", remove, methods=["POST"]),
    ]


def lifetime(days: str) -> timedelta | None:
    """How long a token is to live; None for the default.

    Raises:
        Invalid: it is no number of days.
    """
    if not days.strip():
        return None
    try:
        return timedelta(days=float(days))
    except (ValueError, OverflowError) as error:
        raise Invalid("lifetime", "The lifetime is a number of days, such as 30.") from error
