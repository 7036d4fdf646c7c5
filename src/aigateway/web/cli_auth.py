"""A session for the command line, for those who sign in to it by way of a browser (`aigateway login`)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts.people import ME
from aigateway.web import forms
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def ask(request: Request) -> Response:
        return renderer.answer(request, "cli_auth", dict, made="")

    async def make(request: Request) -> Response:
        await forms.read(request)
        made = await site.accounts.keys.create_session(request.state.actor, ME)
        return renderer.answer(request, "cli_auth", lambda: {"session_token": made}, status=201, made=made)

    return [Route("/cli-auth", ask, methods=["GET"]), Route("/cli-auth", make, methods=["POST"])]
