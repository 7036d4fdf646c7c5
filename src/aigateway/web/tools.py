"""Tools: the MCP servers, one's own accounts there, and for operators how the servers do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Missing
from aigateway.accounts.roles import Permission
from aigateway.api import external_auth
from aigateway.store.times import rfc3339
from aigateway.tools.linked import LinkedAccounts
from aigateway.tools.service import MyServer
from aigateway.tools.status import ServerStatus
from aigateway.web import forms
from aigateway.web.places import address
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site
from aigateway.web.walls import is_secure

COOKIE = "aigateway_external_auth"
_COOKIE_PATH = "/external-auth/"
_COOKIE_SECONDS = 600


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages: those of accounts only where people have some."""

    async def show(request: Request) -> Response:
        actor = request.state.actor
        mine = await site.tools.of(actor.user_id)
        statuses = _statuses(site, actor)
        return renderer.answer(
            request,
            "tools",
            lambda: [_twin(server, statuses.get(server.name)) for server in mine],
            servers=mine,
            statuses=statuses,
        )

    accounts = site.tools.accounts
    page = Route("/tools", show, methods=["GET"])
    return [page] if accounts is None else [page, *_of_accounts(accounts, site)]


def _of_accounts(accounts: LinkedAccounts, site: Site) -> list[Route]:
    async def to_tools(request: Request) -> Response:
        _named(accounts, request)
        return RedirectResponse("/tools", 303)

    async def link(request: Request) -> Response:
        name = _named(accounts, request)
        if request.headers.get("sec-fetch-site") == "cross-site":
            return RedirectResponse("/tools", 303)  # nobody else starts this for a person
        place = f"{address(site, request)}/external-auth/{quote(name)}/callback"
        question = accounts.begin(request.state.actor, request.state.session_token, name, place)
        answer = RedirectResponse(question.url, 303)
        answer.set_cookie(
            COOKIE,
            question.cookie,
            max_age=_COOKIE_SECONDS,
            path=_COOKIE_PATH,
            secure=is_secure(request) or place.startswith("https://"),
            httponly=True,
            samesite="lax",
        )
        return answer

    async def callback(request: Request) -> Response:
        told = request.query_params
        await accounts.finish(
            request.state.actor,
            request.state.session_token,
            _named(accounts, request),
            cookie=request.cookies.get(COOKIE, ""),
            state=told.get("state", ""),
            code=told.get("code", ""),
            error=told.get("error", ""),
        )
        answer = RedirectResponse("/tools", 303)
        answer.delete_cookie(COOKIE, path=_COOKIE_PATH)
        return answer

    async def unlink(request: Request) -> Response:
        await forms.read(request)
        await accounts.unlink(request.state.actor, _named(accounts, request))
        return RedirectResponse("/tools", 303)

    return [
        Route("/external-auth/{name}", to_tools, methods=["GET"]),
        Route("/external-auth/{name}/link", link, methods=["GET"]),
        Route("/external-auth/{name}/callback", callback, methods=["GET"]),
        Route("/external-auth/{name}/unlink", unlink, methods=["POST"]),
    ]


def _named(accounts: LinkedAccounts, request: Request) -> str:
    name: str = request.path_params["name"]
    if name not in accounts.names:
        raise Missing(f"There is no MCP server {name} at which people have accounts.")
    return name


def _statuses(site: Site, actor: Actor) -> dict[str, ServerStatus]:
    """How the servers do, for those who may know."""
    if not roles.allows(actor.roles, Permission.READ_SERVER_STATE):
        return {}
    return {status.name: status for status in site.tools.statuses()}


def _twin(server: MyServer, status: ServerStatus | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": server.name,
        "needs_account": server.needs_account,
        "account": external_auth.link(server.account) if server.account else None,
        "problem": server.problem,
    }
    if status is not None:
        checked = {"checked_at": None if status.checked_at is None else rfc3339(status.checked_at)}
        found["status"] = asdict(status) | checked
    return found
