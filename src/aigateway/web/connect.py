"""Connecting a client: its lines, a token in them, and a word when its first request is on record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts.errors import AccountError
from aigateway.accounts.people import ME
from aigateway.api.errors import STATUSES
from aigateway.providers.provider import Provider
from aigateway.store import interceptions
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.observed import Row
from aigateway.web import forms
from aigateway.web.places import address
from aigateway.web.recipes import Recipe, Way, book
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site
from aigateway.web.tokens import lifetime

PLACEHOLDER = "YOUR_TOKEN"
_LOOKED_THROUGH = 50
"""A person's newest requests, among which the first one of a new token is looked for."""
_KEY = re.compile(r"[A-Za-z0-9]{10}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A client, and a provider of this server that speaks as it does."""

    recipe: Recipe
    way: Way
    provider: str
    providers: list[str]
    """All that do."""
    own: bool
    """Whether the person brings a key or a login."""
    may_own: bool


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def pick(request: Request) -> Response:
        usable = [recipe for recipe in book().client if _fitting(site, recipe)]
        kinds = {kind: [recipe for recipe in usable if recipe.kind == kind] for kind in _kinds(usable)}
        return renderer.answer(
            request,
            "connect",
            lambda: [{"client": recipe.slug, "name": recipe.name} for recipe in usable],
            kinds=kinds,
            unreachable=book().unreachable,
            enabled=site.enabled,
            unlinked=[server.name for server in await site.tools.of(request.state.actor.user_id) if server.unlinked],
        )

    async def show(request: Request, *, status: int = 200, token: str = "", **view: Any) -> Response:
        choice = _chosen(site, request)
        if choice is None:
            return RedirectResponse("/connect", 303)
        base = f"{address(site, request)}/api/v2/ai-gateway"
        steps = choice.way.filled(base=base, provider=choice.provider, token=token or PLACEHOLDER, own=choice.own)
        return renderer.answer(
            request,
            "connect_client",
            lambda: {
                "client": choice.recipe.name,
                "provider": choice.provider,
                "own_key": choice.own,
                "steps": [{"where": step.where, "lines": step.lines} for step in steps],
            },
            status=status,
            choice=choice,
            steps=steps,
            note=choice.way.own_note if choice.own else choice.way.note,
            token=token,
            key=token.partition("-")[0],
            **view,
        )

    async def create(request: Request) -> Response:
        await forms.read(request)
        try:
            token = await site.accounts.keys.create_token(request.state.actor, ME, "", lifetime(""))
        except AccountError as error:
            return await show(request, status=STATUSES[type(error)], error=str(error))
        return await show(request, status=201, token=token)

    async def received(request: Request) -> Response:
        key = request.path_params["key"]
        mine = InterceptionFilter(visible_to=request.state.actor.user_id)
        found: Row | None = None
        if _KEY.fullmatch(key):
            page = await site.store.read(interceptions.below, mine, after=None, limit=_LOOKED_THROUGH)
            found = next((row for row in reversed(page.interceptions) if row["api_key_id"] == key), None)
        if request.state.json:
            return JSONResponse(_first(found))
        return RedirectResponse(
            f"/ai-gateway/interceptions/{found['id']}" if found else "/ai-gateway/interceptions", 303
        )

    return [
        Route("/connect", pick, methods=["GET"]),
        Route("/connect/received/{key}", received, methods=["GET"]),
        Route("/connect/{client}", show, methods=["GET"]),
        Route("/connect/{client}", create, methods=["POST"]),
    ]


def _chosen(site: Site, request: Request) -> Choice | None:
    slug = request.path_params["client"]
    recipe = next((recipe for recipe in book().client if recipe.slug == slug), None)
    if recipe is None:
        raise HTTPException(404, "There are no lines for such a client.")
    fitting = _fitting(site, recipe)
    if not fitting:
        return None
    asked = request.query_params.get("provider", "")
    provider = asked if asked in fitting else next(iter(fitting))
    way = fitting[provider]
    may_own = bool(way.own) and site.allow_byok
    own = may_own and request.query_params.get("key") == "own"
    return Choice(recipe, way, provider, list(fitting), own, may_own)


def _fitting(site: Site, recipe: Recipe) -> dict[str, Way]:
    """How the client gets to each provider that it can use, by the provider's name."""
    found = {provider.name: recipe.way_to(_kind(provider)) for provider in site.providers.values()}
    return {name: way for name, way in found.items() if way is not None}


def _kind(provider: Provider) -> str:
    return "chatgpt" if urlsplit(provider.origin).hostname == "chatgpt.com" else provider.type.value


def _kinds(recipes: list[Recipe]) -> list[str]:
    return list(dict.fromkeys(recipe.kind for recipe in recipes))


def _first(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {"received": False}
    failed = bool(row["error_type"]) or (row["status_code"] or 0) >= 400
    return {
        "received": True,
        "id": row["id"],
        "client": row["client"],
        "model": row["model"],
        "status_code": row["status_code"],
        "failed": failed,
    }
