"""Everybody who has an account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.errors import AccountError, Refused
from aigateway.accounts.new_user import NONE, OIDC, PASSWORD, NewUser
from aigateway.accounts.roles import DISPLAY_NAMES, Permission, Role
from aigateway.api import shapes
from aigateway.api.errors import STATUSES
from aigateway.web import forms
from aigateway.web.paging import Window
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

_PAGE = 50
Act = Callable[[Request, forms.Form], Awaitable[object]]


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""
    people = site.accounts.people

    async def show(request: Request, *, status: int = 200, sent: forms.Form | None = None, **view: Any) -> Response:
        actor = request.state.actor
        if not roles.allows(actor.roles, Permission.READ_ALL_USERS):
            raise Refused("Your roles do not allow you to see everybody's account. Ask an owner.")
        search = request.query_params.get("q", "").replace("\x00", "").strip()[:256]
        window = Window.of(request, _PAGE)
        page = await people.page(actor, search=search, after_id=None, offset=window.offset, limit=_PAGE)
        may_give = [role for role in Role if role is not Role.MEMBER and roles.may_rule_over(actor.roles, [role])]
        return renderer.answer(
            request,
            "people",
            lambda: {"users": [shapes.user(user) for user in page.users], "count": page.count},
            status=status,
            people=page.users,
            q=search,
            pages=window.pages(request, page.count),
            may_give=may_give,
            may_change={user.id for user in page.users if _may_change(actor, user)},
            role_names=DISPLAY_NAMES,
            oidc=site.oidc.text if site.oidc else "",
            sent={name: sent[name] if sent else "" for name in ("username", "name", "email", "kind")},
            **view,
        )

    def changing(act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def change(request: Request) -> Response:
            sent = await forms.read(request)
            try:
                await act(request, sent)
            except AccountError as error:
                return await show(request, status=STATUSES[type(error)], error=str(error), sent=sent)
            return RedirectResponse("/people", 303)

        return change

    return [
        Route("/people", show, methods=["GET"]),
        Route("/people", changing(_create(site)), methods=["POST"]),
        *(Route(f"/people/{{user}}/{name}", changing(act), methods=["POST"]) for name, act in _changes(site).items()),
    ]


def _create(site: Site) -> Act:
    async def create(request: Request, sent: forms.Form) -> None:
        is_service, is_oidc = sent["kind"] == NONE, sent["kind"] == OIDC
        new = NewUser(
            username=sent["username"].strip(),
            name=sent["name"].strip(),
            email="" if is_service else sent["email"].strip(),
            password="" if is_service or is_oidc else sent["password"],
            roles=tuple(filter(None, sent.all("role"))),
            is_service_account=is_service,
            login_type=OIDC if is_oidc else PASSWORD,
        )
        await site.accounts.people.create(request.state.actor, new)

    return create


def _changes(site: Site) -> dict[str, Act]:
    """What can be done to somebody, by the last part of its address."""
    people = site.accounts.people

    async def set_roles(request: Request, sent: forms.Form) -> None:
        await people.set_roles(request.state.actor, _named(request), filter(None, sent.all("role")))

    async def set_password(request: Request, sent: forms.Form) -> None:
        await site.accounts.password_change.change(request.state.actor, _named(request), sent["password"])

    async def suspend(request: Request, _sent: forms.Form) -> None:
        await people.suspend(request.state.actor, _named(request))

    async def activate(request: Request, _sent: forms.Form) -> None:
        await people.activate(request.state.actor, _named(request))

    async def delete(request: Request, _sent: forms.Form) -> None:
        await people.delete(request.state.actor, _named(request))

    return {
        "roles": set_roles,
        "password": set_password,
        "suspend": suspend,
        "activate": activate,
        "delete": delete,
    }


def _named(request: Request) -> str:
    return str(request.path_params["user"])


def _may_change(actor: Any, user: Any) -> bool:
    """Whether the page offers it; the service decides."""
    manages = roles.allows(actor.roles, Permission.MANAGE_USERS)
    return manages and user.id != actor.user_id and (not user.roles or roles.may_rule_over(actor.roles, user.roles))
